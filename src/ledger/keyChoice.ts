import { KeywitnessError } from '../core/errors.ts';
import { anchorKeyLine } from './anchors/file.ts';
import type { KeyHistory } from './keyHistory.ts';
import type { LedgerKeys, NextKey } from './keys.ts';
import type { LedgerOptions } from './ledgerOptions.ts';

/**
 * The key that the meta-log has put into force and that waits to be taken, because a crash cut its rollover short;
 * undefined = the log's own is in force. @throws KW_KEY when neither is, or the own one cannot or must not sign
 */
export function keyToTake(
  keys: LedgerKeys,
  inForce: Buffer,
  purpose: LedgerOptions['purpose'],
): NextKey | undefined {
  const waiting = keys.waiting(inForce);
  if (waiting !== undefined || purpose === 'recover') return waiting;
  if (keys.handsOver !== undefined && purpose !== 'rotate')
    throw new KeywitnessError('KW_KEY', keys.handsOver);
  if (keys.lost !== undefined) throw new KeywitnessError('KW_KEY', keys.lost);
  if (keys.publicKey.equals(inForce)) return undefined;
  throw new KeywitnessError(
    'KW_KEY',
    `The key in force since the last rollover is ${inForce.toString('base64')}, and the one here is ` +
      `${keys.publicKey.toString('base64')}: an older copy of DATA/ledger? Nothing was signed. Put back the newest.`,
  );
}

/** An old signature must never pass for a new one. @throws KW_KEY */
export function refuseUsedKey(history: KeyHistory, next: NextKey): void {
  if (!history.has(next.publicKey) && history.root()?.publicKey.equals(next.publicKey) !== true) return;
  throw new KeywitnessError(
    'KW_KEY',
    `The key ${next.publicKey.toString('base64')} was in use before, and none comes twice. Nothing was changed.`,
  );
}

/**
 * What the anchor must say of the keys and does not: nobody who checks could follow them. One that was begun later
 * than the log begins with the key in force then.
 */
export function keyLinesMissing(
  named: readonly Buffer[],
  logId: string,
  history: KeyHistory,
): { readonly lines: readonly string[]; readonly named: readonly Buffer[] } {
  const isMissing = (key: Buffer) => !named.some((k) => k.equals(key));
  const eras = history.eras().map((e) => e.publicKey);
  const begins = eras.findIndex((key) => !isMissing(key));
  const keys = (begins < 0 ? eras.slice(-1) : eras.slice(begins)).filter(isMissing);
  const root = history.root()?.publicKey;
  const roots = root === undefined || !isMissing(root) ? [] : [root];
  return {
    lines: [
      ...keys.map((key) => anchorKeyLine(logId, 'key', key)),
      ...roots.map((key) => anchorKeyLine(logId, 'root', key)),
    ],
    named: [...named, ...keys, ...roots],
  };
}
