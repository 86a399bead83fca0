import { appendLeaf, emptyFrontier, frontierRoot, type LeafRange } from './tree.ts';

/**
 * C2SP tlog-tiles: a tree as 256-wide rows of hashes. Level 0 holds leaves; each hash of a higher level is the root
 * of a full tile of the level below. Proofs are read from a few tiles, whatever the size of the tree.
 */
const tileWidth = 256;
const hashBytes = 32;

export interface TileAt {
  readonly level: number;
  readonly index: number;
}

export interface Tile extends TileAt {
  /** Offset of the last record that the tile covers. */
  readonly last: bigint;
  /** The hashes, one after another. */
  readonly hashes: Buffer;
  readonly root: Buffer;
}

/** Hashes of these tiles, as many as there are; of a tile at the tree's edge fewer than 256. */
export type TileReader = (at: readonly TileAt[]) => Promise<ReadonlyMap<string, Buffer>>;

export const tileName = ({ level, index }: TileAt): string => `${level}/${index}`;

/** The last, unfilled tile of every level of a growing tree. */
export type TileEdge = { index: number; hashes: Buffer[] }[];

/** Adds a leaf; gives the tiles that it fills, lower levels first. */
export function extendEdge(edge: TileEdge, leaf: Buffer, offset: bigint, full: (tile: Tile) => void): void {
  let hash = leaf;
  for (let level = 0; ; level += 1) {
    edge[level] ??= { index: 0, hashes: [] };
    const at = edge[level] as TileEdge[number];
    at.hashes.push(hash);
    if (at.hashes.length < tileWidth) return;
    hash = rootOf(at.hashes);
    full({ level, index: at.index, last: offset, hashes: Buffer.concat(at.hashes), root: hash });
    at.index += 1;
    at.hashes = [];
  }
}

/** The first hashes of a leaf tile that is not full: retention keeps them when their records go. */
export function narrowTile(index: number, hashes: Buffer, last: bigint): Tile {
  return { level: 0, index, last, hashes, root: rootOf(splitHashes(hashes)) };
}

/** The roots of these ranges, read from tiles. Each must be one that proofs ask for: it begins at a multiple of its subtrees. */
export async function rangeRootsFromTiles(read: TileReader, ranges: readonly LeafRange[]): Promise<Buffer[]> {
  const parts = ranges.map(subtreesOf);
  const wanted = new Map(parts.flat().map((p) => [tileName(p.tile), p.tile]));
  const tiles = await read([...wanted.values()]);
  return parts.map((subtrees) => {
    const frontier = emptyFrontier();
    for (const { tile, from, width, size } of subtrees) {
      const hashes = tiles.get(tileName(tile)) ?? Buffer.alloc(0);
      const slice = hashes.subarray(from * hashBytes, (from + width) * hashBytes);
      if (slice.length < width * hashBytes) throw new RangeError(`tile ${tileName(tile)} is too short`);
      frontier.nodes.push(rootOf(splitHashes(slice)));
      frontier.size += size;
    }
    return frontierRoot(frontier);
  });
}

/** One tile's worth of hashes as single ones. */
export function splitHashes(hashes: Buffer): Buffer[] {
  return Array.from({ length: hashes.length / hashBytes }, (_, i) =>
    hashes.subarray(i * hashBytes, (i + 1) * hashBytes),
  );
}

interface Subtree {
  readonly tile: TileAt;
  /** Place and number of its hashes within the tile. */
  readonly from: number;
  readonly width: number;
  /** Leaves it covers. */
  readonly size: number;
}

/** The complete subtrees a range is made of, biggest first, and where their hashes lie. */
function subtreesOf({ from, to }: LeafRange): Subtree[] {
  const out: Subtree[] = [];
  for (let at = from; at < to; ) {
    let size = 1;
    while (size * 2 <= to - at && at % (size * 2) === 0) size *= 2;
    let level = 0;
    let span = 1;
    while (span * tileWidth <= size) {
      span *= tileWidth;
      level += 1;
    }
    const first = at / span;
    const tile = { level, index: Math.floor(first / tileWidth) };
    out.push({ tile, from: first % tileWidth, width: size / span, size });
    at += size;
  }
  return out;
}

/** RFC 6962 tree hash of these leaves, or of these roots of equal full trees. */
export function rootOf(hashes: readonly Buffer[]): Buffer {
  const frontier = emptyFrontier();
  for (const hash of hashes) appendLeaf(frontier, hash);
  return frontierRoot(frontier);
}
