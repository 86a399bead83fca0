import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { SourceRegistry } from '../../sources/registry.ts';
import { type DerivedPage, derivePage, type PageJob } from './page.ts';
import type { WorkerJob } from './worker.ts';

/** Derives pages again, in this thread or in others. */
export interface PageDeriver {
  /** Pages that may be under way at once: more would only take memory. */
  readonly pagesMax: number;
  derive(job: PageJob): Promise<DerivedPage>;
  close(): Promise<void>;
}

/** Below this a worker costs more to start than it saves. */
const recordsForWorkers = 20_000;
/** One reader feeds about four. */
const workersMax = 4;

export function openDeriver(records: number, registry: SourceRegistry): PageDeriver {
  return records < recordsForWorkers ? inThisThread(registry) : inWorkers(workersUseful());
}

function workersUseful(): number {
  return Math.max(1, Math.min(workersMax, availableParallelism()));
}

function inThisThread(registry: SourceRegistry): PageDeriver {
  return { pagesMax: 1, derive: async (job) => derivePage(job, registry), close: async () => undefined };
}

/** The engine stays in the main thread; a worker gets a copy of a page and gives back what it derived. */
export function inWorkers(count: number): PageDeriver {
  const workers = Array.from({ length: count }, startWorker);
  return {
    // One in the works and one at hand for each, so that no worker waits for this thread.
    pagesMax: 2 * count + 1,
    derive({ bytes, ...job }) {
      const [free] = workers.toSorted((a, b) => a.pending() - b.pending());
      return (free as PoolWorker).run({ ...job, bytes: new Uint8Array(bytes) });
    },
    async close() {
      await Promise.all(workers.map((w) => w.end()));
    },
  };
}

interface PoolWorker {
  pending(): number;
  run(job: WorkerJob): Promise<DerivedPage>;
  end(): Promise<void>;
}

interface Waiting {
  readonly resolve: (page: DerivedPage) => void;
  readonly reject: (error: unknown) => void;
}

function startWorker(): PoolWorker {
  const worker = newWorker();
  const waiting: Waiting[] = [];
  let failure: unknown;
  // A worker answers in the order it was asked.
  worker.on('message', (page: DerivedPage) => waiting.shift()?.resolve(page));
  const fail = (error: unknown) => {
    failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  worker.on('error', fail);
  worker.on('exit', (code) => fail(new Error(`a worker thread of verify ended (${code})`)));
  return {
    pending: () => waiting.length,
    run: (job) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) return reject(failure);
        waiting.push({ resolve, reject });
        worker.postMessage(job, [job.bytes.buffer as ArrayBuffer]);
      }),
    end: async () => void (await worker.terminate()),
  };
}

/** Built it is JavaScript; from source a thread needs the loader that this one has. */
function newWorker(): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./worker.js', import.meta.url));
  const [loader, file] = [import.meta.resolve('tsx/esm/api'), new URL('./worker.ts', import.meta.url).href];
  const script = `import('${loader}').then(({ register }) => { register(); return import('${file}'); })`;
  return new Worker(script, { eval: true });
}
