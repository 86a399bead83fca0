import type { Cell, Column, Row } from './section.ts';

/** RFC 4180, UTF-8, CRLF; every column of the section, in its order. */
export function csvText(columns: readonly Column[], rows: readonly Row[]): string {
  const lines = [columns.map((c) => c.key), ...rows.map((row) => columns.map((c) => cellText(row[c.key])))];
  return lines.map((line) => `${line.map(field).join(',')}\r\n`).join('');
}

/** A list in one cell, as people read it; the JSON keeps it a list. */
function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return '';
  return typeof cell === 'object' ? cell.join(' | ') : String(cell);
}

/**
 * A spreadsheet runs a cell that begins with one of these as a formula (OWASP, CSV injection), also after
 * white space that it trims. A leading ' makes it text. Numbers of ours never begin so: no count is negative.
 */
const formulaStart = /^[\s\u0000-\u001f]*[=+\-@\t\r]/;

function field(value: string): string {
  const safe = formulaStart.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}
