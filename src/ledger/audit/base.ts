import { metaTree, type StreamKey } from '../../core/record.ts';
import { type Checkpoint, parseCheckpoint } from '../checkpoint.ts';
import { leafHashOfText } from '../leaf.ts';
import { type MetaLeaf, parseMeta } from '../meta.ts';
import { rangeRootsFromTiles, splitHashes, type TileAt, tileName } from '../tiles.ts';
import {
  appendLeaf,
  emptyFrontier,
  type Frontier,
  frontierRoot,
  inclusionRanges,
  type LeafRange,
  rootFromInclusion,
} from '../tree.ts';
import type { AuditStore, MetaLeafRow } from './auditStore.ts';
import { beginning, type Place } from './rows.ts';
import type { TreeStart } from './treeState.ts';

/** A tree as it stood at a size, from its tiles; nothing of it is trusted but what its root proves. */
export interface TreeHead {
  readonly frontier: Frontier;
  readonly edges: readonly Buffer[];
}

/** The log up to a kept checkpoint of the meta-log: what an incremental verify takes as it was verified then. */
export interface Base {
  readonly meta: TreeStart;
  /** Settings, holds, retention and erasures before it, in order: each proved to be under the checkpoint. */
  readonly leaves: readonly { readonly index: number; readonly leaf: MetaLeaf }[];
  /** The last leaf under the checkpoint. */
  readonly last: MetaLeaf;
  /** What each tree's last listing under the checkpoint says. */
  readonly pins: ReadonlyMap<string, Checkpoint>;
}

/** Kinds that say how what came later is read. */
const lastingKinds = ['settings', 'hold', 'retention', 'erasure'];
/** Open trees are listed once an hour: so many leaves reach further back than that, whatever is split. */
const nearLeaves = 4_000;

/** Undefined = tiles and leaves do not prove what the checkpoint signed: then nothing before it can be left out. */
export async function readBase(store: AuditStore, kept: Checkpoint): Promise<Base | undefined> {
  const { size, root } = kept;
  const head = size === 0 ? undefined : await headAt(store, metaTree, size);
  if (head === undefined || !frontierRoot(head.frontier).equals(root)) return undefined;
  const lasting = await store.metaLeavesBelow(lastingKinds, size);
  const near = Math.max(0, size - nearLeaves);
  const listings = new Map(await store.lastListings(near, size));
  const positions = await store.positions();
  const prefix = kept.origin.slice(0, -'meta'.length);
  const isListed = ({ stream, partition, epoch }: StreamKey) =>
    listings.has(`${prefix}${stream}/${partition}/${epoch}`);
  // A tree that ended was listed once more then, however long ago.
  if (near > 0 && !positions.every(isListed)) {
    for (const [origin, index] of await store.lastListings(0, near)) {
      if (!listings.has(origin)) listings.set(origin, index);
    }
  }
  const listed = await store.metaLeavesAt([...new Set([...listings.values(), size - 1])]);
  if (!(await areUnder(store, kept, [...lasting, ...listed]))) return undefined;
  const byIndex = new Map(listed.map((row) => [row.index, parseMeta(row.text)]));
  const last = byIndex.get(size - 1);
  if (last === undefined) return undefined;
  return {
    meta: { ...head, place: { ...beginning, offset: BigInt(size - 1) } },
    leaves: lasting.flatMap(({ index, text }) => {
      const leaf = parseMeta(text);
      return leaf === undefined ? [] : [{ index, leaf }];
    }),
    last,
    pins: new Map([...listings].flatMap(([origin, index]) => listedPin(origin, byIndex.get(index)))),
  };
}

function listedPin(origin: string, leaf: MetaLeaf | undefined): [string, Checkpoint][] {
  const line = leaf?.lines.find(([name, value]) => name === 'stream' && value.startsWith(`${origin} `))?.[1];
  const pin = line === undefined ? undefined : parseCheckpoint(`${line.replaceAll(' ', '\n')}\n`);
  return pin === undefined ? [] : [[origin, pin]];
}

/** Is each of these leaves under the checkpoint at its index? RFC 9162 section 2.1.3.2, the paths from tiles. */
async function areUnder(store: AuditStore, kept: Checkpoint, rows: readonly MetaLeafRow[]): Promise<boolean> {
  const paths = rows.map((row) => inclusionRanges(row.index, kept.size));
  const nodes = await rangesOf(store, metaTree, paths.flat());
  if (nodes === undefined) return false;
  let at = 0;
  return rows.every((row, i) => {
    const length = paths[i]?.length ?? 0;
    const path = nodes.slice(at, at + length);
    at += length;
    return (
      rootFromInclusion(leafHashOfText(row.text), row.index, kept.size, path)?.equals(kept.root) === true
    );
  });
}

async function rangesOf(
  store: AuditStore,
  key: StreamKey,
  ranges: readonly LeafRange[],
): Promise<readonly Buffer[] | undefined> {
  try {
    return await rangeRootsFromTiles((at) => store.readTiles(key, at), ranges);
  } catch (error) {
    // A tile that is gone or too short.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The tree at a size: its full subtrees, biggest first, are in the tiles that were unfilled then. */
export async function headAt(store: AuditStore, key: StreamKey, size: number): Promise<TreeHead | undefined> {
  const edges = await edgesAt(store, key, size);
  if (edges === undefined) return undefined;
  const nodes = edges.toReversed().flatMap((edge) => {
    const hashes = splitHashes(edge);
    let at = 0;
    return [128, 64, 32, 16, 8, 4, 2, 1].flatMap((width) => {
      if ((hashes.length & width) === 0) return [];
      const frontier = emptyFrontier();
      for (const hash of hashes.slice(at, at + width)) appendLeaf(frontier, hash);
      at += width;
      return [frontierRoot(frontier)];
    });
  });
  return { frontier: { size, nodes }, edges };
}

/** The hashes that the unfilled tile of each level held at this size. */
async function edgesAt(store: AuditStore, key: StreamKey, size: number): Promise<Buffer[] | undefined> {
  const wanted: (TileAt & { readonly count: number })[] = [];
  for (let level = 0, count = size; count > 0; level += 1, count = Math.floor(count / 256)) {
    wanted.push({ level, index: Math.floor(count / 256), count: count % 256 });
  }
  const tiles = await store.readTiles(
    key,
    wanted.filter((tile) => tile.count > 0),
  );
  const edges = wanted.map((tile) =>
    (tiles.get(tileName(tile)) ?? Buffer.alloc(0)).subarray(0, tile.count * 32),
  );
  return edges.every((edge, i) => edge.length === (wanted[i]?.count ?? 0) * 32) ? edges : undefined;
}

/** Where the records behind a leaf index begin. `gone`: stretches whose records were lawfully dropped. */
export async function placeAt(
  store: AuditStore,
  key: StreamKey,
  size: number,
  gone: readonly { readonly from: number; readonly count: number; readonly last: bigint }[],
): Promise<Place | undefined> {
  let index = 0;
  let offset = -1n;
  const behind = gone.filter((g) => g.from < size);
  const end = behind.at(-1);
  // Behind the last dropped stretch the records themselves are counted.
  if (end !== undefined) {
    index = Math.min(size, end.from + end.count);
    offset = end.last;
  }
  const last = Math.floor(size / 256) - 1;
  if ((last + 1) * 256 > index) {
    for await (const tile of store.tileDigests(key, last * 256)) {
      if (tile.level !== 0 || tile.index !== last || tile.width !== 256) continue;
      index = (last + 1) * 256;
      offset = tile.last;
      break;
    }
  }
  if (index < size) {
    const found = await store.nthBehind(key, offset, size - index);
    if (found === undefined) return undefined;
    offset = found;
  }
  return { offset, gone: size };
}
