import type { Signal } from '../../core/signal.ts';
import type { BaselineDocument } from './document.ts';
import type { BaselineEvent } from './event.ts';

/** A running baseline: fed in order of event time, it says what left the expectation. */
export interface Evaluator {
  observe(event: BaselineEvent): readonly Signal[];
  /** Time passed without an event of interest: closes hours and days up to (not including) `timeMs`. */
  advance(timeMs: number): readonly Signal[];
}

/**
 * A kind of baseline: one file each in kinds/, exported as `kind`; the folder is the registry. Pure: no clock,
 * no store; the same events give the same signals, so that memory can be rebuilt from the store at any time.
 */
export interface BaselineKind {
  readonly name: string;
  /** The word of calendars and on-call entries that explains its signals. */
  readonly explainedBy: string;
  create(document: BaselineDocument): Evaluator;
}

export function defineKind(kind: BaselineKind): BaselineKind {
  return kind;
}
