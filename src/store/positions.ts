import type { EventRef, Header, KwRecord, StreamKey } from '../core/record.ts';
import type { Engine } from './client.ts';
import { flagNullKey, flagNullValue, type StreamRow } from './tables.ts';

export interface Position extends StreamKey {
  /** Highest stored offset: the authority for where a consumer goes on. */
  readonly offset: bigint;
  readonly count: number;
}

/** The last stored offset of every (stream, partition, epoch). */
export async function storedPositions(engine: Engine): Promise<Position[]> {
  const rows = await engine.rows(
    'SELECT stream, partition, epoch, toString(max(offset)) AS last, count() AS n FROM kw.records GROUP BY stream, partition, epoch',
  );
  return rows.map((r) => ({
    stream: String(r.stream),
    partition: Number(r.partition),
    epoch: Number(r.epoch),
    offset: BigInt(String(r.last)),
    count: Number(r.n),
  }));
}

/** Newest epoch of one partition and its last stored offset; undefined when nothing of it is stored. */
export async function storedEnd(
  engine: Engine,
  stream: string,
  partition: number,
): Promise<Position | undefined> {
  const rows = await engine.rows(
    'SELECT epoch, toString(max(offset)) AS last, count() AS n FROM kw.records ' +
      'WHERE stream = {stream:String} AND partition = {partition:UInt32} GROUP BY epoch ORDER BY epoch DESC LIMIT 1',
    { stream, partition },
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  return {
    stream,
    partition,
    epoch: Number(row.epoch),
    offset: BigInt(String(row.last)),
    count: Number(row.n),
  };
}

export async function knownStreams(engine: Engine): Promise<StreamRow[]> {
  const rows = await engine.rows(
    'SELECT stream, partition, epoch, transport, fingerprint, source, settings, toUnixTimestamp64Milli(as_of) AS as_of_ms, toUnixTimestamp64Milli(known_at) AS known_ms ' +
      'FROM kw.streams ORDER BY known_at',
  );
  return rows.map((r) => ({
    stream: String(r.stream),
    partition: Number(r.partition),
    epoch: Number(r.epoch),
    transport: String(r.transport),
    fingerprint: String(r.fingerprint),
    source: String(r.source),
    settings: String(r.settings),
    as_of: Number(r.as_of_ms),
    known_at: Number(r.known_ms),
  }));
}

/** Time of the newest flush, in ms; 0 when nothing is stored. */
export async function newestIngest(engine: Engine): Promise<number> {
  const [row] = await engine.rows('SELECT toUnixTimestamp64Milli(max(ingested_at)) AS ms FROM kw.records');
  return Number(row?.ms ?? 0);
}

/** When a record was stored, in ms; undefined when it is not there. */
export async function ingestTime(engine: Engine, { offset, ...key }: EventRef): Promise<number | undefined> {
  const [row] = await engine.rows(
    'SELECT toUnixTimestamp64Milli(ingested_at) AS ms FROM kw.records ' +
      'WHERE stream = {stream:String} AND partition = {partition:UInt32} AND epoch = {epoch:UInt32} AND offset = {offset:UInt64} LIMIT 1',
    { stream: key.stream, partition: key.partition, epoch: key.epoch, offset: `${offset}` },
  );
  return row === undefined ? undefined : Number(row.ms);
}

/** A stored record with its leaf (32 bytes) and its flush's time in ms. */
export interface StoredRecord {
  readonly record: KwRecord;
  readonly leaf: Buffer;
  readonly ingestedAt: number;
  /** 0 = its bytes are here; 2 = they were erased by law (docs/ledger.md). */
  readonly sealed: number;
  /** False: the row says what no writer of ours says, such as bytes behind a null, and no leaf would show it. */
  readonly isAsWritten: boolean;
}

const recordSelect =
  'SELECT stream, partition, epoch, toString(offset) AS o, toUnixTimestamp64Milli(kafka_ts) AS ts, base64Encode(key) AS k, ' +
  'arrayMap(h -> (base64Encode(h.1), base64Encode(h.2)), headers) AS hs, flags, sealed, base64Encode(value) AS v, hex(leaf) AS l, ' +
  'toUnixTimestamp64Milli(ingested_at) AS ing FROM kw.records AS r';

/** Records of one tree with offset > `after`, in offset order, at most `limit`. */
export async function recordsAfter(
  engine: Engine,
  key: StreamKey,
  after: bigint,
  limit: number,
): Promise<StoredRecord[]> {
  const rows = await engine.rows(
    `${recordSelect} WHERE stream = {stream:String} AND partition = {partition:UInt32} AND epoch = {epoch:UInt32} ` +
      'AND offset > {after:Int64} ORDER BY offset LIMIT {limit:UInt32}',
    { stream: key.stream, partition: key.partition, epoch: key.epoch, after: after.toString(), limit },
  );
  return rows.map(storedRecord);
}

/** One record by its coordinates. */
export async function recordAt(
  engine: Engine,
  key: StreamKey,
  offset: bigint,
): Promise<StoredRecord | undefined> {
  const rows = await engine.rows(
    `${recordSelect} WHERE stream = {stream:String} AND partition = {partition:UInt32} AND epoch = {epoch:UInt32} ` +
      'AND offset = {offset:UInt64} LIMIT 1',
    { stream: key.stream, partition: key.partition, epoch: key.epoch, offset: offset.toString() },
  );
  return rows[0] === undefined ? undefined : storedRecord(rows[0]);
}

/** A tree with records above `mark`, the highest offset that `events` has of it; -1 = none. */
export interface UnderivedTree extends StreamKey {
  readonly mark: bigint;
}

/**
 * Trees with records above the high mark of `events`: stored, and their derived rows perhaps lost with a crash.
 * `events` is written last, so its mark vouches for the other derived tables up to there (docs/store.md).
 */
export async function treesAboveMark(engine: Engine): Promise<UnderivedTree[]> {
  const rows = await engine.rows(
    "SELECT r.stream AS s, r.partition AS p, r.epoch AS e, toString(if(h.stream = '', toInt128(-1), toInt128(h.m))) AS mark " +
      'FROM (SELECT stream, partition, epoch, max(offset) AS last FROM kw.records GROUP BY ALL) AS r ' +
      'LEFT JOIN (SELECT stream, partition, epoch, max(offset) AS m FROM kw.events GROUP BY ALL) AS h USING (stream, partition, epoch) ' +
      "WHERE h.stream = '' OR r.last > h.m ORDER BY s, p, e",
  );
  return rows.map((r) => ({
    stream: String(r.s),
    partition: Number(r.p),
    epoch: Number(r.e),
    mark: BigInt(String(r.mark)),
  }));
}

function storedRecord(row: Record<string, unknown>): StoredRecord {
  const flags = Number(row.flags);
  const isHidden = (flag: number, text: unknown) => (flags & flag) !== 0 && text !== '';
  const bytes = (base64: unknown) => Buffer.from(String(base64), 'base64');
  return {
    record: {
      stream: String(row.stream),
      partition: Number(row.partition),
      epoch: Number(row.epoch),
      offset: BigInt(String(row.o)),
      timestamp: Number(row.ts),
      key: flags & flagNullKey ? null : bytes(row.k),
      headers: (row.hs as [string, string][]).map(([name, value]): Header => [bytes(name), bytes(value)]),
      value: flags & flagNullValue ? null : bytes(row.v),
    },
    leaf: Buffer.from(String(row.l), 'hex'),
    ingestedAt: Number(row.ing),
    sealed: Number(row.sealed),
    isAsWritten:
      (flags & ~(flagNullKey | flagNullValue)) === 0 &&
      Number(row.sealed) === 0 &&
      !isHidden(flagNullKey, row.k) &&
      !isHidden(flagNullValue, row.v),
  };
}
