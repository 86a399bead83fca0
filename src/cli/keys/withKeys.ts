import { resolve } from 'node:path';
import { systemClock } from '../../core/clock.ts';
import type { LedgerKeys } from '../../ledger/keys.ts';
import type { LedgerOptions } from '../../ledger/ledgerOptions.ts';
import { openLedgerStore } from '../../store/ledgerStore.ts';
import { lockDataDir } from '../../store/lock.ts';
import { migrate } from '../../store/migrate.ts';
import { anchorFile, requireStore } from '../appOptions.ts';
import { openChosenAnchors } from '../chosenAnchors.ts';
import { isStoreServer, openChosenStore } from '../chosenStore.ts';

/**
 * For commands that change who signs: alone on the data directory, the ledger not yet open, because opening it is
 * what ends a rollover that was cut short. @throws KW_DATA_MISSING, KW_DATA_HELD, KW_KEY, KW_STORE
 */
export async function withKeys<T>(
  data: string,
  openKeys: (dataDir: string) => LedgerKeys | Promise<LedgerKeys>,
  run: (options: LedgerOptions) => Promise<T>,
): Promise<T> {
  if (!isStoreServer()) requireStore(data);
  const dataDir = resolve(data);
  const release = lockDataDir(dataDir);
  try {
    const keys = await openKeys(dataDir);
    const engine = await openChosenStore(data);
    try {
      await migrate(engine);
      return await run({
        store: openLedgerStore(engine),
        keys,
        anchorFile: anchorFile(data),
        anchors: openChosenAnchors(),
        clock: systemClock,
      });
    } finally {
      await engine.close();
    }
  } finally {
    release();
  }
}
