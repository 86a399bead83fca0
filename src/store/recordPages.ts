import type { Header, KwRecord, StreamKey } from '../core/record.ts';
import type { Engine, Params } from './client.ts';
import type { StoredRecord } from './positions.ts';
import { RowBinaryReader, type RowBlock, wholeRows } from './rowBinaryReader.ts';
import { flagNullKey, flagNullValue } from './tables.ts';

/** A page is held a few times over while it is worked on: rows and bytes are both bounded. */
const pageLimits = { rows: 2_048, bytes: 4 * 1024 * 1024 };

/** Records of one tree as RowBinary of `pageSelect`'s columns: read where they lie, or handed to a worker whole. */
export type RecordPage = RowBlock;

/** What has a fixed place first. The key, headers and value are bytes whatever they are. */
const pageSelect =
  'SELECT offset, kafka_ts, ingested_at, flags, sealed, leaf, key, headers, value FROM kw.records';

export const ofTree =
  'stream = {stream:String} AND partition = {partition:UInt32} AND epoch = {epoch:UInt32}';
export const treeParams = ({ stream, partition, epoch }: StreamKey): Params => ({ stream, partition, epoch });

/**
 * Pages of the records of one tree with `after` < offset <= `to`, in offset order. One statement: the engine
 * reads in the table's order and waits while nobody asks, so memory is that of a few pages.
 */
export function recordPagesRaw(
  engine: Engine,
  key: StreamKey,
  after = -1n,
  to = (1n << 64n) - 1n,
): AsyncGenerator<RecordPage> {
  const sql = `${pageSelect} WHERE ${ofTree} AND offset BETWEEN {from:UInt64} AND {to:UInt64} ORDER BY offset SETTINGS max_threads = 1`;
  const chunks = engine.bytes(sql, {
    ...treeParams(key),
    from: (after + 1n).toString(),
    to: to.toString(),
  });
  return wholeRows(chunks, skipRecord, pageLimits);
}

/** The same, decoded: for those who work record by record. */
export async function* recordPages(
  engine: Engine,
  key: StreamKey,
  after = -1n,
): AsyncGenerator<readonly StoredRecord[]> {
  for await (const page of recordPagesRaw(engine, key, after)) yield [...decodedRecords(page.bytes, key)];
}

/** `records.sealed` of a record whose bytes were erased by law: its leaf stays. */
export const erasedSeal = 2;

/** The records of a page; their bytes are views into it. */
export function* decodedRecords(bytes: Buffer, key: StreamKey): Generator<StoredRecord> {
  const row = new RowBinaryReader(bytes);
  while (!row.isAtEnd()) yield decodeRecord(row, key);
}

/** The record at the reader's place, which moves behind it. */
export function decodeRecord(row: RowBinaryReader, { stream, partition, epoch }: StreamKey): StoredRecord {
  const offset = row.u64();
  const timestamp = row.millis();
  const ingestedAt = row.millis();
  const flags = row.u8();
  const sealed = row.u8();
  const leaf = row.fixed(32);
  const key = row.binary();
  const headers = headersAt(row);
  const value = row.binary();
  const hasNullKey = (flags & flagNullKey) !== 0;
  const hasNullValue = (flags & flagNullValue) !== 0;
  const record: KwRecord = {
    stream,
    partition,
    epoch,
    offset,
    timestamp,
    key: hasNullKey ? null : key,
    headers,
    value: hasNullValue ? null : value,
  };
  const isHidden = (hasNullKey && key.length > 0) || (hasNullValue && value.length > 0);
  const isKnown = (flags & ~(flagNullKey | flagNullValue)) === 0 && sealed === 0;
  return { record, leaf, ingestedAt, sealed, isAsWritten: isKnown && !isHidden };
}

/** Where the leaf stands in a row: behind offset, two times, flags and seal. */
const leafAt = 8 + 8 + 8 + 1 + 1;

/** The stored leaf of the row that begins at `start`: a view into the page. */
export function storedLeaf(bytes: Buffer, start: number): Buffer {
  return bytes.subarray(start + leafAt, start + leafAt + 32);
}

/** Offset of the first and the last record of a page. */
export function pageEnds({ bytes, lastRow }: RecordPage): { readonly first: bigint; readonly last: bigint } {
  return { first: bytes.readBigUInt64LE(0), last: bytes.readBigUInt64LE(lastRow) };
}

function headersAt(row: RowBinaryReader): readonly Header[] {
  const count = row.length();
  if (count === 0) return noHeaders;
  return Array.from({ length: count }, (): Header => [row.binary(), row.binary()]);
}
const noHeaders: readonly Header[] = [];

function skipRecord(row: RowBinaryReader): void {
  row.skip(leafAt + 32);
  row.skip(row.length());
  for (let strings = row.length() * 2; strings > 0; strings -= 1) row.skip(row.length());
  row.skip(row.length());
}
