import { hash } from 'node:crypto';
import { tileName } from '../tiles.ts';
import { type Frontier, nodeHash } from '../tree.ts';

const width = 256;
const hashBytes = 32;

/** A full tile as it must be, by the leaves that were derived. */
export interface ExpectedTile {
  readonly level: number;
  readonly index: number;
  /** Offset of the last record; undefined = that record is gone. */
  readonly last: bigint | undefined;
  /** SHA-256 of its hashes. */
  readonly digest: Buffer;
  readonly root: Buffer;
}

/**
 * Grows a tree and its tiles (C2SP tlog-tiles) together: a full tile's root is a node that the tree passes through
 * anyway. What was added since `keep` can be taken back, as long as no pin has said that it is right.
 */
export interface TileGrowth {
  readonly frontier: Frontier;
  append(leaf: Buffer, offset: bigint | undefined): void;
  keep(): void;
  takeBack(): void;
  /** Full tiles up to the last `keep`, by name. */
  kept(): ReadonlyMap<string, ExpectedTile>;
  /** Leaves since the last full tile of level 0. */
  edge(): Buffer;
}

interface Level {
  readonly row: Buffer;
  count: number;
  index: number;
}

/** From a tree that stands already: `edges` = the hashes of its unfilled tiles, lowest level first. */
export function tileGrowth(start: Frontier, edges: readonly Buffer[]): TileGrowth {
  let frontier = copy(start);
  let levels = levelsOf(start.size, edges);
  const kept = new Map<string, ExpectedTile>();
  let fresh: ExpectedTile[] = [];
  let saved = { frontier: copy(frontier), edges: levels.map(edgeOf) };
  const put = (level: number, node: Buffer) => {
    levels[level] ??= { row: Buffer.alloc(width * hashBytes), count: 0, index: 0 };
    const at = levels[level] as Level;
    at.row.set(node, at.count * hashBytes);
    at.count += 1;
  };
  /** The node at the root of a full tile: the tile is whole. */
  const fill = (level: number, root: Buffer, last: bigint | undefined) => {
    const at = levels[level] as Level;
    fresh.push({ level, index: at.index, last, digest: hash('sha256', at.row, 'buffer'), root });
    at.index += 1;
    at.count = 0;
    put(level + 1, root);
  };
  return {
    get frontier() {
      return frontier;
    },
    append(leaf, offset) {
      put(0, leaf);
      let node = leaf;
      let height = 0;
      for (let n = frontier.size; n % 2 === 1; n = (n - 1) / 2) {
        node = nodeHash(frontier.nodes.pop() as Buffer, node);
        height += 1;
        if (height % 8 === 0) fill(height / 8 - 1, node, offset);
      }
      frontier.nodes.push(node);
      frontier.size += 1;
    },
    keep() {
      for (const tile of fresh) kept.set(tileName(tile), tile);
      fresh = [];
      saved = { frontier: copy(frontier), edges: levels.map(edgeOf) };
    },
    takeBack() {
      frontier = copy(saved.frontier);
      levels = levelsOf(frontier.size, saved.edges);
      fresh = [];
    },
    kept: () => kept,
    edge: () => edgeOf(levels[0] ?? { row: Buffer.alloc(0), count: 0, index: 0 }),
  };
}

function copy({ size, nodes }: Frontier): Frontier {
  return { size, nodes: [...nodes] };
}

function edgeOf({ row, count }: Level): Buffer {
  return Buffer.from(row.subarray(0, count * hashBytes));
}

function levelsOf(size: number, edges: readonly Buffer[]): Level[] {
  return edges.map((edge, level) => {
    const row = Buffer.alloc(width * hashBytes);
    row.set(edge);
    return { row, count: edge.length / hashBytes, index: Math.floor(size / width ** (level + 1)) };
  });
}
