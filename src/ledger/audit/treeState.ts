import type { Transport } from '../leaf.ts';
import { copyFrontier, emptyFrontier, type Frontier } from '../tree.ts';
import { type Changed, type Difference, exchangedRows } from './align.ts';
import type { Finding, FindingClass } from './findings.ts';
import type { Pin, PinnedRoot } from './pins.ts';
import { beginning, type Place, type TreeRow } from './rows.ts';
import type { TileGrowth } from './tiles.ts';

/** Where a tree's rows and its tiles are read, as often as it takes. */
export interface TreeSource {
  /** Rows behind a place, in order. */
  rows(after: Place): AsyncIterable<TreeRow>;
  /** Leaf hashes from one index up to another, as the tiles keep them: as many in a row as there are. */
  leaves(from: number, to: number): Promise<readonly Buffer[]>;
}

/** Where an audit begins: at nothing, or at a tree that was verified before. */
export interface TreeStart {
  readonly frontier: Frontier;
  /** Hashes of its unfilled tiles, lowest level first. */
  readonly edges: readonly Buffer[];
  readonly place: Place;
}

export const fromNothing: TreeStart = { frontier: emptyFrontier(), edges: [], place: beginning };

export interface TreeAuditOptions {
  /** `stream/partition/epoch`, or `meta`. */
  readonly tree: string;
  readonly transport: Transport;
  readonly pins: readonly Pin[];
  readonly source: TreeSource;
  /** Leaves that the store has of the tree, those of dropped records included. */
  readonly stored: number;
  readonly start?: TreeStart;
}

/** A report stays readable when a table was emptied: the first ones name the place. */
const findingsPerTreeMax = 200;

/** Rows since the last pin that held. */
export interface Segment {
  readonly start: Frontier;
  readonly place: Place;
  readonly before: TreeRow | undefined;
  first: bigint | undefined;
  readonly odd: TreeRow[];
  /** The tree over the leaves that the bytes give, from the first odd row on. */
  derived: Frontier | undefined;
}

export interface State extends TreeAuditOptions {
  readonly growth: TileGrowth;
  readonly pinAt: (size: number) => Pin | undefined;
  readonly pinnedMax: number;
  readonly findings: Finding[];
  readonly erased: Set<bigint>;
  segment: Segment;
  previous: TreeRow | undefined;
  place: Place;
  /** Nothing from here on can be held against a pin. */
  isLost: boolean;
  isForkSaid: boolean;
  /** Of the stretch before, where others were signed. */
  changed: readonly Changed[];
  /** Size of the first pin that did not hold, and how many findings stood before. */
  failed: { readonly size: number; readonly findings: number } | undefined;
}

export function newSegment(frontier: Frontier, place: Place, before: TreeRow | undefined): Segment {
  return { start: copyFrontier(frontier), place, before, first: undefined, odd: [], derived: undefined };
}

export function closeSegment(state: State): void {
  state.growth.keep();
  state.segment = newSegment(state.growth.frontier, state.place, state.previous);
}

export function say(state: State, kind: FindingClass, offset: bigint | undefined, detail: string): void {
  if (offset !== undefined && state.findings.some((f) => f.class === kind && f.offset === offset)) return;
  state.findings.push({ class: kind, tree: state.tree, detail, ...(offset === undefined ? {} : { offset }) });
  if (state.findings.length >= findingsPerTreeMax) state.isLost = true;
}

export const details: Readonly<Record<Difference['kind'], string>> = {
  modified: 'the bytes are not those that were signed',
  'leaf-modified': 'the bytes are those that were signed, the leaf column is not',
  reordered: 'records stand in one another’s place',
  inserted: 'this record was not there when it was signed',
  deleted: 'what was signed here is gone',
  truncated: 'the last records are gone; the last one left is named',
};

export function sayDifference(state: State, { kind, offset, count }: Difference): void {
  say(state, kind, offset, count > 1 ? `${details[kind]} (${count} records)` : details[kind]);
}

export function sayOdd(state: State): void {
  const { odd } = state.segment;
  const exchanged = exchangedRows(
    odd.map((row) => ({ row, signed: row.leaf })),
    state.transport,
  );
  for (const row of odd) {
    sayDifference(state, {
      kind: exchanged.has(row) ? 'reordered' : 'modified',
      offset: row.offset,
      count: 1,
    });
  }
}

/** More than one root is remembered of this size, and the tree has one of them. */
export function sayFork(state: State, pin: Pin, met: PinnedRoot): void {
  if (state.isForkSaid || state.failed !== undefined) return;
  state.isForkSaid = true;
  const isRewritten = !met.isOutside && pin.roots.some((r) => r.isOutside);
  const detail = isRewritten
    ? `from here to the end of ${pin.size} records the store signs another history than the one remembered outside it`
    : `two histories of ${pin.size} records are signed and part from here on: somebody else signs with this key, or it signed twice`;
  say(state, isRewritten ? 'rewritten' : 'forked', state.segment.first, detail);
}
