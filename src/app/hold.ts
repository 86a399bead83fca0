import { randomBytes } from 'node:crypto';
import { KeywitnessError } from '../core/errors.ts';
import { globPattern } from '../enrich/glob.ts';
import { type HoldAct, type HoldScope, holdLines } from '../ledger/hold.ts';
import { canName } from '../ledger/leaf.ts';
import type { HeldScope } from '../store/holdStore.ts';
import { readHolds, requireOneLeaf } from './lawful.ts';
import type { RetentionParts } from './retention.ts';

type Wording = Pick<HoldAct, 'by' | 'reason'>;

/** Puts a legal hold in force; signed and anchored when this returns. @throws KW_USAGE */
export async function addHold(
  parts: RetentionParts,
  {
    id = `hold-${randomBytes(4).toString('hex')}`,
    scope,
    ...wording
  }: Wording & { id?: string; scope: HoldScope },
): Promise<Omit<HoldAct, 'at'>> {
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(id)) {
    throw new KeywitnessError('KW_USAGE', 'A hold’s id is 1 to 64 of A-Z a-z 0-9 . _ -');
  }
  if (scope.stream !== undefined && !canName(scope.stream, 'file')) {
    throw new KeywitnessError('KW_USAGE', 'A stream is named with 1 to 300 of A-Z a-z 0-9 . _ -');
  }
  if ((await readHolds(parts.engine)).some((h) => h.id === id)) {
    throw new KeywitnessError('KW_USAGE', `Hold ${id} is in force already. Give the new one another id.`);
  }
  return write(parts, { id, act: 'add', scope, ...wording });
}

/** Ends a legal hold. One named person does: what it may let go still needs two. @throws KW_USAGE */
export async function releaseHold(
  parts: RetentionParts,
  { id, ...wording }: Wording & { id: string },
): Promise<Omit<HoldAct, 'at'>> {
  if (!(await readHolds(parts.engine)).some((h) => h.id === id)) {
    throw new KeywitnessError('KW_USAGE', `No hold ${id} is in force. See \`keywitness hold list\`.`);
  }
  return write(parts, { id, act: 'release', scope: {}, ...wording });
}

/** A hold's scope as the store looks for it. */
export function heldScope({ secret, ...scope }: HoldScope): HeldScope {
  return secret === undefined ? scope : { ...scope, secret: globPattern(secret) };
}

async function write(
  { ledger, begin }: RetentionParts,
  act: Omit<HoldAct, 'at'>,
): Promise<Omit<HoldAct, 'at'>> {
  requireOneLeaf('hold', holdLines(act));
  await begin();
  await ledger.record('hold', holdLines(act));
  await ledger.heartbeat();
  return act;
}
