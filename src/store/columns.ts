import type { StoredEvent } from '../core/event.ts';
import { ipBytes } from './ip.ts';
import type { RowBinaryWriter } from './rowBinary.ts';

/** A column of a table: its name, its type on the wire, and how a row's value is written. */
export interface Column<Row> {
  readonly name: string;
  readonly type: string;
  readonly write: (out: RowBinaryWriter, row: Row) => void;
}

/** LowCardinality travels as plain String: the engine builds the dictionary. */
export function text<Row>(name: string, of: (row: Row) => string): Column<Row> {
  return { name, type: 'String', write: (out, row) => out.string(of(row)) };
}
export function texts<Row>(name: string, of: (row: Row) => readonly string[]): Column<Row> {
  return { name, type: 'Array(String)', write: (out, row) => out.strings(of(row)) };
}
function u16<Row>(name: string, of: (row: Row) => number): Column<Row> {
  return { name, type: 'UInt16', write: (out, row) => out.u16(of(row)) };
}
export function u32<Row>(name: string, of: (row: Row) => number): Column<Row> {
  return { name, type: 'UInt32', write: (out, row) => out.u32(of(row)) };
}
export function u64<Row>(name: string, of: (row: Row) => bigint): Column<Row> {
  return { name, type: 'UInt64', write: (out, row) => out.u64(of(row)) };
}
export function millis<Row>(name: string, of: (row: Row) => number): Column<Row> {
  return { name, type: "DateTime64(3, 'UTC')", write: (out, row) => out.i64(BigInt(of(row))) };
}
export function nanos<Row>(name: string, of: (row: Row) => bigint): Column<Row> {
  return { name, type: "DateTime64(9, 'UTC')", write: (out, row) => out.i64(of(row)) };
}
export function map<Row>(name: string, of: (row: Row) => Readonly<Record<string, string>>): Column<Row> {
  return { name, type: 'Map(String, String)', write: (out, row) => out.map(of(row)) };
}
export function address<Row>(name: string, of: (row: Row) => string): Column<Row> {
  return { name, type: 'IPv6', write: (out, row) => out.fixed(ipBytes(of(row))) };
}

/** Coordinates of an event: the same five columns in every derived table. */
export interface Coordinates {
  readonly stream: string;
  readonly partition: number;
  readonly epoch: number;
  readonly offset: bigint;
  readonly idx: number;
}
export function coordinates<Row extends Coordinates>(): Column<Row>[] {
  return [
    text('stream', (r) => r.stream),
    u32('partition', (r) => r.partition),
    u32('epoch', (r) => r.epoch),
    u64('offset', (r) => r.offset),
    u32('idx', (r) => r.idx),
  ];
}

/** The fields an adapter fills: what `verify` derives again and compares. */
// biome-ignore format: one column a line, in the table's order
export const adapterColumns: readonly Column<StoredEvent>[] = [
  nanos('time', (e) => e.time), text('time_quality', (e) => e.time_quality),
  text('source', (e) => e.source), text('format', (e) => e.format), u16('adapter', (e) => e.adapter),
  text('logsource', (e) => e.logsource), text('source_uid', (e) => e.source_uid), text('dup_key', (e) => e.dup_key),
  text('phase', (e) => e.phase), text('request_id', (e) => e.request_id), texts('correlation_ids', (e) => e.correlation_ids),
  text('operation', (e) => e.operation), text('action', (e) => e.action), text('outcome', (e) => e.outcome),
  text('outcome_code', (e) => e.outcome_code), text('outcome_reason', (e) => e.outcome_reason),
  text('actor_id', (e) => e.actor_id), text('actor_kind', (e) => e.actor_kind), text('actor_name', (e) => e.actor_name),
  text('actor_role', (e) => e.actor_role), texts('actor_groups', (e) => e.actor_groups),
  texts('actor_policies', (e) => e.actor_policies), text('acting_as', (e) => e.acting_as), text('via', (e) => e.via),
  text('target_actor', (e) => e.target_actor), text('session_id', (e) => e.session_id),
  millis('session_start', (e) => e.session_start), text('auth_method', (e) => e.auth_method),
  text('auth_provider', (e) => e.auth_provider), text('auth_mfa', (e) => e.auth_mfa),
  address('src_ip', (e) => e.src_ip), text('src_host', (e) => e.src_host), text('user_agent', (e) => e.user_agent),
  text('client_app', (e) => e.client_app), map('workload', (e) => e.workload),
  text('object_kind', (e) => e.object_kind), text('object_id', (e) => e.object_id),
  text('object_version', (e) => e.object_version), text('object_store', (e) => e.object_store),
  text('object_account', (e) => e.object_account), text('object_region', (e) => e.object_region),
  texts('objects', (e) => e.objects), u32('objects_total', (e) => e.objects_total), text('lease_id', (e) => e.lease_id),
  texts('exposed', (e) => e.exposed), texts('flags', (e) => e.flags), texts('granted_by', (e) => e.granted_by),
  text('object_mount', (e) => e.object_mount), text('object_mount_type', (e) => e.object_mount_type),
  u32('token_ttl', (e) => e.token_ttl), text('client_id', (e) => e.client_id), u32('record_bytes', (e) => e.record_bytes),
];

/** `events`, whole and in the table's order. A test holds it against the engine's own description. */
// biome-ignore format: one column a line, in the table's order
export const eventColumns: readonly Column<StoredEvent>[] = [
  ...coordinates<StoredEvent>(), millis('ingested_at', (e) => e.ingested_at),
  ...adapterColumns,
  text('env', (e) => e.env), text('actor_env', (e) => e.actor_env), text('owner', (e) => e.owner), text('team', (e) => e.team),
  text('secret', (e) => e.secret), text('identity', (e) => e.identity), text('identity_kind', (e) => e.identity_kind),
  text('network', (e) => e.network), text('geo_country', (e) => e.geo_country), u32('asn', (e) => e.asn),
  texts('marks', (e) => e.marks), u32('catalog_version', (e) => e.catalog_version),
  texts('hits', (e) => e.hits), u32('rules_version', (e) => e.rules_version), u64('writer', (e) => e.writer),
];
