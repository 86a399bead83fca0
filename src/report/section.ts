import type { Engine } from '../store/client.ts';
import { defineQuery, runQuery, type Viewer } from '../store/query.ts';

/** A value of a table: what the store gives, unformatted. */
export type Cell = string | number | boolean | readonly string[];
export type Row = Readonly<Record<string, Cell>>;

/**
 * How a column reads to people. `id`: long, may break anywhere; `time`: ISO 8601 UTC; `event`: the name of an
 * event; `share`: 0 to 1; `flag`: yes or nothing; `verdict`: a word that is good or bad.
 */
type ColumnKind = 'text' | 'id' | 'count' | 'time' | 'list' | 'event' | 'share' | 'flag' | 'verdict';

export interface Column {
  /** Name in the SQL, the CSV and the JSON. */
  readonly key: string;
  readonly label: string;
  readonly kind: ColumnKind;
  /** Other columns shown small under this one in the page (names under an id). */
  readonly under?: readonly string[];
  /** In the files only: the page has no room for it. */
  readonly isFileOnly?: boolean;
}

/** One part of the review: its words, its table, and the statement that gives the table's numbers. */
export interface SectionDefinition {
  /** Anchor in the page, key in the JSON and name of the CSV file. */
  readonly id: string;
  readonly title: string;
  /** What the table says, and what it does not. */
  readonly lead: readonly string[];
  readonly columns: readonly Column[];
  readonly sql: string;
  /** Statement for the events behind one row, with NAMES to fill in. */
  readonly eventsSql?: string;
}

export interface Section extends SectionDefinition {
  readonly rows: readonly Row[];
}

export async function runSection(
  engine: Engine,
  definition: SectionDefinition,
  viewer: Viewer,
): Promise<Section> {
  const rows = await runRows(engine, definition.sql, definition.columns, viewer);
  return { ...definition, rows: rows.map((row) => withFlags(row, definition.columns)) };
}

/** Runs one statement; rows keep the columns' order, whatever the engine's. @throws KW_STORE */
export async function runRows(
  engine: Engine,
  sql: string,
  columns: readonly { readonly key: string }[],
  viewer: Viewer,
): Promise<Row[]> {
  const query = defineQuery<Record<never, never>, Row>(sql, (raw) =>
    Object.fromEntries(columns.map(({ key }) => [key, cellOf(raw[key])])),
  );
  return runQuery(engine, query, {}, viewer);
}

/** The engine's 0 and 1 of a yes-no column are true and false to programs. */
function withFlags(row: Row, columns: readonly Column[]): Row {
  const flags = columns
    .filter((c) => c.kind === 'flag')
    .map((c) => [c.key, Number(row[c.key]) === 1] as const);
  return { ...row, ...Object.fromEntries(flags) };
}

function cellOf(value: unknown): Cell {
  if (Array.isArray(value)) return value.map(String);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  return value === null || value === undefined ? '' : String(value);
}
