import { KeywitnessError } from '../core/errors.ts';
import { type StreamKey, streamKeyText } from '../core/record.ts';
import type { Engine } from './client.ts';
import { sqlOffsets } from './literal.ts';
import type { RecordRow } from './tables.ts';

interface Span extends StreamKey {
  readonly first: bigint;
  readonly last: bigint;
  readonly count: number;
  /** XOR of the leaves, as 64 hex digits. */
  readonly xor: string;
}

/**
 * Reads back what a flush wrote and compares count, ends and the XOR of the leaves for each stream.
 * Only after this may an offset move: a timeout or a swallowed block shows here.
 * @throws KW_STORE_READBACK naming the stream and the offsets
 */
export async function readBackRecords(engine: Engine, rows: readonly RecordRow[]): Promise<void> {
  if (rows.length === 0) return;
  const written = spansOf(rows);
  const found = new Map(
    (await engine.rows(spanSql(written))).map((r) => [
      `${String(r.stream)}/${Number(r.partition)}/${Number(r.epoch)}`,
      r,
    ]),
  );
  for (const span of written) {
    const row = found.get(streamKeyText(span));
    const same =
      row !== undefined &&
      Number(row.n) === span.count &&
      String(row.first) === span.first.toString() &&
      String(row.last) === span.last.toString() &&
      String(row.x) === span.xor &&
      // The same records from another flush, of ours or of another instance, are not this flush: what is derived
      // from them carries that one's time.
      Number(row.at) === rows[0]?.ingestedAt &&
      Number(row.flushes) === 1;
    if (!same) {
      throw new KeywitnessError(
        'KW_STORE_READBACK',
        `${streamKeyText(span)} offsets ${span.first} to ${span.last}: wrote ${span.count} records, found ${row === undefined ? 0 : Number(row.n)}. ` +
          'No offset was moved; the records are delivered again. Run `keywitness verify`.',
      );
    }
  }
}

/** Which of these offsets are stored already, for a retry after an answer that never came. */
function spanSql(spans: readonly Span[]): string {
  const parts = spans.map((s) => sqlOffsets(s, s.first, s.last));
  return (
    'SELECT stream, partition, epoch, count() AS n, toString(min(offset)) AS first, toString(max(offset)) AS last, ' +
    'uniqExact(ingested_at, writer) AS flushes, toUnixTimestamp64Milli(any(ingested_at)) AS at, ' +
    // hex() of a number leaves out leading zero bytes: without the padding one flush in 256 would never pass.
    "leftPad(lower(hex(groupBitXor(reinterpretAsUInt256(leaf)))), 64, '0') AS x FROM kw.records " +
    `WHERE ${parts.join(' OR ')} GROUP BY stream, partition, epoch`
  );
}

function spansOf(rows: readonly RecordRow[]): Span[] {
  const spans = new Map<
    string,
    { key: StreamKey; first: bigint; last: bigint; count: number; xor: Buffer }
  >();
  for (const { record, leaf } of rows) {
    const name = streamKeyText(record);
    const span = spans.get(name);
    if (span === undefined) {
      spans.set(name, {
        key: record,
        first: record.offset,
        last: record.offset,
        count: 1,
        xor: Buffer.from(leaf),
      });
      continue;
    }
    if (record.offset < span.first) span.first = record.offset;
    if (record.offset > span.last) span.last = record.offset;
    span.count++;
    for (let i = 0; i < 32; i++) span.xor[i] = (span.xor[i] ?? 0) ^ (leaf[i] ?? 0);
  }
  return [...spans.values()].map(({ key, first, last, count, xor }) => ({
    stream: key.stream,
    partition: key.partition,
    epoch: key.epoch,
    first,
    last,
    count,
    // The engine reads the 32 bytes as a little-endian number and prints it big-endian.
    xor: Buffer.from(xor).reverse().toString('hex'),
  }));
}
