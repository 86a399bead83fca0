import { resolve } from 'node:path';
import { every } from '../app/every.ts';
import { systemClock } from '../core/clock.ts';
import { heartbeatIntervalMs, Ledger } from '../ledger/ledger.ts';
import { openKeys } from '../ledger/openKeys.ts';
import type { Engine } from '../store/client.ts';
import { openLedgerStore } from '../store/ledgerStore.ts';
import { lockDataDir } from '../store/lock.ts';
import { migrate } from '../store/migrate.ts';
import { anchorFile, requireStore } from './appOptions.ts';
import { openChosenAnchors } from './chosenAnchors.ts';
import { isStoreServer } from './chosenStore.ts';

export interface OpenLedger {
  readonly engine: Engine;
  readonly ledger: Ledger;
  /** To be called before the ledger is written to: from then on it speaks every few seconds, as in the service. */
  readonly begin: () => Promise<void>;
}

/**
 * For commands that write to the meta-log, alone on the data directory: whoever has it has the key. Closed in order
 * when `run` is done; what fails after `begin` leaves no word of an orderly end.
 * @throws KW_DATA_MISSING, KW_DATA_HELD, KW_LEDGER_BROKEN, KW_KEY, KW_STORE
 */
export async function withLedger<T>(
  dataDir: string,
  openStore: () => Promise<Engine>,
  run: (open: OpenLedger) => Promise<T>,
): Promise<T> {
  if (!isStoreServer()) requireStore(dataDir);
  const release = lockDataDir(resolve(dataDir));
  try {
    const engine = await openStore();
    try {
      return await runOn(engine, dataDir, run);
    } finally {
      await engine.close();
    }
  } finally {
    release();
  }
}

async function runOn<T>(engine: Engine, dataDir: string, run: (open: OpenLedger) => Promise<T>): Promise<T> {
  await migrate(engine);
  const ledger = await Ledger.open({
    store: openLedgerStore(engine),
    keys: await openKeys(resolve(dataDir), process.env),
    anchorFile: anchorFile(dataDir),
    anchors: openChosenAnchors(),
    clock: systemClock,
  });
  let quiet: (() => Promise<void>) | undefined;
  const begin = async () => {
    if (quiet !== undefined) return;
    await ledger.start();
    const failed = (error: Error) => process.stderr.write(`${error.message}\n`);
    quiet = every(heartbeatIntervalMs, systemClock, () => ledger.heartbeat(), failed);
  };
  try {
    const result = await run({ engine, ledger, begin });
    await quiet?.();
    await (quiet === undefined ? ledger.abandon() : ledger.stop());
    return result;
  } catch (error) {
    await quiet?.();
    await ledger.abandon();
    throw error;
  }
}
