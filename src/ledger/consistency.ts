import { KeywitnessError } from '../core/errors.ts';
import { rangeRootsFromTiles, type TileReader } from './tiles.ts';
import { type LeafRange, nodeHash, uint64 } from './tree.ts';

/** PROOF(from, D[size]) of RFC 9162 section 2.1.4.1, as ranges in the order of the proof. */
export function consistencyRanges(from: number, size: number): LeafRange[] {
  if (from < 1 || from > size) throw new RangeError(`no proof from ${from} to ${size}`);
  return subproof(from, { from: 0, to: size }, true);
}

/** `isWhole`: the old tree is this range itself, whose root the verifier has. */
function subproof(old: number, range: LeafRange, isWhole: boolean): LeafRange[] {
  const size = range.to - range.from;
  if (old === size) return isWhole ? [] : [range];
  let k = 1;
  while (k * 2 < size) k *= 2;
  const [left, right] = [
    { from: range.from, to: range.from + k },
    { from: range.from + k, to: range.to },
  ];
  return old <= k ? [...subproof(old, left, isWhole), right] : [...subproof(old - k, right, false), left];
}

/** The proof itself, from tiles. @throws KW_LEDGER_BROKEN when these are not whole */
export async function consistencyFromTiles(read: TileReader, from: number, size: number): Promise<Buffer[]> {
  try {
    return await rangeRootsFromTiles(read, consistencyRanges(from, size));
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const what = `No proof leads from ${from} leaves to ${size}: ${cause.message}. Run \`keywitness verify\`.`;
    throw new KeywitnessError('KW_LEDGER_BROKEN', what, { cause });
  }
}

/**
 * RFC 9162 section 2.1.4.2: does the tree of `size1` leaves with `root1` stand at the beginning of the other?
 * Nothing can be proved of the empty tree: `size1` = 0 is false, whatever the roots.
 */
export function isConsistent(
  size1: number | bigint,
  root1: Buffer,
  size2: number | bigint,
  root2: Buffer,
  proof: readonly Buffer[],
): boolean {
  const [first, second] = [uint64(size1), uint64(size2)];
  if (first === undefined || second === undefined || first === 0n || first > second) return false;
  if (first === second) return proof.length === 0 && root1.equals(root2);
  if (proof.length === 0 || ![root1, root2, ...proof].every((hash) => hash.length === 32)) return false;
  // A tree of 2^n leaves is a node of the new one: its root, which the verifier has, is not in the proof.
  const [seed, ...path] = (first & (first - 1n)) === 0n ? [root1, ...proof] : proof;
  let [fn, sn] = [first - 1n, second - 1n];
  while ((fn & 1n) === 1n) [fn, sn] = [fn >> 1n, sn >> 1n];
  let [fr, sr] = [seed as Buffer, seed as Buffer];
  for (const node of path) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      [fr, sr] = [nodeHash(node, fr), nodeHash(node, sr)];
      while ((fn & 1n) === 0n && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else sr = nodeHash(sr, node);
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return sn === 0n && fr.equals(root1) && sr.equals(root2);
}
