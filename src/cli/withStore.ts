import { resolve } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import { type LogIdentity, readIdentity } from '../ledger/keys.ts';
import type { Engine } from '../store/client.ts';
import { lockDataDir } from '../store/lock.ts';
import { requireStore } from './appOptions.ts';
import { isStoreServer, openChosenStore } from './chosenStore.ts';

/**
 * Reads need no migration and no repair: the store is opened as it is, embedded or on a server.
 * @throws KW_DATA_MISSING, KW_DATA_HELD, KW_STORE
 */
export async function withStore<T>(dataDir: string, run: (engine: Engine) => Promise<T>): Promise<T> {
  if (!isStoreServer()) requireStore(dataDir);
  const release = isStoreServer() ? () => {} : lockDataDir(dataDir);
  try {
    const engine = await openChosenStore(dataDir);
    try {
      await requireTables(engine);
      return await run(engine);
    } finally {
      await engine.close();
    }
  } finally {
    release();
  }
}

/** A command that reads must not call an empty server intact. */
async function requireTables(engine: Engine): Promise<void> {
  if (!engine.isShared) return;
  const [found] = await engine.rows(
    "SELECT count() AS n FROM system.tables WHERE database = 'kw' AND name = 'records'",
  );
  if (Number(found?.n) > 0) return;
  throw new KeywitnessError(
    'KW_DATA_MISSING',
    `${engine.where} holds no table kw.records: nothing was stored there yet, or its user may not see it.`,
  );
}

/** Who the log of this data directory is. @throws KW_DATA_MISSING */
export function requireIdentity(dataDir: string): LogIdentity {
  const identity = readIdentity(resolve(dataDir));
  if (identity === undefined) {
    throw new KeywitnessError(
      'KW_DATA_MISSING',
      `${resolve(dataDir)} holds no ledger: ledger/log.txt is missing.`,
    );
  }
  return identity;
}
