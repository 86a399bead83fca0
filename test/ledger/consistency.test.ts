import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { consistencyRanges, isConsistent } from '../../src/ledger/consistency.ts';
import { rootFromInclusion } from '../../src/ledger/tree.ts';

/** MTH and PROOF of RFC 6962 sections 2.1 and 2.1.2, written down as the RFC does. */
const sha = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const leaves = Array.from({ length: 140 }, (_, i) => sha(Buffer.from([0]), Buffer.from(`leaf ${i}`)));
const split = (n: number) => 2 ** Math.floor(Math.log2(n - 1));
function mth(d: readonly Buffer[]): Buffer {
  if (d.length === 1) return d[0] as Buffer;
  const k = split(d.length);
  return sha(Buffer.from([1]), mth(d.slice(0, k)), mth(d.slice(k)));
}
function subproof(m: number, d: readonly Buffer[], b: boolean): Buffer[] {
  if (m === d.length) return b ? [] : [mth(d)];
  const k = split(d.length);
  return m <= k
    ? [...subproof(m, d.slice(0, k), b), mth(d.slice(k))]
    : [...subproof(m - k, d.slice(k), false), mth(d.slice(0, k))];
}
const tree = (n: number) => leaves.slice(0, n);

describe('consistency proofs', () => {
  const sizes = fc
    .tuple(fc.integer({ min: 1, max: leaves.length }), fc.integer({ min: 1, max: leaves.length }))
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

  it('are asked for as the ranges of RFC 9162 section 2.1.4.1', () => {
    fc.assert(
      fc.property(sizes, ([m, n]) => {
        const asked = consistencyRanges(m, n).map(({ from, to }) => mth(leaves.slice(from, to)));
        expect(Buffer.concat(asked).equals(Buffer.concat(subproof(m, tree(n), true)))).toBe(true);
      }),
    );
  });

  it('hold between any two sizes of one tree, and with nothing about them changed', () => {
    const fault = fc.record({ at: fc.nat(), bit: fc.nat(255), kind: fc.nat(4) });
    fc.assert(
      fc.property(sizes, fault, ([m, n], { at, bit, kind }) => {
        const proof = subproof(m, tree(n), true);
        const [first, second] = [mth(tree(m)), mth(tree(n))];
        expect(isConsistent(m, first, n, second, proof)).toBe(true);
        expect(isConsistent(BigInt(m), first, BigInt(n), second, proof)).toBe(true);
        const flip = (hash: Buffer) => {
          const out = Buffer.from(hash);
          out[bit >> 3] = (out[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          return out;
        };
        const changed = proof.map((hash, i) => (i === at % proof.length ? flip(hash) : hash));
        const wrong = [
          () => isConsistent(m, flip(first), n, second, proof),
          () => isConsistent(m, first, n, flip(second), proof),
          () => proof.length > 0 && isConsistent(m, first, n, second, changed),
          () => isConsistent(m, first, n, second, [...proof, first]),
          () => proof.length > 0 && isConsistent(m, first, n, second, proof.slice(1)),
        ];
        expect(wrong[kind]?.()).toBe(false);
      }),
    );
  });

  it('prove nothing of an empty tree, of a size that shrank, and of no size at all', () => {
    const root = mth(tree(1));
    expect(isConsistent(0, root, 0, root, [])).toBe(false);
    expect(isConsistent(0, root, 1, root, [])).toBe(false);
    expect(isConsistent(2, root, 1, root, [])).toBe(false);
    expect(isConsistent(-1, root, 1, root, [])).toBe(false);
    expect(isConsistent(0.5, root, 0.5, root, [])).toBe(false);
    expect(isConsistent(2n ** 64n, root, 2n ** 64n, root, [])).toBe(false);
    expect(isConsistent(2n ** 64n - 1n, root, 2n ** 64n - 1n, root, [])).toBe(true);
  });
});

describe('inclusion proofs of other logs', () => {
  it('may speak of trees above 2^53 leaves', () => {
    // A leaf in a full tree of 2^62: 62 siblings, all on the side its index says.
    const index = 2n ** 61n + 5n;
    const path = Array.from({ length: 62 }, (_, i) => sha(Buffer.from(`node ${i}`)));
    const root = path.reduce(
      (hash, node, i) =>
        (index >> BigInt(i)) & 1n ? sha(Buffer.from([1]), node, hash) : sha(Buffer.from([1]), hash, node),
      leaves[0] as Buffer,
    );
    expect(rootFromInclusion(leaves[0] as Buffer, index, 2n ** 62n, path)?.equals(root)).toBe(true);
    expect(rootFromInclusion(leaves[0] as Buffer, index + 1n, 2n ** 62n, path)?.equals(root)).toBe(false);
    expect(rootFromInclusion(leaves[0] as Buffer, index, 2n ** 61n, path)).toBeUndefined();
  });
});
