import type { Clock } from '../core/clock.ts';

/** Runs again and again with a pause between, until the returned function has stopped it. */
export function every(pauseMs: number, clock: Clock, run: () => Promise<void>): () => Promise<void> {
  const stop = new AbortController();
  const loop = (async () => {
    for (;;) {
      await clock.sleep(pauseMs, stop.signal);
      if (stop.signal.aborted) return;
      await run();
    }
  })();
  return async () => {
    stop.abort();
    await loop;
  };
}
