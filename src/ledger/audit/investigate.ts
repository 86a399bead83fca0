import { appendLeaf, copyFrontier, frontierRoot } from '../tree.ts';
import { align, type Changed, exchangedRows } from './align.ts';
import { metRoot, type Pin, pinWalk, wantedRoot } from './pins.ts';
import { type Place, placeBehind, type TreeRow } from './rows.ts';
import { hasLawfulHoles, judgeStretch } from './segment.ts';
import { closeSegment, details, fromNothing, type State, say, sayDifference } from './treeState.ts';

/** Leaves of one stretch that are laid beside its tiles: 32 MB of hashes. */
const alignedLeavesMax = 1 << 20;
/** Leaves behind a stretch that tell where the next one begins. */
const behindMax = 512;
/** Changed rows of one stretch that are tried in the place of those of the next. */
const changedKept = 16;

/** Lays the rows since the last pin beside the leaves that were signed, as far as anybody keeps those. */
export async function investigate(state: State, pin: Pin, isReached: boolean): Promise<Place | undefined> {
  const { segment, source, transport, pinnedMax } = state;
  state.failed ??= { size: pin.size, findings: state.findings.length };
  const kept =
    pin.size - segment.start.size > alignedLeavesMax ? [] : await source.leaves(segment.start.size, pin.size);
  const signed = await completed(state, pin, kept);
  const found =
    signed &&
    (await align(
      { leaves: signed, behind: await source.leaves(pin.size, pin.size + behindMax) },
      source.rows(segment.place),
      segment.before,
      transport,
    ));
  if (signed === undefined || found === undefined) return judgeUntold(state, pin, kept, isReached);
  const cut = found.differences.find((d) => d.kind === 'truncated');
  const exchanged = exchangedOver(state, found.changed);
  for (const d of found.differences) {
    if (d === cut) sayDifference(state, { ...d, count: d.count + pinnedMax - pin.size });
    else sayDifference(state, exchanged.has(d.offset) ? { ...d, kind: 'reordered' } : d);
  }
  const place = goOn(state, signed, found.last);
  // What was cut is gone up to the end, whatever else was pinned of it.
  if (cut !== undefined) state.isLost = true;
  return place;
}

/** Offsets of rows that stand in the place of one in the stretch before: a pin lay between the two. */
function exchangedOver(state: State, changed: readonly Changed[]): ReadonlySet<bigint | undefined> {
  const before = state.changed;
  state.changed = changed.slice(-changedKept);
  if (before.length === 0 || changed.length === 0) return new Set();
  const rows = exchangedRows([...before, ...changed.slice(0, changedKept)], state.transport);
  const exchanged = new Set([...rows].map((row): bigint | undefined => row.offset));
  for (const [i, finding] of state.findings.entries()) {
    if (finding.class !== 'modified' || !before.some(({ row }) => row.offset === finding.offset)) continue;
    if (exchanged.has(finding.offset)) {
      state.findings[i] = { ...finding, class: 'reordered', detail: details.reordered };
    }
  }
  return exchanged;
}

/** The tree is what was signed; it goes on behind the last row that belongs to it. */
function goOn(state: State, signed: readonly Buffer[], last: TreeRow | undefined): Place {
  const { segment, growth } = state;
  growth.takeBack();
  for (const leaf of signed) growth.append(leaf, undefined);
  state.previous = last ?? segment.before;
  state.place = last === undefined ? segment.place : placeBehind(last, segment.place);
  closeSegment(state);
  return state.place;
}

/**
 * All leaves up to the pin. Tiles keep the first of them; those that no full tile holds yet are taken from the
 * rows behind, as they stand or as their bytes give them: if that is what was signed, the pin holds.
 */
async function completed(
  state: State,
  pin: Pin,
  kept: readonly Buffer[],
): Promise<readonly Buffer[] | undefined> {
  const { segment } = state;
  const isSigned = (leaves: readonly Buffer[]) => {
    const frontier = copyFrontier(segment.start);
    for (const leaf of leaves) appendLeaf(frontier, leaf);
    return frontierRoot(frontier).equals(wantedRoot(pin).root);
  };
  const wanted = pin.size - segment.start.size - kept.length;
  if (wanted === 0) return isSigned(kept) ? kept : undefined;
  if (wanted > alignedLeavesMax) return undefined;
  const behind = await rowsBehind(state, kept, wanted);
  if (behind === undefined || behind.length < wanted) return undefined;
  const asStored = [...kept, ...behind.map((row) => row.leaf)];
  if (isSigned(asStored)) return asStored;
  const asDerived = [...kept, ...behind.map((row) => row.derived ?? row.leaf)];
  return isSigned(asDerived) ? asDerived : undefined;
}

/** The rows behind those that belong to the kept leaves. */
async function rowsBehind(
  state: State,
  kept: readonly Buffer[],
  count: number,
): Promise<TreeRow[] | undefined> {
  const { segment, source, transport } = state;
  const found =
    kept.length === 0
      ? { last: undefined }
      : await align({ leaves: kept, behind: [] }, source.rows(segment.place), segment.before, transport);
  if (found === undefined) return undefined;
  const rows: TreeRow[] = [];
  const place = found.last === undefined ? segment.place : placeBehind(found.last, segment.place);
  for await (const row of source.rows(place)) {
    if (rows.length === count) break;
    if (rows.at(-1)?.offset !== row.offset || row.gone !== undefined) rows.push(row);
  }
  return rows;
}

/** Nobody keeps the leaves one by one: what can be said from the rows alone, of those that no tile keeps. */
async function judgeUntold(
  state: State,
  pin: Pin,
  kept: readonly Buffer[],
  isReached: boolean,
): Promise<undefined> {
  const { segment, source, transport, tree, pinnedMax, stored } = state;
  const start = copyFrontier(segment.start);
  let { before, place } = segment;
  const found =
    kept.length === 0
      ? undefined
      : await align({ leaves: kept, behind: [] }, source.rows(place), before, transport);
  if (found?.last !== undefined && found.differences.length === 0) {
    for (const leaf of kept) appendLeaf(start, leaf);
    before = found.last;
    place = placeBehind(found.last, place);
  }
  const first = state.start ?? fromNothing;
  const verified = start.size - first.frontier.size;
  const hasHoles = await hasLawfulHoles(source.rows(first.place), verified, transport);
  const stretch = { tree, transport, start, before, pin, isReached, hasHoles, stored, pinnedMax };
  state.findings.push(await judgeStretch(stretch, source.rows(place)));
  state.isLost = true;
}

/**
 * A pin from outside did not hold. When a later one that only the store remembers does, the store was changed and
 * signed again: what was found is a rewriting. When none does, what is signed twice is two histories.
 */
export async function nameRewriting(state: State): Promise<void> {
  const { failed, pins, findings } = state;
  if (failed === undefined || state.isForkSaid) return;
  const later = pins.filter((p) => p.size >= failed.size);
  const own = await ownPin(
    state,
    later.filter((p) => p.roots.some((r) => r.isInStore && !r.isOutside)),
  );
  const first = findings[failed.findings];
  if (own !== undefined && first !== undefined) {
    const detail = `the store signs another history than the one remembered outside it (at ${own.size} records): ${first.detail}`;
    findings[failed.findings] = { ...first, class: 'rewritten', detail };
    return;
  }
  const twice = later.find((p) => p.roots.length > 1);
  if (twice !== undefined)
    say(state, 'forked', undefined, `two histories of ${twice.size} records are signed`);
}

/** A pin of the store alone that the rows meet as they stand. */
async function ownPin(state: State, own: readonly Pin[]): Promise<Pin | undefined> {
  if (own.length === 0) return undefined;
  const { frontier, place } = state.start ?? fromNothing;
  const stored = copyFrontier(frontier);
  const pinAt = pinWalk(own);
  for await (const row of state.source.rows(place)) {
    appendLeaf(stored, row.leaf);
    const pin = pinAt(stored.size);
    const met = pin && metRoot(pin, stored);
    if (met?.isInStore && !met.isOutside) return pin;
  }
  return undefined;
}
