import { areTwoApprovers } from '../approvers.ts';
import { parseStreamOrigin } from '../checkpoint.ts';
import { type ErasedRecord, parseErasure } from '../erasure.ts';
import { type HoldAct, holdsInForce, parseHold } from '../hold.ts';
import { createKeyHistory, type KeyHistory } from '../keyHistory.ts';
import { parseKeyLeaf } from '../keyLeaf.ts';
import { listedStreams, type MetaLeaf, metaValue, parseMeta } from '../meta.ts';
import { strictBase64 } from '../note.ts';
import { type ExpiredRange, parseRetention } from '../retention.ts';
import type { OfflineClass, Report } from './finding.ts';
import { newPins, type Pins } from './pins.ts';

/** What the meta-log says about the other trees. */
export interface MetaFacts {
  /** Checkpoints that heartbeats pin, by origin. */
  readonly pins: ReadonlyMap<string, Pins>;
  /** Lawfully dropped, by `stream/partition/epoch`, by rising index. */
  readonly expired: ReadonlyMap<string, readonly ExpiredRange[]>;
  /** Lawfully erased, by tree and index. */
  readonly erased: ReadonlyMap<string, ReadonlyMap<number, ErasedRecord>>;
  readonly keys: KeyHistory;
}

export interface MetaReader {
  /** Takes in the next leaf. */
  see(index: number, text: Buffer): void;
  facts(): MetaFacts;
}

/** `fallback` = the log's first key when neither its first leaf nor its first rollover names it. */
export function createMetaReader(logId: string, fallback: Buffer, report: Report): MetaReader {
  const pins = new Map<string, Pins>();
  const expired = new Map<string, ExpiredRange[]>();
  const erased = new Map<string, Map<number, ErasedRecord>>();
  const holds: HoldAct[] = [];
  let first: MetaLeaf | undefined;
  let keys: KeyHistory | undefined;
  const history = (key: Buffer): KeyHistory => {
    if (keys === undefined) {
      keys = createKeyHistory(logId, key);
      if (first !== undefined) keys.see(0, first);
    }
    return keys;
  };
  let newest: number | undefined;
  const bad = (cls: OfflineClass, index: number, detail: string) =>
    report({ class: cls, place: `meta/${index}`, index, detail });

  /** A clock that was set back is lawful: the leaf that meets it says so. */
  const seeTime = (index: number, leaf: MetaLeaf) => {
    const isBack = newest !== undefined && leaf.time < newest;
    if (isBack && metaValue(leaf, 'clock') !== iso(newest as number)) {
      bad(
        'back-dated',
        index,
        `its time ${iso(leaf.time)} lies before ${iso(newest as number)}, that of the leaf before it`,
      );
    }
    newest = leaf.time;
  };
  const seeKey = (index: number, leaf: MetaLeaf) => {
    const act = parseKeyLeaf(leaf);
    const before = act?.kind === 'rollover' ? act.previous : act?.key;
    const refused = index === 0 ? undefined : history(before ?? fallback).see(index, leaf);
    if (refused !== undefined) bad('wrong-key', index, `its \`key\` leaf does not count: ${refused}`);
  };
  const seePins = (index: number, leaf: MetaLeaf) => {
    for (const value of listedStreams(leaf)) {
      const pin = readPin(value);
      if (pin === undefined || parseStreamOrigin(pin.origin)?.logId !== logId) {
        bad('modified', index, 'it lists a checkpoint that is none of this log');
        continue;
      }
      const known = pins.get(pin.origin) ?? newPins();
      pins.set(pin.origin, known);
      const problem = known.add(pin.size, pin.root, keys?.eraAt(index) ?? 0);
      if (problem === 'forked') bad('forked', index, `two histories of ${pin.origin} at ${pin.size} leaves`);
      if (problem === 'shrank') bad('rewritten', index, `${pin.origin} has fewer leaves than it had before`);
    }
  };
  const seeLawful = (index: number, leaf: MetaLeaf) => {
    const act = parseRetention(leaf) ?? parseErasure(leaf);
    if (act === undefined) return bad('modified', index, `its \`${leaf.kind}\` leaf is not whole`);
    // What was not lawful covers nothing: the missing records are then named as deleted.
    if (!areTwoApprovers(act.approvers)) {
      return bad('deleted', index, `its \`${leaf.kind}\` leaf does not name two different approvers`);
    }
    const hold = holdsInForce(holds).find((h) => isHeld(h, act.tree));
    if (hold !== undefined) {
      return bad('deleted', index, `its \`${leaf.kind}\` leaf takes what legal hold ${hold.id} keeps`);
    }
    if ('basis' in act) erased.set(act.tree, (erased.get(act.tree) ?? new Map()).set(act.index, act));
    else
      expired.set(
        act.tree,
        [...(expired.get(act.tree) ?? []), act].sort((a, b) => a.from - b.from),
      );
  };
  return {
    see(index, text) {
      const leaf = parseMeta(text);
      if (index === 0) first = leaf;
      // Leaves of kinds that came later say nothing about the trees.
      if (leaf === undefined) return;
      seeTime(index, leaf);
      if (leaf.kind === 'key') seeKey(index, leaf);
      seePins(index, leaf);
      if (leaf.kind === 'retention' || leaf.kind === 'erasure') seeLawful(index, leaf);
      const hold = parseHold(leaf);
      if (hold !== undefined) holds.push(hold);
      if (leaf.kind === 'gap') report({ class: 'gap', place: gapPlace(leaf), index, detail: gapText(leaf) });
    },
    facts: () => ({ pins, expired, erased, keys: history(fallback) }),
  };
}

/** A hold on everything, or on this whole stream. A narrower one needs the records themselves to be judged. */
function isHeld({ scope }: HoldAct, tree: string): boolean {
  const { stream, ...narrower } = scope;
  if (Object.keys(narrower).length > 0) return false;
  return stream === undefined || tree.split('/').slice(0, -2).join('/') === stream;
}

function readPin(
  value: string,
): { readonly origin: string; readonly size: number; readonly root: Buffer } | undefined {
  const m = /^(\S+) (0|[1-9]\d{0,15}) ([A-Za-z0-9+/]{43}=)$/.exec(value);
  const root = m ? strictBase64(m[3] as string) : undefined;
  const size = Number(m?.[2]);
  if (!m || root?.length !== 32 || !Number.isSafeInteger(size)) return undefined;
  return { origin: m[1] as string, size, root };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function gapPlace(leaf: MetaLeaf): string {
  return `${metaValue(leaf, 'tree') ?? ''}/${metaValue(leaf, 'first') ?? ''}`;
}

function gapText(leaf: MetaLeaf): string {
  return `offsets ${metaValue(leaf, 'first')} to ${metaValue(leaf, 'last')} were lost before they were read, and the log says so`;
}
