import type { Alert } from '../core/signal.ts';

/** More first messages of one rule in an hour than people read one by one: a bad rule must not flood. */
const messagesPerRuleMax = 10;

export const limitWindowMs = 3600_000;

/** How long a roll-up gathers before it is sent: one message for a burst, and still within the quarter of an hour. */
export const rollupDelayMs = 10 * 60_000;

export interface RuleLimit {
  /** Counts one first message; false = over the limit, roll it up. Critical always passes and is not counted. */
  admit(alert: Pick<Alert, 'rule' | 'severity'>, channel: string, now: number): boolean;
}

/** Sliding window over wall time, per rule and channel. `past` = times of first messages already sent. */
export function createRuleLimit(
  past: readonly { readonly rule: string; readonly channel: string; readonly at: number }[] = [],
): RuleLimit {
  const times = new Map<string, number[]>();
  for (const { rule, channel, at } of past) {
    const key = `${channel}\0${rule}`;
    times.set(
      key,
      [...(times.get(key) ?? []), at].sort((a, b) => a - b),
    );
  }
  return {
    admit(alert, channel, now) {
      if (alert.severity === 'critical') return true;
      const key = `${channel}\0${alert.rule}`;
      const recent = (times.get(key) ?? []).filter((t) => t > now - limitWindowMs);
      const isAdmitted = recent.length < messagesPerRuleMax;
      if (isAdmitted) recent.push(now);
      times.set(key, recent);
      return isAdmitted;
    },
  };
}

/** One roll-up per rule, channel and hour of wall time. */
export function rollupKey(rule: string, now: number): string {
  return `rollup:${rule}:${new Date(now).toISOString().slice(0, 13)}`;
}
