import type { AuditEvent, StoredEvent } from '../core/event.ts';
import type { StreamKey } from '../core/record.ts';
import type { Engine, Params } from './client.ts';
import { adapterColumns, type Column, u32, u64 } from './columns.ts';
import { recordSelect, type StoredRecord, storedRecord } from './positions.ts';
import { writeRows } from './writer.ts';

/** A page is held several times over while it is compared: rows and bytes are both bounded. */
const pageRecordsMax = 5_000;
const pageBytes = 24 * 1024 * 1024;
/** Beyond this many differences of one page a report names no more: one is enough to say `tampered`. */
const differencesMax = 20;

const ofTree = 'stream = {stream:String} AND partition = {partition:UInt32} AND epoch = {epoch:UInt32}';
const treeParams = (key: StreamKey): Params => ({
  stream: key.stream,
  partition: key.partition,
  epoch: key.epoch,
});

/** Records of one tree above `from` in offset order; rows of one offset are never divided between two pages. */
export async function* recordPages(
  engine: Engine,
  key: StreamKey,
  from = -1n,
): AsyncGenerator<readonly StoredRecord[]> {
  let after = from.toString();
  for (;;) {
    // Sizes first: large records may stand side by side in a stream of small ones.
    const sizes = await engine.rows(
      `SELECT toString(offset) AS o, length(value) AS bytes FROM kw.records WHERE ${ofTree} AND toInt128(offset) > {after:Int128} ORDER BY offset LIMIT {limit:UInt32}`,
      { ...treeParams(key), after, limit: pageRecordsMax },
    );
    const last = pageEnd(sizes);
    if (last === undefined) return;
    const rows = await engine.rows(
      `${recordSelect} WHERE ${ofTree} AND toInt128(offset) > {after:Int128} AND offset <= {last:UInt64} ORDER BY offset`,
      { ...treeParams(key), after, last },
    );
    yield rows.map(storedRecord);
    after = last;
  }
}

/** The last offset of a page of at most `pageBytes`, or of one record that is larger. */
function pageEnd(sizes: readonly Record<string, unknown>[]): string | undefined {
  let bytes = 0;
  let end: string | undefined;
  for (const size of sizes) {
    bytes += Number(size.bytes);
    if (end !== undefined && bytes > pageBytes) break;
    end = String(size.o);
  }
  return end;
}

export interface SetAsideFound {
  readonly offset: bigint;
  readonly idx: number;
  readonly outcome: string;
  readonly reason: string;
  readonly detail: string;
}

export async function setAsideBetween(
  engine: Engine,
  key: StreamKey,
  first: bigint,
  last: bigint,
): Promise<SetAsideFound[]> {
  const rows = await engine.rows(
    `SELECT toString(offset) AS o, idx, outcome, reason, detail FROM kw.set_aside WHERE ${ofTree} AND offset BETWEEN {first:UInt64} AND {last:UInt64} ORDER BY offset, idx`,
    { ...treeParams(key), first: first.toString(), last: last.toString() },
  );
  return rows.map((r) => ({
    offset: BigInt(String(r.o)),
    idx: Number(r.idx),
    outcome: String(r.outcome),
    reason: String(r.reason),
    detail: String(r.detail),
  }));
}

/** What is derived from one tree: how many rows, and up to which offset. */
export interface DerivedTotals extends StreamKey {
  readonly events: number;
  readonly setAside: number;
  /** Highest offset in `events`; -1 = none. It vouches for the other derived tables up to there. */
  readonly mark: bigint;
}

export async function derivedTotals(engine: Engine): Promise<DerivedTotals[]> {
  const rows = await engine.rows(
    'SELECT stream, partition, epoch, sum(e) AS events, sum(a) AS aside, toString(max(m)) AS mark FROM (' +
      'SELECT stream, partition, epoch, count() AS e, 0 AS a, toInt128(max(offset)) AS m FROM kw.events GROUP BY stream, partition, epoch UNION ALL ' +
      'SELECT stream, partition, epoch, 0, count(), toInt128(-1) FROM kw.set_aside GROUP BY stream, partition, epoch) GROUP BY stream, partition, epoch',
  );
  return rows.map((r) => ({
    stream: String(r.stream),
    partition: Number(r.partition),
    epoch: Number(r.epoch),
    events: Number(r.events),
    setAside: Number(r.aside),
    mark: BigInt(String(r.mark)),
  }));
}

/** An event as it must be: derived again from the record's bytes. */
export interface ExpectedEvent {
  readonly offset: bigint;
  readonly idx: number;
  readonly event: AuditEvent;
}

export interface EventDifference {
  readonly kind: 'columns' | 'missing' | 'extra' | 'older-adapter';
  readonly offset: bigint;
  readonly idx: number;
  /** Names of the columns that differ. */
  readonly columns: readonly string[];
}

const expectedColumns: readonly Column<ExpectedEvent>[] = [
  u64('offset', (r) => r.offset),
  u32('idx', (r) => r.idx),
  // The adapter's columns read the adapter's fields only.
  ...adapterColumns.map(
    (c): Column<ExpectedEvent> => ({
      name: c.name,
      type: c.type,
      write: (out, r) => c.write(out, r.event as StoredEvent),
    }),
  ),
];

/**
 * Compares what `events` holds with what it must hold, inside the engine: both sides pass through the same
 * types, so a difference is one of content. The expected rows lie in a table in memory, outside the evidence.
 */
export async function openEventComparison(engine: Engine) {
  const names = expectedColumns.map((c) => `\`${c.name}\``).join(', ');
  await engine.command('CREATE DATABASE IF NOT EXISTS kw_verify');
  await engine.command('DROP TABLE IF EXISTS kw_verify.expected SETTINGS max_table_size_to_drop = 0');
  const foreign = await foreignColumns(engine);
  if (foreign.length === 0) {
    await engine.command(
      `CREATE TABLE kw_verify.expected ENGINE = Memory AS SELECT ${names} FROM kw.events LIMIT 0`,
    );
  }
  return {
    /** Columns of `events` that are not of the type we made them: while there are any, nothing can be compared. */
    foreign,
    async compare(
      key: StreamKey,
      first: bigint,
      last: bigint,
      expected: readonly ExpectedEvent[],
    ): Promise<EventDifference[]> {
      if (foreign.length > 0) return [];
      await engine.command('TRUNCATE TABLE kw_verify.expected SETTINGS max_table_size_to_drop = 0');
      await writeRows(engine, 'kw_verify.expected', expectedColumns, expected);
      const params = { ...treeParams(key), first: first.toString(), last: last.toString() };
      const found: EventDifference[] = [];
      for (const [kind, sql] of comparisons) {
        for (const row of await engine.rows(sql, params)) {
          const columns = (row.cols ?? []) as string[];
          found.push({ kind, offset: BigInt(String(row.o)), idx: Number(row.i), columns });
        }
      }
      return found;
    },
    async close(): Promise<void> {
      await engine.command('DROP TABLE IF EXISTS kw_verify.expected SETTINGS max_table_size_to_drop = 0');
      await engine.command('DROP DATABASE IF EXISTS kw_verify SETTINGS max_table_size_to_drop = 0');
    },
  };
}

/** A type that holds less would make both sides of the comparison equal. */
async function foreignColumns(engine: Engine): Promise<string[]> {
  const rows = await engine.rows(
    "SELECT name, type FROM system.columns WHERE database = 'kw' AND table = 'events'",
  );
  const types = new Map(rows.map((r) => [String(r.name), plainType(String(r.type))]));
  return expectedColumns.filter((c) => types.get(c.name) !== c.type).map((c) => c.name);
}

/** LowCardinality is how a column is stored, not what it can hold. */
function plainType(type: string): string {
  return type.replace(/LowCardinality\(([^()]*)\)/g, '$1');
}

export type EventComparison = Awaited<ReturnType<typeof openEventComparison>>;

const stored = `(SELECT * FROM kw.events WHERE ${ofTree} AND offset BETWEEN {first:UInt64} AND {last:UInt64})`;
const differing = adapterColumns
  .map((c) => `if(e.\`${c.name}\` = x.\`${c.name}\`, '', '${c.name}')`)
  .join(', ');
const joined = `FROM ${stored} AS e INNER JOIN kw_verify.expected AS x ON e.offset = x.offset AND e.idx = x.idx`;
const listed = `ORDER BY e.offset, e.idx LIMIT ${differencesMax}`;

/** Rows an older adapter wrote are not compared: they are `not rebuilt`, and say so. */
const comparisons: readonly (readonly [EventDifference['kind'], string])[] = [
  [
    'columns',
    `SELECT toString(e.offset) AS o, e.idx AS i, arrayFilter(c -> c != '', [${differing}]) AS cols ${joined} WHERE e.adapter = x.adapter AND notEmpty(cols) ${listed}`,
  ],
  [
    'older-adapter',
    `SELECT toString(e.offset) AS o, e.idx AS i ${joined} WHERE e.adapter != x.adapter ${listed}`,
  ],
  [
    'missing',
    `SELECT toString(e.offset) AS o, e.idx AS i FROM kw_verify.expected AS e LEFT ANTI JOIN ${stored} AS x ON e.offset = x.offset AND e.idx = x.idx ${listed}`,
  ],
  [
    'extra',
    `SELECT toString(e.offset) AS o, e.idx AS i FROM (SELECT offset, idx, count() AS n FROM ${stored} GROUP BY offset, idx) AS e LEFT JOIN (SELECT offset, idx, 1 AS is_expected FROM kw_verify.expected) AS x ON e.offset = x.offset AND e.idx = x.idx WHERE e.n > 1 OR x.is_expected = 0 ${listed}`,
  ],
];

/** True when the part has a row in `events` or `set_aside`. */
export async function hasDerivedRow(
  engine: Engine,
  at: StreamKey & { readonly offset: bigint; readonly idx: number },
): Promise<boolean> {
  const where = `WHERE ${ofTree} AND offset = {offset:UInt64} AND idx = {idx:UInt32}`;
  const rows = await engine.rows(
    `SELECT (SELECT count() FROM kw.events ${where}) + (SELECT count() FROM kw.set_aside ${where}) AS n`,
    { ...treeParams(at), offset: at.offset.toString(), idx: at.idx },
  );
  return Number(rows[0]?.n ?? 0) > 0;
}
