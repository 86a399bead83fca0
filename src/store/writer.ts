import { createHash } from 'node:crypto';
import type { StoredEvent } from '../core/event.ts';
import { absentFrom, newSpans, type Spans } from './absent.ts';
import type { Engine } from './client.ts';
import { type Column, type Coordinates, eventColumns } from './columns.ts';
import { RowBinaryWriter } from './rowBinary.ts';
import {
  type HitRow,
  hitColumns,
  type RecordRow,
  recordColumns,
  type SessionRow,
  type SetAsideRow,
  type StreamRow,
  sessionColumns,
  setAsideColumns,
  streamColumns,
} from './tables.ts';

/** Rows of one table, encoded as they come: no row outlives its encoding, so a flush leaves little to collect. */
export interface RowBlock<Row> {
  add(row: Row): void;
  rows(): number;
  /**
   * Writes them as one block named by its content: a retry of the same rows adds nothing. The
   * engine silently drops *other* rows under a used token, so the token must be the content. On a shared store only
   * rows that are not there yet are added: an insert that arrives late, or from an instance that was replaced, doubles
   * nothing. `fence` (SQL) must hold too, when the engine inserts.
   */
  write(engine: Engine, fence?: string): Promise<void>;
}

/** What makes a row the same row, whoever writes it. */
interface Identity<Row> {
  readonly columns: readonly string[];
  readonly see: (spans: Spans, row: Row) => void;
}

const tree = ['stream', 'partition', 'epoch'];
const recordIdentity: Identity<RecordRow> = {
  columns: [...tree, 'offset'],
  see: (spans, { record }) => spans.see(record, record.offset),
};
const derivedIdentity: Identity<Coordinates & { readonly ingested_at: number }> = {
  columns: [...tree, 'offset', 'idx'],
  see: (spans, row) => spans.see(row, row.offset, row.ingested_at),
};
const hitIdentity = { ...derivedIdentity, columns: ['rule', ...derivedIdentity.columns] };

function rowBlock<Row>(
  table: string,
  columns: readonly Column<Row>[],
  identity?: Identity<Row>,
): RowBlock<Row> {
  const out = spare.pop() ?? new RowBinaryWriter();
  const spans = newSpans();
  return {
    add(row) {
      identity?.see(spans, row);
      for (const column of columns) column.write(out, row);
      out.rows++;
    },
    rows: () => out.rows,
    async write(engine, fence) {
      if (out.rows > 0) {
        const token = createHash('sha256').update(table).update(out.bytes()).digest('hex');
        const absent = identity && engine.isShared ? absentFrom(table, identity.columns, spans) : undefined;
        const conditions = [fence, absent].filter((c) => c !== undefined);
        const condition = conditions.length === 0 ? undefined : conditions.join(' AND ');
        await engine.insert(table, columns, out, token, condition);
      }
      out.clear();
      spans.clear();
      if (spare.length < spareMax) spare.push(out);
    },
  };
}

/** Encoders of written blocks, to be filled again: a flush needs tens of megabytes, again and again. */
const spare: RowBinaryWriter[] = [];
const spareMax = 3;

export const eventBlock = (): RowBlock<StoredEvent> => rowBlock('kw.events', eventColumns, derivedIdentity);

export async function writeRows<Row>(
  engine: Engine,
  table: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  fence?: string,
): Promise<void> {
  await writeBlock(engine, rowBlock(table, columns), rows, fence);
}

async function writeBlock<Row>(
  engine: Engine,
  block: RowBlock<Row>,
  rows: readonly Row[],
  fence?: string,
): Promise<void> {
  for (const row of rows) block.add(row);
  await block.write(engine, fence);
}

export const writeRecords = (engine: Engine, rows: readonly RecordRow[], fence?: string): Promise<void> =>
  writeBlock(engine, rowBlock('kw.records', recordColumns, recordIdentity), rows, fence);
export const writeEvents = (engine: Engine, rows: readonly StoredEvent[]): Promise<void> =>
  writeBlock(engine, eventBlock(), rows);
export const writeSetAside = (engine: Engine, rows: readonly SetAsideRow[]): Promise<void> =>
  writeBlock(engine, rowBlock('kw.set_aside', setAsideColumns, derivedIdentity), rows);
export const writeSessions = (engine: Engine, rows: readonly SessionRow[]): Promise<void> =>
  writeRows(engine, 'kw.sessions', sessionColumns, rows);
export const writeHits = (engine: Engine, rows: readonly HitRow[]): Promise<void> =>
  writeBlock(engine, rowBlock('kw.hits', hitColumns, hitIdentity), rows);
export const writeStream = (engine: Engine, row: StreamRow): Promise<void> =>
  writeRows(engine, 'kw.streams', streamColumns, [row]);
