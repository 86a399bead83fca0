/** What one look at one thing found. */
export interface Finding {
  /** What was looked at: `key`, `anchor`, `store`, … */
  readonly check: string;
  /** `advice` is for a better set-up and fails nothing; `missing` = a thing outside that cannot be reached or read. */
  readonly state: 'ok' | 'advice' | 'wrong' | 'missing';
  readonly detail: string;
  /** What to do, as exactly as it can be said; '' when nothing is to be done. */
  readonly fix: string;
}

export function ok(check: string, detail: string): Finding {
  return { check, state: 'ok', detail, fix: '' };
}

/** 4 when something is missing, else 1 when something is wrong, else 0 (docs/errors.md). */
export function exitOf(findings: readonly Finding[]): 0 | 1 | 4 {
  if (findings.some((f) => f.state === 'missing')) return 4;
  return findings.some((f) => f.state === 'wrong') ? 1 : 0;
}
