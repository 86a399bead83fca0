import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  extendEdge,
  rangeRootsFromTiles,
  type Tile,
  type TileEdge,
  type TileReader,
  tileName,
} from '../../src/ledger/tiles.ts';
import {
  appendLeaf,
  emptyFrontier,
  frontierRoot,
  inclusionRanges,
  rootFromInclusion,
} from '../../src/ledger/tree.ts';

const sha = (...parts: Uint8Array[]) => {
  const h = createHash('sha256');
  for (const p of parts) h.update(p);
  return h.digest();
};
const leafOf = (data: Uint8Array) => sha(Buffer.from([0]), data);

/** MTH and PATH of RFC 6962 section 2.1, written down as the RFC does: slow and obvious. */
const split = (n: number) => 2 ** Math.floor(Math.log2(n - 1));
function mth(d: Buffer[]): Buffer {
  if (d.length === 0) return sha(Buffer.alloc(0));
  if (d.length === 1) return d[0] as Buffer;
  const k = split(d.length);
  return sha(Buffer.from([1]), mth(d.slice(0, k)), mth(d.slice(k)));
}
function path(m: number, d: Buffer[]): Buffer[] {
  if (d.length <= 1) return [];
  const k = split(d.length);
  return m < k
    ? [...path(m, d.slice(0, k)), mth(d.slice(k))]
    : [...path(m - k, d.slice(k)), mth(d.slice(0, k))];
}
/** Tiles of a tree, its unfilled ones too: every hash by the recursive definition. */
const tilesOf =
  (leaves: readonly Buffer[]): TileReader =>
  async (wanted) =>
    new Map(
      wanted.map(({ level, index }) => {
        const span = 256 ** level;
        const hashes: Buffer[] = [];
        for (let i = index * 256; i < index * 256 + 256 && (i + 1) * span <= leaves.length; i += 1) {
          hashes.push(mth(leaves.slice(i * span, (i + 1) * span)));
        }
        return [tileName({ level, index }), Buffer.concat(hashes)];
      }),
    );
const leavesOf = (n: number) => Array.from({ length: n }, (_, i) => leafOf(Buffer.from(`leaf ${i}`)));
const size = fc.integer({ min: 1, max: 300 });

describe('the tree is that of RFC 6962', () => {
  it('has the roots of the certificate-transparency test vectors', () => {
    const data = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ];
    const roots = [
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ];
    const f = emptyFrontier();
    const seen = [frontierRoot(f).toString('hex')];
    for (const hex of data) {
      appendLeaf(f, leafOf(Buffer.from(hex, 'hex')));
      seen.push(frontierRoot(f).toString('hex'));
    }
    expect(seen).toEqual(roots);
  });

  it('grown leaf by leaf has the root of the recursive definition, at every size up to 300', () => {
    const leaves = leavesOf(300);
    const f = emptyFrontier();
    for (let n = 0; n <= 300; n += 1) {
      if (n > 0) appendLeaf(f, leaves[n - 1] as Buffer);
      expect(frontierRoot(f)).toEqual(mth(leaves.slice(0, n)));
    }
  });

  it('gives the inclusion path of the RFC, which leads back to the root and nowhere else', async () => {
    await fc.assert(
      fc.asyncProperty(size, fc.nat(), async (n, pick) => {
        const leaves = leavesOf(n);
        const index = pick % n;
        const proof = await rangeRootsFromTiles(tilesOf(leaves), inclusionRanges(index, n));
        expect(proof).toEqual(path(index, leaves));
        const leaf = leaves[index] as Buffer;
        const root = mth(leaves);
        expect(rootFromInclusion(leaf, index, n, proof)).toEqual(root);
        expect(rootFromInclusion(leafOf(Buffer.from('other')), index, n, proof)).not.toEqual(root);
        expect(rootFromInclusion(leaf, index, n, [...proof, root])).toBeUndefined();
        if (n > 1) expect(rootFromInclusion(leaf, index, n, proof.slice(1))).toBeUndefined();
        expect(rootFromInclusion(leaf, n, n, proof)).toBeUndefined();
      }),
      { numRuns: 150 },
    );
  });

  it('refuses to prove from fewer leaves than the tree has', async () => {
    await expect(rangeRootsFromTiles(tilesOf(leavesOf(6)), inclusionRanges(0, 7))).rejects.toThrow(
      RangeError,
    );
  });
});

describe('tiles', () => {
  it('are those of the specification’s example: a tree of 70,000 leaves', () => {
    const edge: TileEdge = [];
    const full: Tile[] = [];
    const leaves = leavesOf(70_000);
    for (const [i, leaf] of leaves.entries()) extendEdge(edge, leaf, BigInt(i * 3), (t) => full.push(t));
    const ofLevel = (level: number) => full.filter((t) => t.level === level);
    expect([ofLevel(0).length, ofLevel(1).length, ofLevel(2).length]).toEqual([273, 1, 0]);
    expect(edge.map((e) => e.hashes.length)).toEqual([112, 17, 1]);
    const [third, upper] = [ofLevel(0)[2], ofLevel(1)[0]];
    expect(third?.hashes.equals(Buffer.concat(leaves.slice(512, 768)))).toBe(true);
    expect(third?.root.equals(mth(leaves.slice(512, 768)))).toBe(true);
    expect(third?.last).toBe(767n * 3n);
    expect(upper?.hashes.subarray(64, 96).equals(mth(leaves.slice(512, 768)))).toBe(true);
    expect(upper?.root.equals(mth(leaves.slice(0, 65_536)))).toBe(true);
    expect(upper?.last).toBe(65_535n * 3n);
  });
});
