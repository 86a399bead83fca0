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

/**
 * Writes rows as one block named by its content: a retry of the same rows adds nothing
 * (the engine silently drops *other* rows under a used token, so the token must be the content).
 */
export async function writeRows<Row>(
  engine: Engine,
  table: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): Promise<void> {
  if (rows.length === 0) return;
  const out = new RowBinaryWriter();
  for (const row of rows) {
    for (const column of columns) column.write(out, row);
  }
  out.rows = rows.length;
  const token = createHash('sha256').update(table).update(out.bytes()).digest('hex');
  await engine.insert(table, columns, out, token);
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
