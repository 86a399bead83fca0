import { createHash } from 'node:crypto';
import type { MessageChange } from '../core/notifier.ts';
import type { Alert, Level } from '../core/signal.ts';

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
}

export function blankRow(key: string, channel: string, rule: string): DeliveryRow {
  // biome-ignore format: one shape, seen at once
  return {
    key, channel, rule, seq: 0, at: 0, state: 'pending', reason: '', change: 'new', attempts: 0, nextAt: 0,
    ambiguousSince: 0, toldAt: 0, toldLevel: 'informational', toldRevision: '', ref: '', rollup: '',
  };
}

/** A log that lives as long as the process. */
export function memoryDeliveryLog(): DeliveryLog & { readonly lines: DeliveryRow[] } {
  const lines: DeliveryRow[] = [];
  return {
    lines,
    append: async (rows) => void lines.push(...rows),
    newest: async (since) => {
      const byKey = new Map(lines.map((r) => [`${r.key}\0${r.channel}`, r]));
      return [...byKey.values()].filter((r) => r.at >= since || isWaiting(r));
    },
  };
}

export function isWaiting(row: DeliveryRow): boolean {
  return row.state === 'pending' || row.state === 'sending';
}

/** What a reader would notice: two alerts with one revision need not be told twice. */
export function revisionOf(alert: Alert): string {
  const told = [alert.severity, alert.title, alert.last, alert.eventsTotal, alert.secrets, alert.parts];
  return createHash('sha256').update(JSON.stringify(told)).digest('hex').slice(0, 12);
}
