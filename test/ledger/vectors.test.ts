import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { isConsistent } from '../../src/ledger/consistency.ts';
import { tilePath, tilesOfLevel } from '../../src/ledger/tilePath.ts';
import { rootFromInclusion } from '../../src/ledger/tree.ts';

interface Vector {
  readonly name: string;
  readonly wantErr: boolean;
  readonly proof: readonly string[];
}
interface InclusionVector extends Vector {
  readonly leafIdx: string;
  readonly treeSize: string;
  readonly root: string;
  readonly leafHash: string;
}
interface ConsistencyVector extends Vector {
  readonly size1: string;
  readonly size2: string;
  readonly root1: string;
  readonly root2: string;
}

const vectors = JSON.parse(readFileSync(join(packageRoot, 'test/fixtures/merkle/vectors.json'), 'utf8')) as {
  inclusion: readonly InclusionVector[];
  consistency: readonly ConsistencyVector[];
};
const bytes = (text: string) => Buffer.from(text, 'base64');

describe('the 196 vectors of transparency-dev/merkle', () => {
  it('are all here', () => {
    expect(vectors.inclusion.length + vectors.consistency.length).toBe(196);
  });

  it.each(vectors.inclusion)('$name', (v) => {
    const root = rootFromInclusion(
      bytes(v.leafHash),
      BigInt(v.leafIdx),
      BigInt(v.treeSize),
      v.proof.map(bytes),
    );
    expect(root?.equals(bytes(v.root)) === true).toBe(!v.wantErr);
  });

  it.each(vectors.consistency)('$name', (v) => {
    const holds = isConsistent(
      BigInt(v.size1),
      bytes(v.root1),
      BigInt(v.size2),
      bytes(v.root2),
      v.proof.map(bytes),
    );
    expect(holds).toBe(!v.wantErr);
  });
});

describe('tile paths are those of C2SP tlog-tiles', () => {
  it('as in its examples', () => {
    expect(tilePath(0, 1234067, 256)).toBe('tile/0/x001/x234/067');
    expect(tilePath('entries', 0, 256)).toBe('tile/entries/000');
    expect(tilePath(63, 999, 17)).toBe('tile/63/999.p/17');
    expect(tilePath(1, 1000, 1)).toBe('tile/1/x001/000.p/1');
  });

  it('a tree of 70,000 and one of 256 have the tiles the specification counts', () => {
    expect([0, 1, 2].map((level) => tilesOfLevel(level, 70_000))).toEqual([
      { full: 273, width: 112 },
      { full: 1, width: 17 },
      { full: 0, width: 1 },
    ]);
    expect([0, 1].map((level) => tilesOfLevel(level, 256))).toEqual([
      { full: 1, width: 0 },
      { full: 0, width: 1 },
    ]);
  });
});
