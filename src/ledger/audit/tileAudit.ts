import { hash } from 'node:crypto';
import type { StreamKey } from '../../core/record.ts';
import type { TileDigest } from '../../store/auditRows.ts';
import { splitHashes, tileName } from '../tiles.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from '../tree.ts';
import type { AuditStore } from './auditStore.ts';
import type { Finding } from './findings.ts';
import type { ExpectedTile } from './tiles.ts';

const width = 256;
/** One finding names the first wrong tile: the others are as wrong as it is. */
const namedMax = 20;

export interface DerivedTiles {
  readonly tiles: ReadonlyMap<string, ExpectedTile>;
  /** Leaves behind the last full tile. */
  readonly edge: Buffer;
  /** Leaves that were derived, and those of them that were pinned: what was signed has its tiles. */
  readonly size: number;
  readonly pinned: number;
  /** Leaves from which on they were derived; the tiles before are not looked at. */
  readonly from: number;
  /** False: behind the last pin that held nothing is known. */
  readonly isWhole: boolean;
}

/** Holds the stored tiles of a tree against the leaves that were derived. */
export async function auditTiles(
  store: AuditStore,
  tree: string,
  key: StreamKey,
  derived: DerivedTiles,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const say = (kind: 'modified' | 'deleted' | 'inserted', name: string, detail: string, last?: bigint) => {
    if (findings.length >= namedMax) return;
    findings.push({
      class: kind,
      tree,
      ...(last === undefined ? {} : { offset: last }),
      detail: `tile ${name} ${detail}`,
    });
  };
  const seen = new Set<string>();
  for await (const tile of store.tileDigests(key, derived.from)) {
    const name = tileName(tile);
    if (tile.width < width) {
      const wrong = await wrongPart(store, key, tile, derived);
      if (wrong) say('modified', name, 'holds hashes that are not those of its leaves', tile.last);
      continue;
    }
    const expected = derived.tiles.get(name);
    if (expected === undefined) {
      if (derived.isWhole) say('inserted', name, 'is of leaves that are not there', tile.last);
      continue;
    }
    seen.add(name);
    if (!isSame(tile, expected))
      say('modified', name, 'holds hashes that are not those of its leaves', expected.last);
  }
  for (const [name, tile] of derived.tiles) {
    const isSigned = (tile.index + 1) * width ** (tile.level + 1) <= derived.pinned;
    if (isSigned && !seen.has(name)) say('deleted', name, 'is gone', tile.last);
  }
  return findings;
}

function isSame(tile: TileDigest, expected: ExpectedTile): boolean {
  const hasLast = expected.last === undefined || expected.last === tile.last;
  return hasLast && tile.digest.equals(expected.digest) && tile.root.equals(expected.root);
}

/** A tile that is not full holds the first hashes of the full one, or of what stands behind the last full one. */
async function wrongPart(
  store: AuditStore,
  key: StreamKey,
  tile: TileDigest,
  derived: DerivedTiles,
): Promise<boolean> {
  const { index, width: count } = tile;
  if (tile.level !== 0 || !Number.isInteger(count)) return true;
  const full = derived.tiles.has(tileName(tile));
  // Behind what could be derived nothing can be said.
  if (!full && (index + 1) * width <= derived.size) return false;
  const stored = full ? (await store.leafTiles(key, index, index)).get(index) : derived.edge;
  const hashes = stored?.subarray(0, count * 32);
  if (hashes === undefined || hashes.length < count * 32) return derived.isWhole;
  const frontier = emptyFrontier();
  for (const leaf of splitHashes(hashes)) appendLeaf(frontier, leaf);
  return !hash('sha256', hashes, 'buffer').equals(tile.digest) || !frontierRoot(frontier).equals(tile.root);
}
