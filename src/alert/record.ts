import type { Alert } from '../core/signal.ts';
import type { Anchor, Grouped } from './group.ts';
import type { Replaced } from './grouper.ts';
import { superseded } from './supersede.ts';

/** The store's side of alerts, as far as this stage needs it. */
export interface AlertRecorder {
  grouped(since: number): Promise<readonly StoredGroup[]>;
  save(alerts: readonly StoredGroup[], now: number): Promise<readonly Alert[]>;
  byId(ids: readonly string[]): Promise<Alert[]>;
}

interface StoredGroup {
  readonly alert: Alert;
  readonly group: string;
  readonly anchor?: Anchor;
  readonly replacedBy?: string;
}

export interface Recorded {
  /** All alerts of the grouping as they are stored now, with the state people gave them: offer these. */
  readonly alerts: readonly Alert[];
  /** New, or saying something new. */
  readonly changed: readonly Alert[];
  readonly replaced: readonly Replaced[];
}

/**
 * Stores a grouping of the whole history. The same grouping again changes nothing. Offer all of `alerts`
 * afterwards, not only `changed`: a crash between storing and offering must not swallow a message.
 */
export async function recordAlerts(
  store: AlertRecorder,
  fresh: readonly Grouped[],
  now: number,
): Promise<Recorded> {
  const before = await store.grouped(0);
  const replaced = superseded(before, fresh);
  const heirs = new Map(replaced.map((r) => [r.id, r.by]));
  const old = before.flatMap((g) => {
    const replacedBy = heirs.get(g.alert.id);
    return replacedBy === undefined ? [] : [{ ...g, replacedBy }];
  });
  const changed = await store.save([...fresh, ...old], now);
  return { alerts: await store.byId(fresh.map((g) => g.alert.id)), changed, replaced };
}
