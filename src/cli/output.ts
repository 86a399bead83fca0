import { styleText } from 'node:util';

/** Where a command writes: data to `out`, words for people to `err`. */
export interface Terminal {
  readonly out: NodeJS.WritableStream;
  readonly err: NodeJS.WritableStream;
  /** True when people look at `out`: tables and colour; otherwise NDJSON. */
  readonly isPeople: boolean;
}

export function processTerminal(options: { json?: boolean | undefined } = {}): Terminal {
  return {
    out: process.stdout,
    err: process.stderr,
    isPeople: process.stdout.isTTY === true && options.json !== true,
  };
}

/** Rows as a table for people, as NDJSON otherwise. `columns` are the keys the table shows. */
export function printRows(terminal: Terminal, rows: readonly object[], columns: readonly string[]): void {
  if (!terminal.isPeople) {
    for (const row of rows) terminal.out.write(`${JSON.stringify(row)}\n`);
    return;
  }
  const cells = rows.map((row) => columns.map((c) => cellText((row as Record<string, unknown>)[c])));
  const widths = columns.map((c, i) =>
    Math.min(60, Math.max(c.length, ...cells.map((r) => r[i]?.length ?? 0))),
  );
  const line = (r: readonly string[]) =>
    r
      .map((t, i) => fitTo(t, widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  terminal.out.write(`${styleText('bold', line(columns))}\n`);
  for (const row of cells) terminal.out.write(`${line(row)}\n`);
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

function fitTo(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}

/** Control and bidirectional characters made visible: a record must not steer the reader's terminal. */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
