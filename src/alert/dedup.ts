import type { DeliveryRow, SuppressReason } from '../core/delivery.ts';
import type { MessageChange } from '../core/notifier.ts';
import { type Alert, levelRank } from '../core/signal.ts';
import { revisionOf } from './log.ts';

/** People who were told look again within half a shift; sooner is nagging, later is forgotten. */
export const repeatIntervalMs = 4 * 3600_000;

/** An edit in place disturbs nobody; twice a minute keeps the numbers fresh and the receiver's limits unspent. */
const updateIntervalMs = 30_000;

export type DedupDecision =
  | { readonly kind: 'send'; readonly change: MessageChange; readonly at: number }
  | { readonly kind: 'suppress'; readonly reason: SuppressReason };

/** Whether people hear of this state of the alert, given what they were told last. */
export function dedup(
  alert: Alert,
  told: DeliveryRow | undefined,
  channel: { readonly updatesInPlace: boolean; readonly isLocal: boolean },
  now: number,
): DedupDecision {
  if (alert.state === 'resolved' || alert.state === 'false-positive') {
    return { kind: 'suppress', reason: 'closed' };
  }
  const isTold = told !== undefined && told.toldAt > 0;
  if (isTold && levelRank(alert.severity) > levelRank(told.toldLevel)) {
    return { kind: 'send', change: 'raised', at: now };
  }
  if (alert.state === 'acknowledged') return { kind: 'suppress', reason: 'acknowledged' };
  if (!isTold) return { kind: 'send', change: 'new', at: now };
  if (revisionOf(alert) !== told.toldRevision) {
    const interval = channel.isLocal ? 0 : channel.updatesInPlace ? updateIntervalMs : repeatIntervalMs;
    return { kind: 'send', change: 'updated', at: Math.max(now, told.toldAt + interval) };
  }
  // Critical is said again until somebody takes it; files on this machine call nobody.
  const isDue = now >= told.toldAt + repeatIntervalMs;
  if (alert.severity === 'critical' && isDue && !channel.isLocal) {
    return { kind: 'send', change: 'repeated', at: now };
  }
  return { kind: 'suppress', reason: 'unchanged' };
}
