import type { DeliveryRow } from '../core/delivery.ts';
import type { Message, Notifier } from '../core/notifier.ts';
import { type Alert, levelRank } from '../core/signal.ts';
import { dedup } from './dedup.ts';
import { limitWindowMs } from './limit.ts';
import { isWaiting, revisionOf } from './log.ts';
import { sendingOrder } from './plan.ts';
import type { DeliveryRows, RowChange } from './rows.ts';

export interface Ready {
  readonly row: DeliveryRow;
  readonly message: Message;
}

export interface Due {
  readonly rows: DeliveryRows;
  readonly now: number;
  readonly alertsById: (ids: readonly string[]) => Promise<readonly Alert[]>;
}

/** Looks at each due line again with the alert as it is now: it may be acknowledged, or have changed meanwhile. */
export async function prepare(
  notifier: Notifier,
  { rows, now, alertsById }: Due,
): Promise<{ ready: Ready[]; settled: RowChange[] }> {
  const mine = rows.of(notifier.name);
  const due = mine.filter((r) => (isWaiting(r) || isRepeatDue(r)) && r.nextAt <= now);
  const members = (key: string) => mine.filter((r) => r.rollup === key).map((r) => r.key);
  const ids = new Set(due.flatMap((r) => (isRollup(r) ? members(r.key) : [r.key])));
  const alerts = new Map((await alertsById([...ids])).map((a) => [a.id, a]));

  const ready: Ready[] = [];
  const settled: RowChange[] = [];
  for (const row of due) {
    const told = isRollup(row)
      ? rollupMessage(
          row,
          members(row.key).flatMap((id) => alerts.get(id) ?? []),
        )
      : alertMessage(row, alerts.get(row.key), notifier, now);
    if ('message' in told) ready.push({ row, message: told.message });
    else settled.push({ ...nameOf(row), ...told.change });
  }
  const order = sendingOrder((row) => alerts.get(row.key)?.severity ?? 'medium');
  ready.sort((a, b) => order(a.row, b.row));
  return { ready, settled };
}

type Told = { readonly message: Message } | { readonly change: Partial<DeliveryRow> };

function alertMessage(row: DeliveryRow, alert: Alert | undefined, notifier: Notifier, now: number): Told {
  if (!alert) return { change: { state: 'suppressed', reason: 'gone', nextAt: 0 } };
  const decision = dedup(alert, row, notifier, now);
  if (decision.kind === 'suppress') {
    return { change: { state: 'suppressed', reason: decision.reason, nextAt: 0 } };
  }
  if (decision.at > now) return { change: { state: 'pending', nextAt: decision.at } };
  const mention = alert.severity === 'critical' && decision.change !== 'updated';
  const common = { key: row.key, change: decision.change, revision: revisionOf(alert), mention };
  return { message: { kind: 'alert', alert, ...common, ...earlier(row) } };
}

function rollupMessage(row: DeliveryRow, alerts: readonly Alert[]): Told {
  const first = alerts[0];
  if (!first) return { change: { state: 'suppressed', reason: 'gone', nextAt: 0 } };
  const severity = alerts.map((a) => a.severity).sort((a, b) => levelRank(b) - levelRank(a))[0] ?? 'medium';
  const from = Date.parse(`${row.key.slice(-13)}:00:00Z`);
  const common = { key: row.key, change: row.change, revision: `${alerts.length}`, mention: false };
  return {
    message: {
      kind: 'rollup',
      ...common,
      rule: row.rule,
      title: first.title,
      severity,
      count: alerts.length,
      from: new Date(from).toISOString(),
      until: new Date(from + limitWindowMs).toISOString(),
      alerts,
      ...earlier(row),
    },
  };
}

function earlier(row: DeliveryRow) {
  return {
    ...(row.ref === '' ? {} : { previous: row.ref }),
    ...(row.ambiguousSince === 0 ? {} : { ambiguousSince: row.ambiguousSince }),
  };
}

function isRepeatDue(row: DeliveryRow): boolean {
  return row.state === 'delivered' && row.nextAt > 0;
}

function isRollup(row: DeliveryRow): boolean {
  return row.key.startsWith('rollup:');
}

export function nameOf(row: DeliveryRow): Pick<DeliveryRow, 'key' | 'channel' | 'rule'> {
  return { key: row.key, channel: row.channel, rule: row.rule };
}
