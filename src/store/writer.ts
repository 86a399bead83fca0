import { createHash } from 'node:crypto';
import type { StoredEvent } from '../core/event.ts';
import type { Engine } from './client.ts';
import { type Column, eventColumns } from './columns.ts';
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
   * engine silently drops *other* rows under a used token, so the token must be the content.
   */
  write(engine: Engine): Promise<void>;
}

function rowBlock<Row>(table: string, columns: readonly Column<Row>[]): RowBlock<Row> {
  const out = spare.pop() ?? new RowBinaryWriter();
  return {
    add(row) {
      for (const column of columns) column.write(out, row);
      out.rows++;
    },
    rows: () => out.rows,
    async write(engine) {
      if (out.rows > 0) {
        const token = createHash('sha256').update(table).update(out.bytes()).digest('hex');
        await engine.insert(table, columns, out, token);
      }
      out.clear();
      if (spare.length < spareMax) spare.push(out);
    },
  };
}

/** Encoders of written blocks, to be filled again: a flush needs tens of megabytes, again and again. */
const spare: RowBinaryWriter[] = [];
const spareMax = 3;

export const eventBlock = (): RowBlock<StoredEvent> => rowBlock('kw.events', eventColumns);

export async function writeRows<Row>(
  engine: Engine,
  table: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): Promise<void> {
  const block = rowBlock(table, columns);
  for (const row of rows) block.add(row);
  await block.write(engine);
}

export const writeRecords = (engine: Engine, rows: readonly RecordRow[]): Promise<void> =>
  writeRows(engine, 'kw.records', recordColumns, rows);
export const writeEvents = (engine: Engine, rows: readonly StoredEvent[]): Promise<void> =>
  writeRows(engine, 'kw.events', eventColumns, rows);
export const writeSetAside = (engine: Engine, rows: readonly SetAsideRow[]): Promise<void> =>
  writeRows(engine, 'kw.set_aside', setAsideColumns, rows);
export const writeSessions = (engine: Engine, rows: readonly SessionRow[]): Promise<void> =>
  writeRows(engine, 'kw.sessions', sessionColumns, rows);
export const writeHits = (engine: Engine, rows: readonly HitRow[]): Promise<void> =>
  writeRows(engine, 'kw.hits', hitColumns, rows);
export const writeStream = (engine: Engine, row: StreamRow): Promise<void> =>
  writeRows(engine, 'kw.streams', streamColumns, [row]);
