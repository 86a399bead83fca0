import type { Header, KwRecord, StreamKey } from '../core/record.ts';

/** A message as kafkajs gives it. */
export interface Message {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;
}

const noHeaders: readonly Header[] = [];

export function kafkaRecord(key: StreamKey, message: Message): KwRecord {
  return {
    stream: key.stream,
    partition: key.partition,
    epoch: key.epoch,
    offset: BigInt(message.offset),
    timestamp: Number(message.timestamp),
    key: message.key,
    headers: headersOf(message),
    value: message.value,
  };
}

/** `keepHeadersExact` named each header `INDEX:NAME`, the name as latin1 bytes. */
function headersOf({ headers }: Message): readonly Header[] {
  if (headers === undefined) return noHeaders;
  const names = Object.keys(headers);
  if (names.length === 0) return noHeaders;
  return names.map((name): Header => {
    const value = headers[name];
    const bytes = Buffer.isBuffer(value) ? value : Buffer.alloc(0);
    return [Buffer.from(name.slice(name.indexOf(':') + 1), 'latin1'), bytes];
  });
}

export function messageBytes(message: Message): number {
  return (message.value?.length ?? 0) + (message.key?.length ?? 0);
}

interface Decoder {
  readVarInt(): number;
  readVarIntBytes(): Buffer | null;
}

/**
 * kafkajs reads headers into an object: the order of repeated names, names that look like numbers and names
 * that are no UTF-8 come out changed, and the leaf is over the ordered list. Replaces the one reader that is used
 * for headers alone (RecordBatch v2) by one that keeps index and bytes in the name. Pinned with kafkajs 2.2.4;
 * held by a test against what a producer sent.
 */
export function keepHeadersExact(decoderPrototype: { readVarIntArray: unknown }): void {
  decoderPrototype.readVarIntArray = function (this: Decoder) {
    const headers: { key: string; value: Buffer | null }[] = [];
    const count = this.readVarInt();
    for (let index = 0; index < count; index++) {
      const name = this.readVarIntBytes() ?? Buffer.alloc(0);
      headers.push({ key: `${index}:${name.toString('latin1')}`, value: this.readVarIntBytes() });
    }
    return headers;
  };
}
