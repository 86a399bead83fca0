import { KeywitnessError } from '../core/errors.ts';
import { anchorKeyLine, readAnchor } from './anchors/file.ts';
import type { KeyHistory } from './keyHistory.ts';
import type { LedgerKeys } from './keys.ts';

/**
 * Which key of those that are here the meta-log says is in force: the log's own, or the one that waits to follow
 * it, whose rollover a crash cut short. @throws KW_KEY when neither is, or the own one cannot sign
 */
export function keyInForce(keys: LedgerKeys, inForce: Buffer, isRecovery: boolean): 'own' | 'waiting' {
  if (keys.waiting?.publicKey.equals(inForce)) return 'waiting';
  if (isRecovery) return 'own';
  if (keys.lost !== undefined) throw new KeywitnessError('KW_KEY', keys.lost);
  if (keys.publicKey.equals(inForce)) return 'own';
  throw new KeywitnessError(
    'KW_KEY',
    `The key in force since the last rollover is ${inForce.toString('base64')}, and the one here is ` +
      `${keys.publicKey.toString('base64')}: an older copy of DATA/ledger? Nothing was signed. Put back the newest.`,
  );
}

/** What the anchor must say of the keys and does not: nobody who checks could begin there. */
export async function keyLinesMissing(
  anchorFile: string,
  { logId, publicKey }: LedgerKeys,
  history: KeyHistory,
): Promise<readonly string[]> {
  const named: Buffer[] = [];
  for await (const entry of readAnchor(anchorFile, logId)) {
    if (entry.kind === 'key' || entry.kind === 'root') named.push(entry.publicKey);
  }
  const isMissing = (key: Buffer) => !named.some((k) => k.equals(key));
  const root = history.root()?.publicKey;
  return [
    ...(isMissing(publicKey) ? [anchorKeyLine(logId, 'key', publicKey)] : []),
    ...(root !== undefined && isMissing(root) ? [anchorKeyLine(logId, 'root', root)] : []),
  ];
}
