import type { StoredEvent } from '../core/event.ts';
import { parseEventRef, type StreamKey } from '../core/record.ts';
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
  'flags',
  'actor_id',
  'actor_kind',
  'actor_name',
  'actor_role',
  'target_actor',
  'identity',
  'identity_kind',
  'team',
  'actor_env',
  'auth_method',
  'object_kind',
  'object_id',
  'object_mount',
  'secret',
  'owner',
  'env',
  'src_ip',
  'network',
  'geo_country',
  'asn',
  'user_agent',
  'marks',
] as const;

/** What detection over time sees of an event: a narrow projection of `events`, read back from the store. */
export interface ObservedEvent extends Pick<StoredEvent, (typeof fields)[number]> {
  /** `stream/partition/epoch/offset/idx`. */
  readonly ref: string;
  /** Milliseconds of event time. */
  readonly timeMs: number;
  /** Nanoseconds beyond them. */
  readonly nanos: number;
  /** Rules that hit, each with the fields its correlations group and count by. */
  readonly ruleHits: readonly { readonly rule: string; readonly fields: Readonly<Record<string, string>> }[];
}

/** A day of event time (UTC, `YYYY-MM-DD`) and how many events it has. */
export interface EventDay {
  readonly day: string;
  readonly events: number;
}

/** The days that hold events, in order. */
export async function eventDays(engine: Engine): Promise<EventDay[]> {
  const rows = await engine.rows(
    'SELECT toString(toDate(time)) AS day, count() AS n FROM kw.events GROUP BY day ORDER BY day',
  );
  return rows.map((r) => ({ day: String(r.day), events: Number(r.n) }));
}

/** A query costs as much as reading some thousand events: quiet days are read together. */
const eventsPerRead = 20_000;

/**
 * The events of these days in order of event time, in pages: finals only, each act once. A copy from a second
 * device, trail or region has the same dup_key; the first of them stands for all.
 */
export async function* eventsOfDays(
  engine: Engine,
  days: readonly EventDay[],
): AsyncGenerator<{ readonly days: number; readonly events: readonly ObservedEvent[] }> {
  const ofDays =
    "time >= toDateTime64({from:String}, 9, 'UTC') AND time < toDateTime64({to:String}, 9, 'UTC') + INTERVAL 1 DAY";
  let page: EventDay[] = [];
  let size = 0;
  for (const [i, day] of days.entries()) {
    page.push(day);
    size += day.events;
    const next = days[i + 1];
    if (next !== undefined && size + next.events <= eventsPerRead) continue;
    const params = { from: page[0]?.day ?? '', to: day.day };
    yield { days: page.length, events: (await engine.rows(observedSql(ofDays), params)).map(observed) };
    page = [];
    size = 0;
  }
}

/** Events of the flushes after `afterMs` up to and with the one at `untilMs`, in order of event time; each act once. */
export async function eventsOfFlushes(
  engine: Engine,
  afterMs: number,
  untilMs: number,
): Promise<ObservedEvent[]> {
  const of =
    'ingested_at > fromUnixTimestamp64Milli({after:Int64}) AND ingested_at <= fromUnixTimestamp64Milli({until:Int64})';
  return (await engine.rows(observedSql(of), { after: afterMs, until: untilMs })).map(observed);
}

/** The order detection sees events in: time, then where they lie. The store's own order, for events of several reads. */
export function compareObserved(a: ObservedEvent, b: ObservedEvent): number {
  return a.timeMs - b.timeMs || a.nanos - b.nanos || compareRefs(a.ref, b.ref);
}

function compareRefs(a: string, b: string): number {
  const [x, y] = [parseEventRef(a), parseEventRef(b)];
  if (x === undefined || y === undefined) throw new Error(`${a} or ${b} names no event`);
  if (x.stream !== y.stream) return x.stream < y.stream ? -1 : 1;
  return x.partition - y.partition || x.epoch - y.epoch || Number(x.offset - y.offset) || x.idx - y.idx;
}

/** How far one tree had come. */
export interface StreamHead extends StreamKey {
  readonly source: string;
  /** Milliseconds: its newest event, but no later than it was taken in, whatever it claims. */
  readonly highMs: number;
  /** Milliseconds: its newest flush. */
  readonly deliveredAt: number;
}

/** The heads of all trees with events on or after a day. */
export async function streamHeads(engine: Engine, day: string): Promise<StreamHead[]> {
  const rows = await engine.rows(
    'SELECT stream, partition, epoch, argMax(source, ingested_at) AS of_source, ' +
      'toUnixTimestamp64Milli(max(least(toDateTime64(time, 3), ingested_at))) AS high, toUnixTimestamp64Milli(max(ingested_at)) AS delivered ' +
      "FROM kw.events WHERE time >= toDateTime64({day:String}, 9, 'UTC') AND phase = 'final' GROUP BY stream, partition, epoch",
    { day },
  );
  return rows.map((r) => ({
    stream: String(r.stream),
    partition: Number(r.partition),
    epoch: Number(r.epoch),
    source: String(r.of_source),
    highMs: Number(r.high),
    deliveredAt: Number(r.delivered),
  }));
}

const at = 'stream, partition, epoch, offset, idx';
const atOf = (table: string) =>
  at
    .split(', ')
    .map((column) => `${table}.${column}`)
    .join(', ');

function observedSql(which: string): string {
  return `
SELECT ${fields.map((f) => `e.${f} AS ${f}`).join(', ')}, toUnixTimestamp64Milli(e.time) AS ms,
  toInt32(toUnixTimestamp64Nano(e.time) % 1000000) AS nanos, e.ref AS ref,
  h.rules AS hit_rules, h.fields_of AS hit_fields
FROM (
  SELECT ${fields.join(', ')}, ${at}, time, concat(stream, '/', toString(partition), '/', toString(epoch), '/', toString(offset), '/', toString(idx)) AS ref
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
    ruleHits: rules.map((rule, i) => ({ rule, fields: values[i] ?? {} })),
  };
}
