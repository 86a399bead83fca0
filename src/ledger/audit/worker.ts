import { parentPort } from 'node:worker_threads';
import { loadSources } from '../../sources/registry.ts';
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
const registry = await loadSources();
port.on('message', ({ bytes, ...job }: WorkerJob) => {
  const page = derivePage(
    { ...job, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) },
    registry,
  );
  port.postMessage(page, [page.starts.buffer as ArrayBuffer, page.lengths.buffer as ArrayBuffer]);
});
