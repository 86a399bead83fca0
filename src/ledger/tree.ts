import { hash } from 'node:crypto';

/**
 * The Merkle tree of RFC 6962 section 2.1 (RFC 9162 section 2.1), grown one leaf at a time.
 * Nothing but the frontier is kept: the roots of the full subtrees that make up the tree, biggest first,
 * one for each 1 bit of its size. Sizes are below 2^53.
 */
export interface Frontier {
  size: number;
  readonly nodes: Buffer[];
}

/** Root of the empty tree: SHA-256 of nothing. */
const emptyRoot: Buffer = hash('sha256', '', 'buffer');

export function emptyFrontier(): Frontier {
  return { size: 0, nodes: [] };
}

export function copyFrontier(frontier: Frontier): Frontier {
  return { size: frontier.size, nodes: [...frontier.nodes] };
}

/** SHA-256(0x01 ‖ left ‖ right), each 32 bytes. The scratch is safe: the hash is taken before anyone else runs. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  scratch.set(left, 1);
  scratch.set(right, 33);
  return hash('sha256', scratch, 'buffer');
}

const scratch = Buffer.alloc(65);
scratch[0] = 1;

/** Adds a leaf hash: as many folds as the old size has trailing 1 bits, one on average. */
export function appendLeaf(frontier: Frontier, leaf: Buffer): void {
  let node = leaf;
  for (let n = frontier.size; n % 2 === 1; n = (n - 1) / 2) {
    node = nodeHash(frontier.nodes.pop() as Buffer, node);
  }
  frontier.nodes.push(node);
  frontier.size += 1;
}

export function frontierRoot(frontier: Frontier): Buffer {
  let root: Buffer | undefined;
  for (let i = frontier.nodes.length - 1; i >= 0; i -= 1) {
    const node = frontier.nodes[i] as Buffer;
    root = root === undefined ? node : nodeHash(node, root);
  }
  return root ?? emptyRoot;
}

/** Leaves `from` (inclusive) to `to` (exclusive): a proof is the list of roots of such ranges. */
export interface LeafRange {
  readonly from: number;
  readonly to: number;
}

/** PATH(index, D[size]) of RFC 6962 section 2.1.1, as ranges, from the leaf's sibling up. */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  if (index < 0 || index >= size) throw new RangeError(`no leaf ${index} in a tree of ${size}`);
  const up: LeafRange[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const split = from + splitOf(to - from);
    if (index < split) {
      up.push({ from: split, to });
      to = split;
    } else {
      up.push({ from, to: split });
      from = split;
    }
  }
  return up.reverse();
}

/**
 * RFC 9162 section 2.1.3.2: the root that `leaf` at `index` and this path lead to; undefined = no such path.
 * Proofs of others may speak of trees above 2^53 leaves: sizes here have 64 bits.
 */
export function rootFromInclusion(
  leaf: Buffer,
  index: number | bigint,
  size: number | bigint,
  path: readonly Buffer[],
): Buffer | undefined {
  let fn = uint64(index);
  const leaves = uint64(size);
  if (fn === undefined || leaves === undefined || fn >= leaves) return undefined;
  if (![leaf, ...path].every((hash) => hash.length === 32)) return undefined;
  let sn = leaves - 1n;
  let root = leaf;
  for (const node of path) {
    if (sn === 0n) return undefined;
    if ((fn & 1n) === 1n || fn === sn) {
      root = nodeHash(node, root);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else root = nodeHash(root, node);
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n ? root : undefined;
}

/** A size or index of another's proof; undefined when it is none. */
export function uint64(n: number | bigint): bigint | undefined {
  if (typeof n === 'number' && !Number.isSafeInteger(n)) return undefined;
  const size = BigInt(n);
  return size >= 0n && size < 1n << 64n ? size : undefined;
}

/** The largest power of two smaller than `size` (RFC 6962's k), for size > 1. */
function splitOf(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}
