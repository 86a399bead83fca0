import type { DeliveryRow } from '../core/delivery.ts';
import type { Notifier } from '../core/notifier.ts';
import { type Alert, levelRank } from '../core/signal.ts';
import { dedup } from './dedup.ts';
import { type RuleLimit, rollupDelayMs, rollupKey } from './limit.ts';
import { blankRow, isWaiting, revisionOf } from './log.ts';
import { type RouteOptions, routeAlert } from './route.ts';
import type { RowChange } from './rows.ts';

/** Channel of lines about alerts that go to nobody. */
const noChannel = '-';

interface PlanInput {
  readonly alert: Alert;
  readonly notifiers: readonly Notifier[];
  readonly row: (key: string, channel: string) => DeliveryRow | undefined;
  readonly limit: RuleLimit;
  readonly now: number;
  readonly routes: Omit<RouteOptions, 'channels'>;
}

/** Plans of many alerts at once: one may depend on the lines of the one before (a roll-up), so it sees their draft. */
export function planAll(alerts: readonly Alert[], input: Omit<PlanInput, 'alert'>): RowChange[] {
  const draft = new Map<string, RowChange>();
  const nameOf = (key: string, channel: string) => `${channel}\0${key}`;
  const row = (key: string, channel: string): DeliveryRow | undefined => {
    const stored = input.row(key, channel);
    const planned = draft.get(nameOf(key, channel));
    return planned ? { ...(stored ?? blankRow(key, channel, planned.rule)), ...planned } : stored;
  };
  for (const alert of alerts) {
    for (const change of planAlert({ ...input, alert, row })) {
      const name = nameOf(change.key, change.channel);
      draft.set(name, { ...draft.get(name), ...change });
    }
  }
  return [...draft.values()];
}

/** What the arrival of an alert (or of a new state of it) changes in the log: route → dedup → limit. */
function planAlert(input: PlanInput): RowChange[] {
  const { alert, notifiers, row } = input;
  const route = routeAlert(alert, { ...input.routes, channels: notifiers.map((n) => n.name) });
  if (route.kind === 'suppress') {
    return suppress(alert, noChannel, row(alert.id, noChannel), route.reason);
  }
  return notifiers.flatMap((notifier) => planChannel(input, notifier));
}

function planChannel(input: PlanInput, notifier: Notifier): RowChange[] {
  const { alert, now } = input;
  const row = input.row(alert.id, notifier.name);
  const decision = dedup(alert, row, notifier, now);
  if (decision.kind === 'suppress') {
    return decision.reason === 'unchanged' ? [] : suppress(alert, notifier.name, row, decision.reason);
  }
  const { change, at } = decision;
  const name = { key: alert.id, channel: notifier.name, rule: alert.rule };
  if (row?.state === 'rolled-up' && change !== 'raised') return [];
  if (row && isWaiting(row)) {
    // What waits is rendered when it is sent, so a new state needs a line only when it should go sooner.
    const isSooner = row.state === 'pending' && row.attempts === 0 && at < row.nextAt;
    return isSooner ? [{ ...name, change, reason: change, nextAt: at }] : [];
  }
  const isLimited = change === 'new' && !notifier.isLocal && !input.limit.admit(alert, notifier.name, now);
  if (!isLimited) return [{ ...name, state: 'pending', reason: change, change, attempts: 0, nextAt: at }];
  return rollUp(input, notifier, name);
}

function rollUp(input: PlanInput, notifier: Notifier, name: RowChange): RowChange[] {
  const { alert, now } = input;
  const key = rollupKey(alert.rule, now);
  const told = { toldAt: now, toldLevel: alert.severity, toldRevision: revisionOf(alert) };
  const member: RowChange = { ...name, state: 'rolled-up', reason: 'rule-limit', rollup: key, ...told };
  const summary = input.row(key, notifier.name);
  if (summary && isWaiting(summary)) return [member];
  const change = summary && summary.toldAt > 0 ? 'updated' : 'new';
  const line = {
    key,
    channel: notifier.name,
    rule: alert.rule,
    state: 'pending' as const,
    change,
    attempts: 0,
  };
  return [member, { ...line, change, reason: 'rule-limit', nextAt: now + rollupDelayMs }];
}

/** A reason is written once, not with every arrival of the same alert. */
function suppress(alert: Alert, channel: string, row: DeliveryRow | undefined, reason: string): RowChange[] {
  const isSaid = row?.state === 'suppressed' && row.reason === reason && row.toldLevel === alert.severity;
  if (isSaid || row?.state === 'sending') return [];
  const change: RowChange = {
    key: alert.id,
    channel,
    rule: alert.rule,
    state: 'suppressed',
    reason,
    nextAt: 0,
  };
  const isTold = (row?.toldAt ?? 0) > 0;
  return [isTold ? change : { ...change, toldLevel: alert.severity }];
}

/** Critical and oft-failed order: new messages never wait behind one that the receiver keeps refusing. */
export function sendingOrder(severity: (row: DeliveryRow) => Alert['severity']) {
  const isStuck = (row: DeliveryRow) => Number(row.attempts > 3);
  return (a: DeliveryRow, b: DeliveryRow): number =>
    isStuck(a) - isStuck(b) ||
    levelRank(severity(b)) - levelRank(severity(a)) ||
    a.nextAt - b.nextAt ||
    (a.key < b.key ? -1 : 1);
}
