import type { StoredEvent } from '../core/event.ts';
import type { Engine } from '../store/client.ts';
import { ipText } from '../store/ip.ts';

const fields = [
  'source',
  'dup_key',
  'request_id',
  'session_id',
  'action',
  'operation',
  'outcome',
  'outcome_code',
  'flags',
  'exposed',
  'actor_id',
  'actor_kind',
  'actor_name',
  'actor_role',
  'actor_policies',
  'target_actor',
  'identity',
  'identity_kind',
  'team',
  'actor_env',
  'auth_method',
  'auth_provider',
  'object_kind',
  'object_id',
  'object_mount',
  'object_store',
  'secret',
  'owner',
  'env',
  'src_ip',
  'network',
  'geo_country',
  'asn',
  'user_agent',
  'marks',
  'token_ttl',
] as const;

/** What detection over time sees of an event: a narrow projection of `events`, read back from the store. */
export interface ObservedEvent extends Pick<StoredEvent, (typeof fields)[number]> {
  /** `stream/partition/epoch/offset/idx`. */
  readonly ref: string;
  /** Milliseconds of event time. */
  readonly timeMs: number;
  /** Milliseconds: its record's flush. */
  readonly ingestedMs: number;
  /** Rules that hit, each with the fields its correlations group and count by. */
  readonly ruleHits: readonly { readonly rule: string; readonly fields: Readonly<Record<string, string>> }[];
}

/** Days of event time (UTC, `YYYY-MM-DD`) that hold events, in order. */
export async function eventDays(engine: Engine): Promise<string[]> {
  const rows = await engine.rows('SELECT DISTINCT toString(toDate(time)) AS day FROM kw.events ORDER BY day');
  return rows.map((r) => String(r.day));
}

/**
 * One day's events in order of event time: finals only, each act once. A copy from a second device, trail or
 * region has the same dup_key; the first of them stands for all.
 */
export async function eventsOfDay(engine: Engine, day: string): Promise<ObservedEvent[]> {
  const ofDay =
    "time >= toDateTime64({day:String}, 9, 'UTC') AND time < toDateTime64({day:String}, 9, 'UTC') + INTERVAL 1 DAY";
  return (await engine.rows(observedSql(ofDay), { day })).map(observed);
}

/** Events stored by flushes at or after `ingestedAtMs`, in order of event time; each act once among them. */
export async function eventsIngestedSince(engine: Engine, ingestedAtMs: number): Promise<ObservedEvent[]> {
  const since = 'ingested_at >= fromUnixTimestamp64Milli({since:Int64})';
  return (await engine.rows(observedSql(since), { since: ingestedAtMs })).map(observed);
}

const at = 'stream, partition, epoch, offset, idx';
const atOf = (table: string) =>
  at
    .split(', ')
    .map((column) => `${table}.${column}`)
    .join(', ');

function observedSql(which: string): string {
  return `
SELECT ${fields.map((f) => `e.${f} AS ${f}`).join(', ')}, toUnixTimestamp64Milli(e.time) AS ms, e.ref AS ref,
  toUnixTimestamp64Milli(e.ingested_at) AS ingested_ms, h.rules AS hit_rules, h.fields_of AS hit_fields
FROM (
  SELECT *, concat(stream, '/', toString(partition), '/', toString(epoch), '/', toString(offset), '/', toString(idx)) AS ref
  FROM kw.events WHERE ${which} AND phase = 'final' ORDER BY time, ${at} LIMIT 1 BY source, dup_key
) AS e
LEFT JOIN (
  SELECT ${at}, groupArray(rule) AS rules, groupArray(fields) AS fields_of FROM kw.hits WHERE ${which} GROUP BY ${at}
) AS h ON (${atOf('e')}) = (${atOf('h')})
ORDER BY e.time, ${atOf('e')}`;
}

function observed(row: Record<string, unknown>): ObservedEvent {
  const rules = row.hit_rules as string[];
  const values = row.hit_fields as Record<string, string>[];
  // The engine's JSON has the projection's names and types: strings, numbers, arrays of strings.
  return {
    ...(row as unknown as ObservedEvent),
    src_ip: ipText(String(row.src_ip)),
    timeMs: Number(row.ms),
    ingestedMs: Number(row.ingested_ms),
    ruleHits: rules.map((rule, i) => ({ rule, fields: values[i] ?? {} })),
  };
}
