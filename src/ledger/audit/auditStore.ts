import type { StreamKey } from '../../core/record.ts';
import { countRecords, foreignColumns, type TileDigest, tileDigests } from '../../store/auditRows.ts';
import {
  checkpointsAbove,
  lastListings,
  metaLeavesAt,
  metaLeavesBelow,
  nthBehind,
} from '../../store/baseRows.ts';
import type { Engine } from '../../store/client.ts';
import {
  type Buckets,
  bucketSums,
  type DerivedRow,
  type DerivedTable,
  type DerivedTotals,
  derivedBetween,
  derivedTotals,
  type Salt,
  type TreeBehind,
} from '../../store/derivedRows.ts';
import { leafTiles } from '../../store/keptLeaves.ts';
import {
  checkpointPages,
  metaLeavesFrom,
  metaLeavesOfKeys,
  type SignedCheckpointRow,
} from '../../store/ledgerStore.ts';
import { type Position, storedPositions } from '../../store/positions.ts';
import { type RecordPage, recordPagesRaw } from '../../store/recordPages.ts';
import { readTiles } from '../../store/tileStore.ts';
import type { TileAt } from '../tiles.ts';

export type MetaLeafRow = Awaited<ReturnType<typeof metaLeavesOfKeys>>[number];

/** What `verify` reads of the evidence and what is derived from it; it writes nothing. */
export interface AuditStore {
  /** Columns (`TABLE.COLUMN`) that are not what we made: what they hold cannot be trusted to be whole. */
  foreignColumns(): Promise<readonly string[]>;
  /** Signed checkpoints by origin and size, of each named origin those above a size only. */
  checkpoints(above?: ReadonlyMap<string, number>): AsyncIterable<readonly SignedCheckpointRow[]>;
  /** The first meta leaf and those that bring keys. */
  keyLeaves(): Promise<readonly MetaLeafRow[]>;
  /** Meta leaves with index ≥ `from`, in order, those that come twice included. */
  metaLeaves(from: number): AsyncIterable<readonly MetaLeafRow[]>;
  metaLeavesBelow(kinds: readonly string[], below: number): Promise<readonly MetaLeafRow[]>;
  metaLeavesAt(indexes: readonly number[]): Promise<readonly MetaLeafRow[]>;
  /** Of each origin that heartbeats within these indexes list, the index of the last one that does. */
  lastListings(from: number, below: number): Promise<ReadonlyMap<string, number>>;
  positions(): Promise<readonly Position[]>;
  /** Records with `after` < offset <= `to`, in order. */
  records(key: StreamKey, after: bigint, to?: bigint): AsyncIterable<RecordPage>;
  /** Offset of the n-th record (from 1) behind an offset. */
  nthBehind(key: StreamKey, after: bigint, n: number): Promise<bigint | undefined>;
  countRecords(key: StreamKey, first: bigint, last: bigint): Promise<number>;
  /** Leaf hashes of tiles of level 0, by tile index. */
  leafTiles(key: StreamKey, first: number, last: number): Promise<ReadonlyMap<number, Buffer>>;
  /** Tiles that reach beyond a leaf index. */
  tileDigests(key: StreamKey, from: number): AsyncIterable<TileDigest>;
  /** Hashes of tiles of any level; of one at the tree's edge as many as there are. */
  readTiles(key: StreamKey, at: readonly TileAt[]): Promise<ReadonlyMap<string, Buffer>>;
  /** Of every tree, or of some of them behind an offset. */
  derivedTotals(salt: Salt, behind?: readonly TreeBehind[]): Promise<readonly DerivedTotals[]>;
  bucketSums(tree: TreeBehind, buckets: Buckets, salt: Salt): Promise<ReadonlyMap<bigint, bigint>>;
  derivedBetween(table: DerivedTable, key: StreamKey, first: bigint, last: bigint): AsyncIterable<DerivedRow>;
}

export function engineAuditStore(engine: Engine): AuditStore {
  return {
    foreignColumns: () => foreignColumns(engine),
    checkpoints: (above) => (above === undefined ? checkpointPages(engine) : checkpointsAbove(engine, above)),
    keyLeaves: () => metaLeavesOfKeys(engine),
    metaLeaves: (from) => metaLeavesFrom(engine, from),
    positions: () => storedPositions(engine),
    records: (key, after, to) => recordPagesRaw(engine, key, after, to),
    countRecords: (key, first, last) => countRecords(engine, key, first, last),
    leafTiles: (key, first, last) => leafTiles(engine, key, first, last),
    tileDigests: (key, from) => tileDigests(engine, key, from),
    readTiles: (key, at) => readTiles(engine, key, at),
    metaLeavesBelow: (kinds, below) => metaLeavesBelow(engine, kinds, below),
    metaLeavesAt: (indexes) => metaLeavesAt(engine, indexes),
    lastListings: (from, below) => lastListings(engine, from, below),
    nthBehind: (key, after, n) => nthBehind(engine, key, after, n),
    derivedTotals: (salt, behind) => derivedTotals(engine, salt, behind),
    bucketSums: (tree, buckets, salt) => bucketSums(engine, tree, buckets, salt),
    derivedBetween: (table, key, first, last) => derivedBetween(engine, table, key, first, last),
  };
}
