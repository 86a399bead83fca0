/**
 * What became of one part of a record. Data never throws: a throw in a step is a bug and stops the process.
 * `drop` is understood and meant to be left out; `quarantine` could not be understood.
 */
export type Outcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'drop'; readonly reason: string; readonly detail?: string }
  | { readonly kind: 'quarantine'; readonly reason: string; readonly detail?: string };

export type SetAsideOutcome = Exclude<Outcome<never>, { kind: 'ok' }>;

export function ok<T>(value: T): Outcome<T> {
  return { kind: 'ok', value };
}

/** `detail` must hold no value of the record: names, lengths, positions and codes only. */
export function drop(reason: string, detail?: string): SetAsideOutcome {
  return detail === undefined ? { kind: 'drop', reason } : { kind: 'drop', reason, detail };
}

/** `detail` must hold no value of the record: names, lengths, positions and codes only. */
export function quarantine(reason: string, detail?: string): SetAsideOutcome {
  return detail === undefined ? { kind: 'quarantine', reason } : { kind: 'quarantine', reason, detail };
}
