/** Where something stands in a file: both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

type Severity = 'error' | 'warning' | 'info';

/** One thing to say about a rule file. A file with an error is left out of the set as a whole. */
export interface Diagnostic extends Position {
  readonly file: string;
  readonly severity: Severity;
  /** Which check speaks; stable, for filters in CI (docs/sigma.md lists them). */
  readonly check: string;
  readonly message: string;
}

/** Collects what is wrong with one file, so that an author sees everything in one run. */
export interface Report {
  readonly file: string;
  error(check: string, at: Position, message: string): undefined;
  warn(check: string, at: Position, message: string): undefined;
  info(check: string, at: Position, message: string): undefined;
}

export function createReport(file: string, into: Diagnostic[]): Report {
  const add =
    (severity: Severity) =>
    (check: string, at: Position, message: string): undefined => {
      into.push({ file, line: at.line, column: at.column, severity, check, message });
    };
  return { file, error: add('error'), warn: add('warning'), info: add('info') };
}
