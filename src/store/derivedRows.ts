import type { AuditEvent, StoredEvent } from '../core/event.ts';
import type { StreamKey } from '../core/record.ts';
import type { Engine, Params } from './client.ts';
import { adapterColumns, type Column, text, u32, u64 } from './columns.ts';
import { sqlOffsets } from './literal.ts';
import { ofTree, treeParams } from './recordPages.ts';
import type { RowBinaryWriter } from './rowBinary.ts';
import { RowBinaryReader, wholeRows } from './rowBinaryReader.ts';

/**
 * The derived tables as `verify` compares them: each row's bytes, the same from the engine (`formatRow`) and from
 * our own derivation. Whole trees are compared by a sum over the rows' salted hashes, which no order of rows
 * matters to; only where that differs are rows looked at.
 */
export type DerivedTable = 'events' | 'set_aside';
const derivedTables: readonly DerivedTable[] = ['events', 'set_aside'];

/** A part as it must stand in `events`: derived again from the record's bytes. */
interface EventRow {
  readonly offset: bigint;
  readonly idx: number;
  readonly event: AuditEvent;
}

/** A part as it must stand in `set_aside`. */
interface AsideRow {
  readonly offset: bigint;
  readonly idx: number;
  readonly outcome: string;
  readonly reason: string;
  readonly detail: string;
}

const eventColumns: readonly Column<EventRow>[] = [
  u64('offset', (r) => r.offset),
  u32('idx', (r) => r.idx),
  // The adapter's columns read the adapter's fields only.
  ...adapterColumns.map(
    (c): Column<EventRow> => ({
      name: c.name,
      type: c.type,
      write: (out, r) => c.write(out, r.event as StoredEvent),
    }),
  ),
];
const asideColumns: readonly Column<AsideRow>[] = [
  u64('offset', (r) => r.offset),
  u32('idx', (r) => r.idx),
  text('outcome', (r) => r.outcome),
  text('reason', (r) => r.reason),
  text('detail', (r) => r.detail),
];

const columnsOf = { events: eventColumns, set_aside: asideColumns } as const;
const namesOf = (table: DerivedTable) => columnsOf[table].map((c) => `\`${c.name}\``).join(', ');

export function writeEventRow(out: RowBinaryWriter, row: EventRow): void {
  for (const column of eventColumns) column.write(out, row);
}

export function writeAsideRow(out: RowBinaryWriter, row: AsideRow): void {
  for (const column of asideColumns) column.write(out, row);
}

/** What is derived from one tree. */
export interface DerivedTotals extends StreamKey {
  readonly events: number;
  readonly setAside: number;
  /** Highest offset in `events`; -1 = none. It vouches for the other derived tables up to there. */
  readonly mark: bigint;
  /** Sum of the salted hashes of all rows, mod 2^256. */
  readonly sum: bigint;
  /** Which adapters derived them. */
  readonly adapters: readonly DerivedBy[];
}

/** A source and the version of its adapter. */
export interface DerivedBy {
  readonly source: string;
  readonly adapter: number;
}

/** One salt a run, 16 bytes: whoever changed rows before it could not know it, so no change cancels another. */
export type Salt = Buffer;

/** Each table hashes under a salt of its own: a row of one is never one of the other. */
export function tableSalt(salt: Salt, table: DerivedTable): Buffer {
  return Buffer.concat([salt, Buffer.from([derivedTables.indexOf(table)])]);
}

const sumOf = (table: DerivedTable, salt: Salt) =>
  `sum(reinterpretAsUInt256(SHA256(concat(unhex('${tableSalt(salt, table).toString('hex')}'), formatRow('RowBinary', ${namesOf(table)})))))`;
/** Blocks of rows are held as text beside their columns while they are hashed. */
const sumSettings = 'SETTINGS max_block_size = 16384';
export const sumModulus = 1n << 256n;

/** A tree, and the offset from which on it is looked at. */
export interface TreeBehind extends StreamKey {
  readonly after: bigint;
}

/** Trees in one condition. */
const treesAtOnce = 200;
const offsetMax = (1n << 64n) - 1n;

/** One scan of each derived table; of some trees only what stands behind an offset. */
export async function derivedTotals(
  engine: Engine,
  salt: Salt,
  behind?: readonly TreeBehind[],
): Promise<DerivedTotals[]> {
  if (behind === undefined) return totalsWhere(engine, salt, '');
  const all: DerivedTotals[] = [];
  for (let i = 0; i < behind.length; i += treesAtOnce) {
    const some = behind.slice(i, i + treesAtOnce).map((t) => sqlOffsets(t, t.after + 1n, offsetMax));
    all.push(...(await totalsWhere(engine, salt, `WHERE ${some.join(' OR ')}`)));
  }
  return all;
}

async function totalsWhere(engine: Engine, salt: Salt, where: string): Promise<DerivedTotals[]> {
  const totals = new Map<string, DerivedTotals>();
  for (const table of derivedTables) {
    const rows = await engine.rows(
      `SELECT stream, partition, epoch, count() AS n, toString(max(offset)) AS mark, toString(${sumOf(table, salt)}) AS s, ` +
        `${table === 'events' ? 'groupUniqArray((source, adapter))' : '[]'} AS by ` +
        `FROM kw.${table} ${where} GROUP BY stream, partition, epoch ${sumSettings}`,
    );
    for (const r of rows) {
      const key = { stream: String(r.stream), partition: Number(r.partition), epoch: Number(r.epoch) };
      const name = JSON.stringify(key);
      const before = totals.get(name) ?? { ...key, events: 0, setAside: 0, mark: -1n, sum: 0n, adapters: [] };
      const isEvents = table === 'events';
      totals.set(name, {
        ...before,
        events: before.events + (isEvents ? Number(r.n) : 0),
        setAside: before.setAside + (isEvents ? 0 : Number(r.n)),
        mark: isEvents ? BigInt(String(r.mark)) : before.mark,
        sum: (before.sum + BigInt(String(r.s))) % sumModulus,
        adapters: [
          ...before.adapters,
          ...(r.by as [string, number][]).map(([source, adapter]) => ({ source, adapter })),
        ],
      });
    }
  }
  return [...totals.values()];
}

/** How a tree's offsets are divided: `offset >> shift`; whatever lies behind the last bucket is one more. */
export interface Buckets {
  readonly shift: number;
  readonly last: bigint;
}

/** The sums of one tree behind an offset, bucket by bucket. */
export async function bucketSums(
  engine: Engine,
  tree: TreeBehind,
  { shift, last }: Buckets,
  salt: Salt,
): Promise<ReadonlyMap<bigint, bigint>> {
  const sums = new Map<bigint, bigint>();
  for (const table of derivedTables) {
    const rows = await engine.rows(
      `SELECT toString(least(bitShiftRight(offset, {shift:UInt8}), {beyond:UInt64})) AS b, toString(${sumOf(table, salt)}) AS s ` +
        `FROM kw.${table} WHERE ${ofTree} AND toInt128(offset) > {after:Int128} GROUP BY b ${sumSettings}`,
      { ...treeParams(tree), after: tree.after.toString(), shift, beyond: (last + 1n).toString() },
    );
    for (const r of rows) {
      const bucket = BigInt(String(r.b));
      sums.set(bucket, ((sums.get(bucket) ?? 0n) + BigInt(String(r.s))) % sumModulus);
    }
  }
  return sums;
}

/** A derived row as it is stored: its place, its bytes as we would write them, and who derived it. */
export interface DerivedRow {
  readonly offset: bigint;
  readonly idx: number;
  readonly bytes: Buffer;
}

const foundLimits = { rows: 4_096, bytes: 4 * 1024 * 1024 };

/** The rows of one stretch of a tree, by offset and idx. */
export async function* derivedBetween(
  engine: Engine,
  table: DerivedTable,
  key: StreamKey,
  first: bigint,
  last: bigint,
): AsyncGenerator<DerivedRow> {
  const params: Params = { ...treeParams(key), first: first.toString(), last: last.toString() };
  const chunks = engine.bytes(
    `SELECT ${namesOf(table)} FROM kw.${table} WHERE ${ofTree} AND offset BETWEEN {first:UInt64} AND {last:UInt64} ORDER BY offset, idx`,
    params,
  );
  const skip = (row: RowBinaryReader) => {
    for (const { type } of columnsOf[table]) skipValue(row, type);
  };
  for await (const block of wholeRows(chunks, skip, foundLimits)) {
    const reader = new RowBinaryReader(block.bytes);
    while (!reader.isAtEnd()) {
      const from = reader.position;
      skip(reader);
      const bytes = block.bytes.subarray(from, reader.position);
      yield { offset: bytes.readBigUInt64LE(0), idx: bytes.readUInt32LE(8), bytes };
    }
  }
}

/** Names of the columns in which two rows of one table differ. */
export function differingColumns(table: DerivedTable, a: Buffer, b: Buffer): string[] {
  const [left, right] = [new RowBinaryReader(a), new RowBinaryReader(b)];
  return columnsOf[table].flatMap(({ name, type }) =>
    valueAt(left, type).equals(valueAt(right, type)) ? [] : [name],
  );
}

/** The version of the adapter that derived an event, and its source's name. */
export function derivedBy(event: Buffer): DerivedBy {
  const reader = new RowBinaryReader(event);
  let source = '';
  for (const { name, type } of eventColumns) {
    const value = valueAt(reader, type);
    // A short string's length is one byte.
    if (name === 'source') source = new RowBinaryReader(value).binary().toString();
    if (name === 'adapter') return { source, adapter: value.readUInt16LE(0) };
  }
  return { source, adapter: 0 };
}

function valueAt(row: RowBinaryReader, type: string): Buffer {
  const from = row.position;
  skipValue(row, type);
  return row.bytes.subarray(from, row.position);
}

const fixedBytes: Readonly<Record<string, number>> = { UInt16: 2, UInt32: 4, UInt64: 8, IPv6: 16 };

function skipValue(row: RowBinaryReader, type: string): void {
  const fixed = type.startsWith('DateTime64') ? 8 : fixedBytes[type];
  if (fixed !== undefined) row.skip(fixed);
  else if (type === 'String') row.skip(row.length());
  else {
    const perEntry = type.startsWith('Map') ? 2 : 1;
    for (let strings = row.length() * perEntry; strings > 0; strings -= 1) row.skip(row.length());
  }
}
