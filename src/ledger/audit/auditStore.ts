import type { StreamKey } from '../../core/record.ts';
import {
  countRecords,
  foreignColumns,
  leafTiles,
  type TileDigest,
  tileDigests,
} from '../../store/auditRows.ts';
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
} from '../../store/derivedRows.ts';
import { metaLeavesFrom } from '../../store/ledgerStore.ts';
import type { MetaLeafRow } from '../../store/metaAppend.ts';
import { type Position, storedPositions } from '../../store/positions.ts';
import { type RecordPage, recordPagesRaw } from '../../store/recordPages.ts';

export type { MetaLeafRow };

/** What `verify` reads of the evidence and what is derived from it; it writes nothing. */
export interface AuditStore {
  /** Columns (`TABLE.COLUMN`) that are not what we made: what they hold cannot be trusted to be whole. */
  foreignColumns(): Promise<readonly string[]>;
  /** Meta leaves with index ≥ `from`, in order, those that come twice included. */
  metaLeaves(from: number): AsyncIterable<readonly MetaLeafRow[]>;
  positions(): Promise<readonly Position[]>;
  /** Records with `after` < offset <= `to`, in order. */
  records(key: StreamKey, after: bigint, to?: bigint): AsyncIterable<RecordPage>;
  countRecords(key: StreamKey, first: bigint, last: bigint): Promise<number>;
  /** Leaf hashes of tiles of level 0, by tile index. */
  leafTiles(key: StreamKey, first: number, last: number): Promise<ReadonlyMap<number, Buffer>>;
  tileDigests(key: StreamKey): AsyncIterable<TileDigest>;
  derivedTotals(salt: Salt): Promise<readonly DerivedTotals[]>;
  bucketSums(key: StreamKey, buckets: Buckets, salt: Salt): Promise<ReadonlyMap<bigint, bigint>>;
  derivedBetween(table: DerivedTable, key: StreamKey, first: bigint, last: bigint): AsyncIterable<DerivedRow>;
}

export function engineAuditStore(engine: Engine): AuditStore {
  return {
    foreignColumns: () => foreignColumns(engine),
    metaLeaves: (from) => metaLeavesFrom(engine, from),
    positions: () => storedPositions(engine),
    records: (key, after, to) => recordPagesRaw(engine, key, after, to),
    countRecords: (key, first, last) => countRecords(engine, key, first, last),
    leafTiles: (key, first, last) => leafTiles(engine, key, first, last),
    tileDigests: (key) => tileDigests(engine, key),
    derivedTotals: (salt) => derivedTotals(engine, salt),
    bucketSums: (key, buckets, salt) => bucketSums(engine, key, buckets, salt),
    derivedBetween: (table, key, first, last) => derivedBetween(engine, table, key, first, last),
  };
}
