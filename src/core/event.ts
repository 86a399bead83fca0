/**
 * AuditEvent: one act on a secret, in one vocabulary for all systems (docs/events.md has each field's meaning).
 * The names are the columns of `events`, the keys of the JSON and the fields of rules.
 * Absent is `''`, `[]`, `0` or `{}` here and in the store, and missing in JSON and to rules.
 */
// biome-ignore format: a closed list reads better in rows
export const actions = [
  'read', 'list', 'create', 'update', 'delete', 'destroy', 'restore', 'rotate', 'use', 'issue', 'renew', 'revoke',
  'login', 'logout', 'grant', 'policy-change', 'admin', 'config-audit', 'seal', 'export', 'run', 'other',
] as const;
export type Action = (typeof actions)[number];

export const outcomes = ['allowed', 'denied', 'error', 'unknown'] as const;
type AccessOutcome = (typeof outcomes)[number];

export const actorKinds = ['human', 'service', 'ci', 'root', 'system', 'unknown'] as const;
export type ActorKind = (typeof actorKinds)[number];

export const phases = ['final', 'attempt', 'derived', 'note'] as const;
type Phase = (typeof phases)[number];

/** What an adapter says: a pure function of the bytes, the adapter's version and the stream's settings. */
export interface AuditEvent {
  /** Nanoseconds since the epoch. */
  time: bigint;
  time_quality: string;
  source: string;
  format: string;
  adapter: number;
  logsource: string;
  source_uid: string;
  dup_key: string;
  phase: Phase;
  request_id: string;
  correlation_ids: string[];
  operation: string;
  action: Action;
  outcome: AccessOutcome;
  outcome_code: string;
  outcome_reason: string;
  actor_id: string;
  actor_kind: ActorKind;
  actor_name: string;
  actor_role: string;
  actor_groups: string[];
  actor_policies: string[];
  acting_as: string;
  via: string;
  target_actor: string;
  session_id: string;
  /** Milliseconds since the epoch; 0 = unknown. */
  session_start: number;
  auth_method: string;
  auth_provider: string;
  auth_mfa: string;
  /** As people write it: dotted for IPv4; '' = not an address. The store keeps IPv6. */
  src_ip: string;
  src_host: string;
  user_agent: string;
  client_app: string;
  workload: Record<string, string>;
  object_kind: string;
  object_id: string;
  object_version: string;
  object_store: string;
  object_account: string;
  object_region: string;
  objects: string[];
  objects_total: number;
  lease_id: string;
  exposed: string[];
  flags: string[];
  granted_by: string[];
  object_mount: string;
  object_mount_type: string;
  token_ttl: number;
  client_id: string;
  record_bytes: number;
}

/** What the operator's catalog adds: may change with the catalog, evidence may not. */
export interface Enrichment {
  env: string;
  actor_env: string;
  owner: string;
  team: string;
  secret: string;
  identity: string;
  identity_kind: string;
  network: string;
  geo_country: string;
  asn: number;
  marks: string[];
  catalog_version: number;
}

/** A row of `events`: where it stands, what it means, what the operator knows, which rules it hit. */
export interface StoredEvent extends AuditEvent, Enrichment {
  stream: string;
  partition: number;
  epoch: number;
  offset: bigint;
  idx: number;
  /** Milliseconds since the epoch: that of the record's flush, also when derived again. */
  ingested_at: number;
  hits: string[];
  rules_version: number;
  writer: bigint;
}

/**
 * Every field absent. The object has the stored event's fields from the beginning, so that later stages fill it
 * in place: copying seventy fields into a wider object cost more than parsing the record (27 µs against 5).
 */
export function blankEvent(): AuditEvent {
  return blankStoredEvent();
}

/** The same, typed as what it becomes. */
function blankStoredEvent(): StoredEvent {
  // biome-ignore format: one field a line would hide the shape
  return {
    time: 0n, time_quality: '', source: '', format: '', adapter: 0, logsource: '',
    source_uid: '', dup_key: '', phase: 'final', request_id: '', correlation_ids: [],
    operation: '', action: 'other', outcome: 'unknown', outcome_code: '', outcome_reason: '',
    actor_id: '', actor_kind: 'unknown', actor_name: '', actor_role: '', actor_groups: [], actor_policies: [],
    acting_as: '', via: '', target_actor: '', session_id: '', session_start: 0,
    auth_method: '', auth_provider: '', auth_mfa: '', src_ip: '', src_host: '', user_agent: '', client_app: '',
    workload: {}, object_kind: 'other', object_id: '', object_version: '', object_store: '', object_account: '',
    object_region: '', objects: [], objects_total: 0, lease_id: '', exposed: [], flags: [], granted_by: [],
    object_mount: '', object_mount_type: '', token_ttl: 0, client_id: '', record_bytes: 0,
    env: '', actor_env: '', owner: '', team: '', secret: '', identity: '', identity_kind: '', network: '',
    geo_country: '', asn: 0, marks: [], catalog_version: 0,
    stream: '', partition: 0, epoch: 0, offset: 0n, idx: 0, ingested_at: 0, hits: [], rules_version: 0, writer: 0n,
  };
}

/** ISO 8601 UTC with 0, 3, 6 or 9 fraction digits, as few as the value needs. */
export function timeText(ns: bigint): string {
  const ms = ns / 1_000_000n;
  const rest = ns - ms * 1_000_000n;
  const iso = new Date(Number(ms)).toISOString();
  if (rest !== 0n) {
    const nanos = rest.toString().padStart(6, '0');
    return `${iso.slice(0, -1)}${nanos.endsWith('000') ? nanos.slice(0, 3) : nanos}Z`;
  }
  return iso.endsWith('.000Z') ? `${iso.slice(0, -5)}Z` : iso;
}

/** The event as JSON shows it: absent fields left out, times as ISO 8601. Keys keep the table's order. */
export function eventJson(event: AuditEvent | StoredEvent): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(event)) {
    if (key === 'time') out.time = timeText(value as bigint);
    else if (key === 'session_start' || key === 'ingested_at') {
      if (value !== 0) out[key] = new Date(value as number).toISOString();
    } else if (typeof value === 'bigint') {
      if (value !== 0n) out[key] = value.toString();
    } else if (isPresent(value)) out[key] = value;
  }
  return out;
}

function isPresent(value: unknown): boolean {
  if (value === '' || value === 0) return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== 'object' || value === null || Object.keys(value).length > 0;
}
