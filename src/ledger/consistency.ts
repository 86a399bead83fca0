import type { LeafRange } from './tree.ts';

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
