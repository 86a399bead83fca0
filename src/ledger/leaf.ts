import { hash } from 'node:crypto';
import type { Header, KwRecord, StreamKey } from '../core/record.ts';

/**
 * Leaf text v1, fixed for ever (docs/ledger.md, "Leaf text v1"): what is hashed into the tree for one record.
 * Plain lines, so that no canonicalisation can go wrong and anyone with the topic can build it again.
 */
export const leafTag = 'keywitness-leaf/v1';

/** How a stream's records arrived. Fixed with the stream's first record and kept in its `settings` leaf. */
export const transports = ['kafka', 'file', 'http', 'keywitness'] as const;
export type Transport = (typeof transports)[number];

/** Same bits as the column `records.flags`: null and empty differ although their hash is the same. */
const flagNullKey = 1;
const flagNullValue = 2;

/** A stream's name stands in a line of the leaf, in a checkpoint's origin and in an event's name. */
const streamShape = /^[A-Za-z0-9._-]{1,300}$/;
const kafkaShape = /^([A-Za-z0-9_-]{1,32})\.(.+)$/;
const reservedClusters: readonly string[] = ['file', 'http', 'keywitness'];

export interface LeafOrigin {
  readonly cluster: string;
  readonly topic: string;
}

/**
 * Cluster and topic of a stream. Kafka: split at the first dot, which a cluster's name cannot hold.
 * Everything else: the transport is the cluster and the whole name the topic, dots included. A cluster
 * cannot be called `file`, `http` or `keywitness`, so two streams never share an origin.
 */
export function leafOrigin(stream: string, transport: Transport): LeafOrigin {
  const origin = originOf(stream, transport);
  if (origin !== undefined) return origin;
  const shape = transport === 'kafka' ? ' as CLUSTER.TOPIC' : '';
  throw new RangeError(
    `a stream is named with 1 to 300 of A-Z a-z 0-9 . _ -${shape}: ${JSON.stringify(stream)}`,
  );
}

/** May a stream that arrives so have this name? */
export function canName(stream: string, transport: Transport): boolean {
  return originOf(stream, transport) !== undefined;
}

function originOf(stream: string, transport: Transport): LeafOrigin | undefined {
  if (!streamShape.test(stream)) return undefined;
  if (transport !== 'kafka') return { cluster: transport, topic: stream };
  const m = kafkaShape.exec(stream);
  if (!m || reservedClusters.includes(m[1] as string)) return undefined;
  return { cluster: m[1] as string, topic: m[2] as string };
}

/** A record's leaf text; `leafHasher` is the same without building the bytes, for the hot path. */
export function leafText(record: KwRecord, transport: Transport): Buffer {
  return Buffer.from(leafHead(record, transport) + leafTail(record), 'latin1');
}

/** A record's leaf: SHA-256(0x00 ‖ leaf text), RFC 6962 section 2.1. */
export function leafHash(record: KwRecord, transport: Transport): Buffer {
  return hash('sha256', `\0${leafHead(record, transport)}${leafTail(record)}`, 'buffer');
}

/** The leaf of a text that is already built: meta leaves, and the `extra` line of a proof. */
export function leafHashOfText(text: Buffer): Buffer {
  return hash('sha256', Buffer.concat([leafPrefix, text]), 'buffer');
}

/** Leaves of one (stream, partition, epoch); the lines that never change are built once. */
export function leafHasher(key: StreamKey, transport: Transport): (record: KwRecord) => Buffer {
  const head = `\0${leafHead(key, transport)}`;
  return (record) => hash('sha256', head + leafTail(record), 'buffer');
}

const leafPrefix = Buffer.from([0]);
const sha256OfNothing = hash('sha256', '');

function leafHead(key: StreamKey, transport: Transport): string {
  const { cluster, topic } = leafOrigin(key.stream, transport);
  return `${leafTag}\n${cluster}\n${topic}\n${key.partition}\n${key.epoch}\n`;
}

function leafTail(record: KwRecord): string {
  const flags = (record.key === null ? flagNullKey : 0) | (record.value === null ? flagNullValue : 0);
  return `${record.offset}\n${record.timestamp}\n${bytesHash(record.key)}\n${headersHash(record.headers)}\n${bytesHash(record.value)}\n${flags}\n`;
}

function bytesHash(bytes: Buffer | null): string {
  return bytes === null || bytes.length === 0 ? sha256OfNothing : hash('sha256', bytes);
}

/** SHA-256 of, for each header in order: length of name (uint32 big-endian), name, length of value, value. */
function headersHash(headers: readonly Header[]): string {
  if (headers.length === 0) return sha256OfNothing;
  const parts: Buffer[] = [];
  for (const [name, value] of headers) parts.push(lengthOf(name), name, lengthOf(value), value);
  return hash('sha256', Buffer.concat(parts));
}

function lengthOf(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeUInt32BE(bytes.length);
  return out;
}
