import { type EventRef, eventRefText, streamKeyText } from '../../core/record.ts';
import type { Engine } from '../../store/client.ts';
import { metaLeavesOfKind } from '../../store/ledgerStore.ts';
import { type ErasedRecord, parseErasure } from '../erasure.ts';
import { type HoldAct, parseHold } from '../hold.ts';
import { type MetaLeaf, parseMeta } from '../meta.ts';
import { type ExpiredRange, parseRetention } from '../retention.ts';

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

/** Why a record is not there any more, in a sentence; undefined = the meta-log knows of nothing. */
export async function whyGone(engine: Engine, ref: EventRef): Promise<string | undefined> {
  const tree = streamKeyText(ref);
  const erased = (await readErasures(engine)).find((e) => e.tree === tree && e.offset === ref.offset);
  if (erased !== undefined) {
    return `${eventRefText(ref)} was erased (${erased.basis}) on the word of ${erased.approvers.join(' and ')}.`;
  }
  const range = (await readExpired(engine)).find(
    (r) => r.tree === tree && r.first <= ref.offset && ref.offset <= r.last,
  );
  if (range === undefined) return undefined;
  return `${eventRefText(ref)} lies in ingest month ${range.month} of its stream, which was dropped (${range.policy}) on the word of ${range.approvers.join(' and ')}.`;
}

async function leavesOfKind(
  engine: Engine,
  kind: 'retention' | 'hold' | 'erasure',
): Promise<readonly MetaLeaf[]> {
  return (await metaLeavesOfKind(engine, kind)).flatMap(({ text }) => parseMeta(text) ?? []);
}
