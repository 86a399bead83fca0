import { join, resolve } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import { type LogIdentity, readIdentity } from '../ledger/keys.ts';
import { type Engine, openEmbedded } from '../store/client.ts';
import { lockDataDir } from '../store/lock.ts';
import { requireStore } from './appOptions.ts';

/** Reads need no migration and no repair: the store is opened as it is. @throws KW_DATA_MISSING, KW_DATA_HELD */
export async function withStore<T>(dataDir: string, run: (engine: Engine) => Promise<T>): Promise<T> {
  requireStore(dataDir);
  const release = lockDataDir(dataDir);
  try {
    const engine = await openEmbedded(join(resolve(dataDir), 'store'));
    try {
      return await run(engine);
    } finally {
      await engine.close();
    }
  } finally {
    release();
  }
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
