import type { Clock } from '../core/clock.ts';
import { KeywitnessError } from '../core/errors.ts';

/**
 * Runs again and again with a pause between, until the returned function has stopped it. Errors with a code
 * (a store that does not answer) are told and outlived; anything else is a bug and ends the process.
 */
export function every(
  pauseMs: number,
  clock: Clock,
  run: () => Promise<void>,
  onTrouble: (error: KeywitnessError) => void,
): () => Promise<void> {
  const stop = new AbortController();
  const loop = (async () => {
    for (;;) {
      await clock.sleep(pauseMs, stop.signal);
      if (stop.signal.aborted) return;
      try {
        await run();
      } catch (error) {
        if (!(error instanceof KeywitnessError)) throw error;
        onTrouble(error);
      }
    }
  })();
  return async () => {
    stop.abort();
    await loop;
  };
}
