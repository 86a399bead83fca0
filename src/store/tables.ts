import type { KwRecord } from '../core/record.ts';
import type { SessionOrigin } from '../core/session.ts';
import {
  address,
  type Column,
  type Coordinates,
  coordinates,
  map,
  millis,
  nanos,
  text,
  u32,
  u64,
} from './columns.ts';

/** A row of `records`: the record, its leaf and its flush. */
export interface RecordRow {
  readonly record: KwRecord;
  readonly leaf: Buffer;
  readonly ingestedAt: number;
  readonly writer: bigint;
}

const empty = Buffer.alloc(0);

/** records.flags: null and empty differ in the leaf, so they differ in the store. */
export const flagNullKey = 1;
export const flagNullValue = 2;

export const recordColumns: readonly Column<RecordRow>[] = [
  text('stream', (r) => r.record.stream),
  u32('partition', (r) => r.record.partition),
  u32('epoch', (r) => r.record.epoch),
  u64('offset', (r) => r.record.offset),
  millis('kafka_ts', (r) => r.record.timestamp),
  millis('ingested_at', (r) => r.ingestedAt),
  { name: 'key', type: 'String', write: (out, r) => out.binary(r.record.key ?? empty) },
  {
    name: 'headers',
    type: 'Array(Tuple(String, String))',
    write: (out, r) => {
      out.length(r.record.headers.length);
      for (const [name, value] of r.record.headers) {
        out.binary(name);
        out.binary(value);
      }
    },
  },
  {
    name: 'flags',
    type: 'UInt8',
    write: (out, r) =>
      out.u8((r.record.key === null ? flagNullKey : 0) | (r.record.value === null ? flagNullValue : 0)),
  },
  { name: 'value', type: 'String', write: (out, r) => out.binary(r.record.value ?? empty) },
  { name: 'sealed', type: 'UInt8', write: (out) => out.u8(0) },
  u64('writer', (r) => r.writer),
  { name: 'leaf', type: 'FixedString(32)', write: (out, r) => out.fixed(r.leaf) },
];

/** A row of `set_aside`: a part that is no event, and why. */
export interface SetAsideRow {
  readonly stream: string;
  readonly partition: number;
  readonly epoch: number;
  readonly offset: bigint;
  readonly idx: number;
  readonly ingested_at: number;
  readonly outcome: 'drop' | 'quarantine';
  readonly reason: string;
  readonly detail: string;
  readonly writer: bigint;
}

export const setAsideColumns: readonly Column<SetAsideRow>[] = [
  ...coordinates<SetAsideRow>(),
  millis('ingested_at', (r) => r.ingested_at),
  text('outcome', (r) => r.outcome),
  text('reason', (r) => r.reason),
  text('detail', (r) => r.detail),
  u64('writer', (r) => r.writer),
];

/** A row of `hits`: a rule that matched an event, with the fields correlations group and count by. */
export interface HitRow {
  readonly rule: string;
  readonly time: bigint;
  readonly stream: string;
  readonly partition: number;
  readonly epoch: number;
  readonly offset: bigint;
  readonly idx: number;
  readonly ingested_at: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly rules_version: number;
  readonly writer: bigint;
}

export const hitColumns: readonly Column<HitRow>[] = [
  text('rule', (r) => r.rule),
  nanos('time', (r) => r.time),
  ...coordinates<HitRow>(),
  millis('ingested_at', (r) => r.ingested_at),
  map('fields', (r) => r.fields),
  u32('rules_version', (r) => r.rules_version),
  u64('writer', (r) => r.writer),
];

/** A row of `sessions`: how a session came to be. Times in ms, 0 = unknown. */
export interface SessionRow extends SessionOrigin, Coordinates {}

export const sessionColumns: readonly Column<SessionRow>[] = [
  text('source', (r) => r.source),
  text('object_store', (r) => r.object_store),
  text('session_id', (r) => r.session_id),
  millis('issued_at', (r) => r.issued_at),
  millis('until', (r) => r.until),
  text('issued_by', (r) => r.issued_by),
  text('identity', (r) => r.identity),
  text('identity_kind', (r) => r.identity_kind),
  text('auth_method', (r) => r.auth_method),
  text('auth_provider', (r) => r.auth_provider),
  text('auth_mfa', (r) => r.auth_mfa),
  address('src_ip', (r) => r.src_ip),
  text('network', (r) => r.network),
  text('parent_session', (r) => r.parent_session),
  text('dup_key', (r) => r.dup_key),
  ...coordinates<SessionRow>(),
];

/** A row of `streams`: what names an epoch, and the settings its events were derived with. */
export interface StreamRow {
  readonly stream: string;
  readonly partition: number;
  readonly epoch: number;
  /** kafka, file, http or keywitness: part of the leaf. */
  readonly transport: string;
  /** Of a file: SHA-256 of its first line; '' for Kafka and HTTP. */
  readonly fingerprint: string;
  /** The source bound to the stream; '' = detected record by record. */
  readonly source: string;
  /** StreamSettings as JSON. */
  readonly settings: string;
  /** The record timestamp of a file's stream, fixed with its first ingest; 0 = none. */
  readonly as_of: number;
  readonly known_at: number;
}

export const streamColumns: readonly Column<StreamRow>[] = [
  text('stream', (r) => r.stream),
  u32('partition', (r) => r.partition),
  u32('epoch', (r) => r.epoch),
  text('transport', (r) => r.transport),
  text('fingerprint', (r) => r.fingerprint),
  text('source', (r) => r.source),
  text('settings', (r) => r.settings),
  millis('as_of', (r) => r.as_of),
  millis('known_at', (r) => r.known_at),
];
