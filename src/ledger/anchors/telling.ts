import { KeywitnessError } from '../../core/errors.ts';
import type { Anchor, SignedHead } from './anchor.ts';

/** Shows heads to the anchors, one head at a time, while the ledger goes on. */
export interface Telling {
  /** Skipped while an older head is being shown: the next one covers it. `save` gets the cosignature lines. */
  tell(head: SignedHead, save: (lines: readonly string[]) => Promise<void>): void;
  /** Nothing is being shown any more. */
  settled(): Promise<void>;
  /** Lets go of the anchors; what is being shown ends at once. */
  close(): Promise<void>;
}

export function createTelling(anchors: readonly Anchor[]): Telling {
  let running: Promise<void> | undefined;
  return {
    tell(head, save) {
      if (anchors.length === 0 || running !== undefined) return;
      running = keepAll(anchors, head)
        .then((lines) => (lines.length === 0 ? undefined : save(lines)))
        // A store that is away is the heartbeat's to tell; the next head brings a newer cosignature.
        .catch(outlive)
        .finally(() => {
          running = undefined;
        });
    },
    settled: async () => running,
    async close() {
      for (const anchor of anchors) await anchor.close();
      await running;
    },
  };
}

/** The lines that came back. An anchor that is away or refuses gives none; whoever watches it has been told. */
async function keepAll(anchors: readonly Anchor[], head: SignedHead): Promise<readonly string[]> {
  const lines = anchors.map(async (anchor) => {
    try {
      return await anchor.keep(head);
    } catch (error) {
      outlive(error);
      return [];
    }
  });
  return (await Promise.all(lines)).flat();
}

/** An error without a code is a bug, and ends the process. */
function outlive(error: unknown): void {
  if (!(error instanceof KeywitnessError)) throw error;
}
