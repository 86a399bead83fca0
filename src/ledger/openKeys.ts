import type { Environment } from './keyFile.ts';
import type { LedgerKeys } from './keys.ts';
import { openLocalKeys, openLostLocalKeys } from './localKeys.ts';
import { transitKey } from './transit.ts';
import { openLostTransitKeys, openTransitKeys } from './transitKeys.ts';

/**
 * Opens whoever signs for the log of DATA/ledger; makes log and key when neither is there. The one place that
 * chooses between the implementations of `LedgerKeys`. @throws KW_KEY, KW_CONFIG
 */
export async function openKeys(dataDir: string, env: Environment): Promise<LedgerKeys> {
  const transit = transitKey(env);
  return transit === undefined ? openLocalKeys(dataDir, env) : openTransitKeys(dataDir, env, transit);
}

/** For a log whose key is lost or stolen: signs nothing, and makes the key that follows. @throws KW_KEY, KW_CONFIG */
export async function openLostKeys(dataDir: string, env: Environment): Promise<LedgerKeys> {
  const transit = transitKey(env);
  return transit === undefined ? openLostLocalKeys(dataDir, env) : openLostTransitKeys(dataDir, transit);
}
