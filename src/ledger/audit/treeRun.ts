import type { StreamKey } from '../../core/record.ts';
import type { SourceRegistry } from '../../sources/registry.ts';
import { pageEnds, type RecordPage } from '../../store/recordPages.ts';
import type { ErasedRecord } from '../erasure.ts';
import type { ExpiredRange } from '../retention.ts';
import { splitHashes } from '../tiles.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from '../tree.ts';
import type { AuditStore } from './auditStore.ts';
import type { PageDeriver } from './derivePool.ts';
import { type DerivedPage, derivePage, type PagePlan } from './page.ts';
import { goneRow, type Place, pageRows, placeBehind, type TreeRow } from './rows.ts';
import type { TreeSource } from './treeState.ts';

const width = 256;
/** Tiles read at once: 2 MB of hashes. */
const tilesAtOnce = 256;

/** One tree in the store: its records, and the leaves of those that are lawfully gone. */
export interface StoredTree {
  readonly store: AuditStore;
  readonly registry: SourceRegistry;
  readonly key: StreamKey;
  /** Without derived rows: for reading again. */
  readonly plan: PagePlan;
  readonly gone: readonly ExpiredRange[];
  readonly erased: ReadonlyMap<bigint, ErasedRecord>;
}

/** Leaf hashes from one index up to another as the tiles of level 0 keep them: as many in a row as there are. */
export async function* tileLeaves(
  store: AuditStore,
  key: StreamKey,
  from: number,
  to: number,
): AsyncGenerator<Buffer[]> {
  for (let at = from; at < to; ) {
    const first = Math.floor(at / width);
    const last = Math.min(Math.floor((to - 1) / width), first + tilesAtOnce - 1);
    const tiles = await store.leafTiles(key, first, last);
    const leaves: Buffer[] = [];
    for (let index = first; index <= last; index += 1) {
      const hashes = splitHashes(tiles.get(index) ?? Buffer.alloc(0));
      const begin = at + leaves.length - index * width;
      leaves.push(...hashes.slice(begin, to - index * width));
      if (at + leaves.length < Math.min(to, (index + 1) * width)) {
        yield leaves;
        return;
      }
    }
    yield leaves;
    at += leaves.length;
  }
}

/** True when the tiles keep exactly the leaves that were lawfully dropped. */
export async function isKept(store: AuditStore, key: StreamKey, range: ExpiredRange): Promise<boolean> {
  const frontier = emptyFrontier();
  for await (const leaves of tileLeaves(store, key, range.from, range.from + range.count)) {
    for (const leaf of leaves) appendLeaf(frontier, leaf);
  }
  return frontier.size === range.count && frontierRoot(frontier).equals(range.root);
}

/** Rows of dropped records that come before an offset, in pieces. */
async function* goneBefore(
  tree: StoredTree,
  place: Place,
  offset: bigint | undefined,
): AsyncGenerator<TreeRow[]> {
  for (const range of tree.gone) {
    const from = Math.max(range.from, place.gone);
    if (from >= range.from + range.count || (offset !== undefined && range.last > offset)) continue;
    let index = from;
    for await (const leaves of tileLeaves(tree.store, tree.key, from, range.from + range.count)) {
      yield leaves.map((leaf, i) => goneRow(range, index + i, leaf));
      index += leaves.length;
    }
  }
}

/** The rows of a page with those of dropped records in between, in pieces that follow each other. */
async function* rowsWithGone(
  tree: StoredTree,
  after: Place,
  page: RecordPage,
  derived: DerivedPage,
): AsyncGenerator<TreeRow[]> {
  const rows = pageRows(page.bytes, derived, tree.key, tree.erased);
  let place = after;
  let from = 0;
  for (const range of tree.gone) {
    if (range.from + range.count <= place.gone) continue;
    const at = rows.findIndex((row) => row.offset > range.last);
    if (at < 0) break;
    if (at > from) yield rows.slice(from, at);
    for await (const gone of goneBefore(tree, place, rows[at]?.offset)) {
      yield gone;
      place = placeBehind(gone.at(-1) as TreeRow, place);
    }
    from = at;
  }
  yield from === 0 ? rows : rows.slice(from);
}

/** Leaves of dropped records between a place and an offset. */
function goneUpTo(tree: StoredTree, after: Place, offset: bigint): number {
  return tree.gone
    .filter((g) => g.last < offset)
    .reduce((n, g) => n + Math.max(0, g.from + g.count - Math.max(g.from, after.gone)), 0);
}

export interface RunOptions {
  readonly plan: PagePlan;
  readonly deriver: PageDeriver;
  /** Leaf index of what stands behind `after`. */
  readonly index: number;
  readonly onPage?: (page: RecordPage, derived: DerivedPage) => void;
}

/** Reads a tree from a place on, in order, several pages being derived at once. */
export async function* treeRows(tree: StoredTree, after: Place, run: RunOptions): AsyncGenerator<TreeRow[]> {
  const waiting: { readonly page: RecordPage; readonly derived: Promise<DerivedPage> }[] = [];
  const pages = tree.store.records(tree.key, after.offset)[Symbol.asyncIterator]();
  let place = after;
  let read = 0;
  const finish = async function* (): AsyncGenerator<TreeRow[]> {
    const { page, derived } = waiting.shift() as (typeof waiting)[number];
    const done = await derived;
    run.onPage?.(page, done);
    for await (const rows of rowsWithGone(tree, place, page, done)) {
      yield rows;
      for (const row of rows.slice(-1)) place = placeBehind(row, place);
    }
  };
  try {
    for (let next = await pages.next(); !next.done; next = await pages.next()) {
      const page = next.value;
      const index = run.index + read + goneUpTo(tree, after, pageEnds(page).first);
      read += page.rows;
      const derived = run.deriver.derive({ bytes: page.bytes, rows: page.rows, index, plan: run.plan });
      // Whoever reads no further must not leave a failure that nobody hears of.
      derived.catch(() => undefined);
      waiting.push({ page, derived });
      if (waiting.length >= run.deriver.pagesMax) yield* finish();
    }
    while (waiting.length > 0) yield* finish();
  } finally {
    await pages.return?.();
  }
  yield* goneBefore(tree, place, undefined);
}

/** The same rows, one by one and derived in this thread: to look at a stretch again. */
export function treeSource(tree: StoredTree): TreeSource {
  const deriver: PageDeriver = {
    pagesMax: 1,
    derive: async (job) => derivePage(job, tree.registry),
    close: async () => undefined,
  };
  return {
    async *rows(after) {
      for await (const rows of treeRows(tree, after, { plan: tree.plan, deriver, index: 0 })) yield* rows;
    },
    async leaves(from, to) {
      const all: Buffer[] = [];
      for await (const leaves of tileLeaves(tree.store, tree.key, from, to)) all.push(...leaves);
      return all;
    },
  };
}
