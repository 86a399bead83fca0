import { createHash } from 'node:crypto';
import type { StreamKey } from '../core/record.ts';
import type { TopicRecord } from '../intake/kafkaReplay.ts';

/**
 * The leaf of a record as it lies in the topic, written from docs/ledger.md ("Leaf text v1") alone and sharing no
 * line with ledger/leaf.ts: a mistake there shows here as a difference.
 */
export function replayLeaf({ stream, partition, epoch }: StreamKey, record: TopicRecord): Buffer {
  const dot = stream.indexOf('.');
  const { offset, timestamp, key, value } = record;
  const flags = (key === null ? 1 : 0) + (value === null ? 2 : 0);
  const lines = [
    'keywitness-leaf/v1',
    stream.slice(0, dot),
    stream.slice(dot + 1),
    partition,
    epoch,
    offset,
    timestamp,
    sha256(key === null ? [] : [key]),
    sha256(headerBytes(record.headers)),
    sha256(value === null ? [] : [value]),
    flags,
  ];
  const text = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'ascii');
  return createHash('sha256')
    .update(Buffer.from([0]))
    .update(text)
    .digest();
}

function headerBytes(headers: TopicRecord['headers']): Buffer[] {
  return headers.flat().flatMap((bytes) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
}

function sha256(parts: readonly Buffer[]): string {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part);
  return sum.digest('hex');
}
