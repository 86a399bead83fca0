import type { Environment } from './keyFile.ts';
import type { LedgerKeys } from './keys.ts';
import { openLocalKeys, openLostLocalKeys } from './localKeys.ts';

/**
 * Opens whoever signs for the log of DATA/ledger; makes log and key when neither is there. The one place that
 * chooses between the implementations. @throws KW_KEY
 */
export async function openKeys(dataDir: string, env: Environment): Promise<LedgerKeys> {
  return openLocalKeys(dataDir, env);
}

/** For a log whose key is lost or stolen: signs nothing, and makes the key that follows. @throws KW_KEY */
export async function openLostKeys(dataDir: string, env: Environment): Promise<LedgerKeys> {
  return openLostLocalKeys(dataDir, env);
}
