import type { StreamKey } from '../core/record.ts';
import type { Engine } from './client.ts';
import { sqlOffsets, sqlString } from './literal.ts';

/**
 * Tables whose partitions are ingest months, in the order they are dropped: what is derived goes first, so that
 * while a record stands nothing of its month is missing that could not be derived again.
 */
export const monthTables = ['hits', 'set_aside', 'events', 'records'] as const;
type MonthTable = (typeof monthTables)[number];

/** The records of one tree that one ingest month holds. */
export interface TreeMonth extends StreamKey {
  /** YYYYMM, UTC: the name of the partition. */
  readonly month: string;
  readonly count: number;
  readonly first: bigint;
  readonly last: bigint;
  /** Of keys and values, before compression. */
  readonly bytes: number;
}

/** Every tree's months, oldest first. */
export async function treeMonths(engine: Engine): Promise<TreeMonth[]> {
  const rows = await engine.rows(
    'SELECT _partition_id AS month, stream, partition, epoch, count() AS n, toString(min(offset)) AS first, toString(max(offset)) AS last, ' +
      'sum(length(key) + length(value)) AS bytes FROM kw.records GROUP BY month, stream, partition, epoch ORDER BY month, stream, partition, epoch',
  );
  return rows.map((r) => ({
    month: String(r.month),
    stream: String(r.stream),
    partition: Number(r.partition),
    epoch: Number(r.epoch),
    count: Number(r.n),
    first: BigInt(String(r.first)),
    last: BigInt(String(r.last)),
    bytes: Number(r.bytes),
  }));
}

/** Rows and bytes on disk of one month in one table. */
export interface MonthPart {
  readonly month: string;
  readonly table: MonthTable;
  readonly rows: number;
  readonly diskBytes: number;
}

export async function monthParts(engine: Engine): Promise<MonthPart[]> {
  const rows = await engine.rows(
    'SELECT partition_id AS month, table, sum(rows) AS n, sum(bytes_on_disk) AS bytes FROM system.parts ' +
      `WHERE active AND database = 'kw' AND table IN (${monthTables.map(sqlString).join(', ')}) GROUP BY month, table`,
  );
  return rows.map((r) => ({
    month: String(r.month),
    table: monthTables.find((t) => t === r.table) as MonthTable,
    rows: Number(r.n),
    diskBytes: Number(r.bytes),
  }));
}

/** Where the rows of one tree lie that one month of a table holds. */
export interface DerivedExtent extends StreamKey {
  readonly table: MonthTable;
  readonly first: bigint;
  readonly last: bigint;
}

/** What would be dropped with a month, tree by tree. */
export async function derivedExtents(engine: Engine, month: string): Promise<DerivedExtent[]> {
  const of = (table: string) =>
    `SELECT '${table}' AS t, stream, partition, epoch, toString(min(offset)) AS first, toString(max(offset)) AS last ` +
    `FROM kw.${table} WHERE _partition_id = {month:String} GROUP BY stream, partition, epoch`;
  const derived = monthTables.filter((t) => t !== 'records');
  const rows = await engine.rows(derived.map(of).join(' UNION ALL '), { month });
  return rows.map((r) => ({
    table: derived.find((t) => t === r.t) as MonthTable,
    stream: String(r.stream),
    partition: Number(r.partition),
    epoch: Number(r.epoch),
    first: BigInt(String(r.first)),
    last: BigInt(String(r.last)),
  }));
}

/** How many records of this stretch have a row in `events` or `set_aside` of the month. */
export async function countDerived(engine: Engine, month: string, range: Offsets): Promise<number> {
  const of = (table: string) =>
    `SELECT offset FROM kw.${table} WHERE _partition_id = {month:String} AND ${sqlOffsets(range, range.first, range.last)}`;
  const [row] = await engine.rows(
    `SELECT uniqExact(offset) AS n FROM (${of('events')} UNION ALL ${of('set_aside')})`,
    { month },
  );
  return Number(row?.n);
}

/** Drops one month of one table, and the parts that earlier merges left of it. The table setting refuses stray drops. */
export async function dropMonth(engine: Engine, table: MonthTable, month: string): Promise<void> {
  await engine.command(
    `ALTER TABLE kw.${table} DROP PARTITION ID ${sqlString(month)} SETTINGS max_table_size_to_drop = 0, max_partition_size_to_drop = 0`,
  );
}

type Offsets = StreamKey & { readonly first: bigint; readonly last: bigint };

/** A statement stays readable to the engine whatever the number of streams. */
const rangesPerStatement = 200;

export async function countSessions(engine: Engine, ranges: readonly Offsets[]): Promise<number> {
  let count = 0;
  for (const where of conditions(ranges)) {
    const [row] = await engine.rows(`SELECT count() AS n FROM kw.sessions WHERE ${where}`);
    count += Number(row?.n);
  }
  return count;
}

/** Sessions have no month: those that these records began are deleted by coordinates. */
export async function deleteSessions(engine: Engine, ranges: readonly Offsets[]): Promise<void> {
  for (const where of conditions(ranges)) {
    const [row] = await engine.rows(`SELECT count() AS n FROM kw.sessions WHERE ${where}`);
    if (Number(row?.n) === 0) continue;
    await engine.command(`ALTER TABLE kw.sessions DELETE WHERE ${where} SETTINGS mutations_sync = 1`);
  }
}

function* conditions(ranges: readonly Offsets[]): Generator<string> {
  for (let i = 0; i < ranges.length; i += rangesPerStatement) {
    const some = ranges.slice(i, i + rangesPerStatement);
    yield some.map((r) => sqlOffsets(r, r.first, r.last)).join(' OR ');
  }
}
