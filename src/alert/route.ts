import { type Alert, type Level, levelRank } from '../core/signal.ts';

interface Route {
  readonly channels: readonly string[];
  /** Marks the message so that someone is called. */
  readonly mention: boolean;
}

export type RouteDecision =
  | ({ readonly kind: 'to' } & Route)
  | { readonly kind: 'suppress'; readonly reason: 'stored-only' };

export interface RouteOptions {
  /** Names of the notifiers that exist; every one hears of what reaches people. */
  readonly channels: readonly string[];
  /** The least severity that reaches people. */
  readonly minLevel?: Level;
}

/** Below medium is context, not work: it stays in the store, where `alerts list --all` and the review find it. */
const minLevelDefault: Level = 'medium';

/** Who hears of an alert, by its severity. */
export function routeAlert(alert: Pick<Alert, 'severity'>, options: RouteOptions): RouteDecision {
  const isBelow = levelRank(alert.severity) < levelRank(options.minLevel ?? minLevelDefault);
  if (isBelow || options.channels.length === 0) return { kind: 'suppress', reason: 'stored-only' };
  return { kind: 'to', channels: options.channels, mention: alert.severity === 'critical' };
}
