import { KeywitnessError } from '../core/errors.ts';
import { readHoldActs } from '../ledger/audit/lawfulLeaves.ts';
import { type HoldAct, holdsInForce } from '../ledger/hold.ts';
import { type MetaKind, type MetaLine, metaTexts } from '../ledger/meta.ts';
import type { Engine } from '../store/client.ts';

export async function readHolds(engine: Engine): Promise<readonly HoldAct[]> {
  return holdsInForce(await readHoldActs(engine));
}

/** Lines that the ledger may add: a clock that was set back, and the signature. */
const added: readonly MetaLine[] = [
  ['clock', new Date(0).toISOString()],
  ['signature', Buffer.alloc(64).toString('base64')],
];

/** @throws KW_USAGE: a fact that takes two leaves could be read by halves */
export function requireOneLeaf(kind: MetaKind, lines: readonly MetaLine[]): void {
  if (metaTexts({ kind, time: 0, lines: [...lines, ...added] }).length === 1) return;
  throw new KeywitnessError(
    'KW_USAGE',
    'Names and reasons together are too long for a leaf of the meta-log.',
  );
}
