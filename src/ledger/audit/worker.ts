import { parentPort } from 'node:worker_threads';
import { loadSources, type SourceRegistry } from '../../sources/registry.ts';
import { derivePage, type PagePlan } from './page.ts';

/** A page sent to a worker: `bytes` is the worker's own. */
export interface WorkerJob {
  readonly bytes: Uint8Array;
  readonly rows: number;
  readonly index: number;
  readonly plan: PagePlan;
}

// Loaded by derivePool.ts alone. It must never import the store's engine, which lives in the main thread.
const port = parentPort;
if (port === null) throw new Error('this file is a worker thread of derivePool.ts');
const nothingToRead: SourceRegistry = [];
/** Answers go out in the order of the questions, also while the sources are still being loaded. */
let before = Promise.resolve();
port.on('message', (job: WorkerJob) => {
  before = before.then(() => answer(job));
});

async function answer({ bytes, ...job }: WorkerJob): Promise<void> {
  // Leaves need no source, and the sources' schemas take a while to compile.
  const registry = job.plan.derived === undefined ? nothingToRead : await loadSources();
  const page = derivePage(
    { ...job, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) },
    registry,
  );
  port?.postMessage(page, [page.starts.buffer as ArrayBuffer, page.lengths.buffer as ArrayBuffer]);
}
