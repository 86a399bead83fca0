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

/**
 * A query costs as much as reading some thousand events: quiet days are read together. Beyond this many the answer,
 * as text and as objects, takes hundreds of megabytes: a busy day is read in parts.
 */
const eventsPerRead = 20_000;
const dayMs = 86_400_000;

/**
 * The events of these days in order of event time, in pages: finals only. A copy from a second device, trail or
 * region has the same dup_key; within a page the first of them stands for all.
 */
export async function* eventsOfDays(
  engine: Engine,
  days: readonly EventDay[],
): AsyncGenerator<{ readonly days: number; readonly events: readonly ObservedEvent[] }> {
  for (const page of pagesOf(days)) {
    const from = Date.parse(page[0]?.day ?? '');
    const to = Date.parse(page.at(-1)?.day ?? '') + dayMs;
    const isBusy = page.reduce((sum, day) => sum + day.events, 0) > eventsPerRead;
    const spans = isBusy ? await spansWithin(engine, from, to) : [{ from, to }];
    for (const [i, span] of spans.entries()) {
      const events = (await engine.rows(observedSql(withinSpan), span)).map(observed);
      yield { days: i === spans.length - 1 ? page.length : 0, events };
    }
  }
}

type Span = Readonly<Record<'from' | 'to', number>>;

const withinSpan =
  "time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')";

/** Parts of a time that hold as many events as one read may; never less than a second. */
async function spansWithin(engine: Engine, from: number, to: number): Promise<Span[]> {
  const rows = await engine.rows(
    `SELECT intDiv(toUnixTimestamp64Milli(time), 1000) AS second, count() AS n FROM kw.events WHERE ${withinSpan} GROUP BY second ORDER BY second`,
    { from, to },
  );
  const pages = pagesOf(rows.map((r) => ({ startMs: Number(r.second) * 1000, events: Number(r.n) })));
  const starts = pages.map((page) => page[0]?.startMs ?? from);
  return starts.map((start, i) => ({ from: start, to: starts[i + 1] ?? to }));
}

/** Neighbours together as long as they are no more than one read may bring. */
function pagesOf<Counted extends { readonly events: number }>(items: readonly Counted[]): Counted[][] {
  const pages: Counted[][] = [];
  let size = 0;
  for (const item of items) {
    size += item.events;
    const page = pages.at(-1);
    if (page !== undefined && size <= eventsPerRead) {
      page.push(item);
      continue;
    }
    pages.push([item]);
    size = item.events;
  }
  return pages;
}

/**
 * Events of the flushes after `afterMs` up to and with the one at `untilMs`, in pages of whole flushes, each up to and
 * with the one at `until`; in order of event time, and each act once, within a page.
 */
export async function* eventsOfFlushes(
  engine: Engine,
  afterMs: number,
  untilMs: number,
): AsyncGenerator<{ readonly until: number; readonly events: readonly ObservedEvent[] }> {
  const of =
    'ingested_at > fromUnixTimestamp64Milli({after:Int64}) AND ingested_at <= fromUnixTimestamp64Milli({until:Int64})';
  const rows = await engine.rows(
    `SELECT toUnixTimestamp64Milli(ingested_at) AS ms, count() AS n FROM kw.events WHERE ${of} GROUP BY ms ORDER BY ms`,
    { after: afterMs, until: untilMs },
  );
  let after = afterMs;
  for (const page of pagesOf(rows.map((r) => ({ at: Number(r.ms), events: Number(r.n) })))) {
    const until = page.at(-1)?.at ?? untilMs;
    yield { until, events: (await engine.rows(observedSql(of), { after, until })).map(observed) };
    after = until;
  }
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
