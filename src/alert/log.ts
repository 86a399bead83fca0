import { createHash } from 'node:crypto';
import type { DeliveryLog, DeliveryRow } from '../core/delivery.ts';
import type { Alert } from '../core/signal.ts';

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
  const newest = () => [...new Map(lines.map((r) => [`${r.key}\0${r.channel}`, r])).values()];
  return {
    lines,
    append: async (rows) => void lines.push(...rows),
    newest: async (since) => newest().filter((r) => r.at >= since || isWaiting(r)),
    lookUp: async (keys) => newest().filter((r) => keys.includes(r.key)),
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
