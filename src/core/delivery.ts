import type { MessageChange } from './notifier.ts';
import type { Level } from './signal.ts';

/**
 * `pending`: will be sent at `nextAt`. `sending`: a call was begun and its result is not known yet.
 * `rolled-up`: told as part of the roll-up named in `rollup`.
 */
export type DeliveryState = 'pending' | 'sending' | 'delivered' | 'rejected' | 'suppressed' | 'rolled-up';

/** Every reason why people did not hear of an alert: a closed list, so that each can be counted and explained. */
export type SuppressReason =
  | 'stored-only'
  | 'unchanged'
  | 'acknowledged'
  | 'closed'
  | 'replaced'
  | 'rule-limit'
  | 'gone';

/**
 * One line of the durable log: where (key, channel) stands after a step, and why. Newest line wins;
 * the lines before it are the history.
 */
export interface DeliveryRow {
  /** Alert id or roll-up id. */
  readonly key: string;
  readonly channel: string;
  /** Rises by one with every line of (key, channel). */
  readonly seq: number;
  /** Milliseconds, wall clock. */
  readonly at: number;
  readonly state: DeliveryState;
  readonly reason: string;
  readonly rule: string;
  /** Why the next message goes out, once there is one. */
  readonly change: MessageChange;
  readonly attempts: number;
  readonly nextAt: number;
  /** Milliseconds of an attempt that may have arrived without an answer; 0 = none. */
  readonly ambiguousSince: number;
  /** What was last told: when, as what, under which reference of the receiver. `toldAt` 0 = never. */
  readonly toldAt: number;
  readonly toldLevel: Level;
  readonly toldRevision: string;
  readonly ref: string;
  /** Key of the roll-up that speaks for it. */
  readonly rollup: string;
}

/** Where the log is kept. `append` returns only when the lines are durable. */
export interface DeliveryLog {
  append(rows: readonly DeliveryRow[]): Promise<void>;
  /** The newest line of each (key, channel) that is not older than `since`, and of all that still wait. */
  newest(since: number): Promise<readonly DeliveryRow[]>;
  /** The newest line of each channel for these keys, however old. */
  lookUp(keys: readonly string[]): Promise<readonly DeliveryRow[]>;
}
