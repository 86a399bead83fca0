import { KeywitnessError } from '../core/errors.ts';
import { type ErasedRecord, parseErasure } from '../ledger/erasure.ts';
import { type HoldAct, holdsInForce, parseHold } from '../ledger/hold.ts';
import { type MetaKind, type MetaLeaf, type MetaLine, metaTexts, parseMeta } from '../ledger/meta.ts';
import { type ExpiredRange, parseRetention } from '../ledger/retention.ts';
import type { Engine } from '../store/client.ts';
import { metaLeavesOfKind } from '../store/ledgerStore.ts';

/** What the meta-log says was dropped. */
export async function readExpired(engine: Engine): Promise<readonly ExpiredRange[]> {
  return (await leavesOfKind(engine, 'retention')).flatMap((leaf) => parseRetention(leaf) ?? []);
}

export async function readErasures(engine: Engine): Promise<readonly ErasedRecord[]> {
  return (await leavesOfKind(engine, 'erasure')).flatMap((leaf) => parseErasure(leaf) ?? []);
}

export async function readHoldActs(engine: Engine): Promise<readonly HoldAct[]> {
  return (await leavesOfKind(engine, 'hold')).flatMap((leaf) => parseHold(leaf) ?? []);
}

export async function readHolds(engine: Engine): Promise<readonly HoldAct[]> {
  return holdsInForce(await readHoldActs(engine));
}

async function leavesOfKind(engine: Engine, kind: MetaKind): Promise<readonly MetaLeaf[]> {
  return (await metaLeavesOfKind(engine, kind)).flatMap(({ text }) => parseMeta(text) ?? []);
}

/** @throws KW_USAGE: a fact that takes two leaves could be read by halves */
export function requireOneLeaf(kind: MetaKind, lines: readonly MetaLine[]): void {
  if (metaTexts({ kind, time: 0, lines }).length === 1) return;
  throw new KeywitnessError(
    'KW_USAGE',
    'Names and reasons together are too long for a leaf of the meta-log.',
  );
}
