import type { StreamKey } from '../core/record.ts';
import type { Engine } from './client.ts';

/** What the store says of one tree under its newest checkpoint. */
export interface StoredStream extends StreamKey {
  readonly firstOffset: bigint;
  readonly lastOffset: bigint;
  readonly records: number;
  readonly events: number;
  readonly setAside: number;
}

/** Counts of every tree, from the three tables that account for each record. */
export async function storedStreams(engine: Engine): Promise<StoredStream[]> {
  const rows = await engine.rows(`
SELECT r.stream AS stream, r.partition AS partition, r.epoch AS epoch, r.first AS first, r.last AS last, r.n AS records,
  e.n AS events, s.n AS set_aside
FROM (SELECT stream, partition, epoch, toString(min(offset)) AS first, toString(max(offset)) AS last, count() AS n
  FROM kw.records GROUP BY stream, partition, epoch) AS r
LEFT JOIN (SELECT stream, partition, epoch, count() AS n FROM kw.events GROUP BY stream, partition, epoch) AS e
  ON (r.stream, r.partition, r.epoch) = (e.stream, e.partition, e.epoch)
LEFT JOIN (SELECT stream, partition, epoch, count() AS n FROM kw.set_aside GROUP BY stream, partition, epoch) AS s
  ON (r.stream, r.partition, r.epoch) = (s.stream, s.partition, s.epoch)
ORDER BY stream, partition, epoch`);
  return rows.map((r) => ({
    stream: String(r.stream),
    partition: Number(r.partition),
    epoch: Number(r.epoch),
    firstOffset: BigInt(String(r.first)),
    lastOffset: BigInt(String(r.last)),
    records: Number(r.records),
    events: Number(r.events),
    setAside: Number(r.set_aside),
  }));
}

/** Offsets that a Kafka partition never delivered, `[from, to]` both included; transaction marks are among them. */
export async function offsetGaps(engine: Engine, key: StreamKey): Promise<(readonly [bigint, bigint])[]> {
  const rows = await engine.rows(
    `SELECT toString(before + 1) AS gap_from, toString(offset - 1) AS gap_to FROM (
       SELECT offset, lagInFrame(toNullable(offset)) OVER (ORDER BY offset ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
       FROM kw.records WHERE stream = {stream:String} AND partition = {partition:UInt32} AND epoch = {epoch:UInt32}
     ) WHERE before IS NOT NULL AND offset > before + 1 ORDER BY offset`,
    { stream: key.stream, partition: key.partition, epoch: key.epoch },
  );
  return rows.map((r) => [BigInt(String(r.gap_from)), BigInt(String(r.gap_to))]);
}

/** A signed checkpoint as the store keeps it. */
export interface SignedCheckpoint {
  readonly origin: string;
  readonly size: number;
  readonly rootHex: string;
  readonly note: string;
  /** Milliseconds. */
  readonly madeAt: number;
}

const checkpointSelect =
  'SELECT origin, toUInt64(size) AS n, lower(hex(root)) AS root_hex, note, toUnixTimestamp64Milli(made_at) AS ms FROM kw.checkpoints';

/** Of every stream the checkpoint of its greatest size, the first when it was signed again. */
export async function newestStreamCheckpoints(engine: Engine): Promise<SignedCheckpoint[]> {
  const rows = await engine.rows(
    `${checkpointSelect} WHERE origin NOT LIKE '%/meta' ORDER BY origin, size DESC, made_at LIMIT 1 BY origin`,
  );
  return rows.map(signedCheckpoint);
}

/** The first checkpoint of the meta tree made at `sinceMs` or later. */
export async function metaCheckpointSince(
  engine: Engine,
  sinceMs: number,
): Promise<SignedCheckpoint | undefined> {
  const rows = await engine.rows(
    `${checkpointSelect} WHERE origin LIKE '%/meta' AND made_at >= fromUnixTimestamp64Milli({since:Int64}) ORDER BY made_at, size LIMIT 1`,
    { since: sinceMs },
  );
  return rows[0] === undefined ? undefined : signedCheckpoint(rows[0]);
}

function signedCheckpoint(row: Record<string, unknown>): SignedCheckpoint {
  return {
    origin: String(row.origin),
    size: Number(row.n),
    rootHex: String(row.root_hex),
    note: String(row.note),
    madeAt: Number(row.ms),
  };
}
