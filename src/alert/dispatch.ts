/**
 * Alerts → people: route, dedup, limit, send, retry, each a stage of its own; every step is a durable line.
 * An alert is offered after it is stored; offering it again is harmless, so whoever is unsure offers again.
 */
import type { Clock } from '../core/clock.ts';
import type { DeliveryLog } from '../core/delivery.ts';
import type { Notifier } from '../core/notifier.ts';
import type { Alert, Level } from '../core/signal.ts';
import { createChannel, type DispatchObserver } from './channel.ts';
import type { Replaced } from './grouper.ts';
import { createRuleLimit } from './limit.ts';
import { planAll } from './plan.ts';
import { createDeliveryRows, type DeliveryRows, type RowChange } from './rows.ts';

export interface DispatcherOptions {
  readonly notifiers: readonly Notifier[];
  readonly log: DeliveryLog;
  /** Alerts as they are stored now, with the state people gave them. */
  readonly alertsById: (ids: readonly string[]) => Promise<readonly Alert[]>;
  readonly clock: Clock;
  readonly minLevel?: Level;
  readonly random?: () => number;
  readonly observe?: DispatchObserver;
}

export interface Dispatcher {
  /** Reads where everything stood; what was refused (a wrong token, a wrong channel) is tried once more. */
  start(): Promise<void>;
  /** Durable when it returns; nothing is sent yet. @throws when the log cannot be written: offer again later. */
  offer(alerts: readonly Alert[]): Promise<void>;
  /** Early alerts that belong to another story: their message is taken over, not left beside it. */
  replace(replaced: readonly Replaced[]): Promise<void>;
  /** Sends what is due, all channels side by side. Call it every second or so; it never overlaps with itself. */
  tick(signal?: AbortSignal): Promise<void>;
  /** Messages that wait for a receiver. */
  waiting(): number;
  close(): Promise<void>;
}

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { notifiers, clock } = options;
  const rows = createDeliveryRows(options.log, clock);
  let limit = createRuleLimit();
  const channels = notifiers.map((notifier) =>
    createChannel(notifier, {
      rows,
      clock,
      random: options.random ?? Math.random,
      alertsById: options.alertsById,
      observe: options.observe ?? {},
    }),
  );

  // Alerts that changed while a message about them was on its way: looked at again after it arrived.
  const again = new Set<string>();

  const dispatcher: Dispatcher = {
    async start() {
      await rows.load();
      limit = createRuleLimit(
        rows
          .all()
          .filter((r) => r.toldAt > 0 && r.change === 'new' && r.state === 'delivered')
          .map((r) => ({ rule: r.rule, channel: r.channel, at: r.toldAt })),
      );
      const refused = rows.all().filter((r) => r.state === 'rejected');
      await rows.write(
        refused.map(({ key, channel, rule }) => {
          const name = { key, channel, rule };
          return { ...name, state: 'pending', reason: 'tried again after a restart', nextAt: clock.now() };
        }),
      );
    },

    async offer(alerts) {
      await rows.recall(alerts.map((alert) => alert.id));
      for (const { id } of alerts) {
        if (notifiers.some((n) => rows.get(id, n.name)?.state === 'sending')) again.add(id);
      }
      const routes = options.minLevel === undefined ? {} : { minLevel: options.minLevel };
      await rows.write(planAll(alerts, { notifiers, row: rows.get, limit, now: clock.now(), routes }));
    },

    async replace(replaced) {
      await rows.write(replaced.flatMap((r) => handOver(r, rows)));
    },

    async tick(signal) {
      const results = await Promise.allSettled(channels.map((channel) => channel.run(signal)));
      const failed = results.find((r) => r.status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
      const changed = [...again];
      again.clear();
      if (changed.length > 0) await dispatcher.offer(await options.alertsById(changed));
    },

    waiting: () => rows.waiting(),

    async close() {
      await Promise.all(notifiers.map((n) => n.close()));
    },
  };
  return dispatcher;
}

/** The early name falls silent; its message, delivered or waiting, goes on under the story's name. */
function handOver({ id, by }: Replaced, rows: DeliveryRows): RowChange[] {
  const mine = rows.all().filter((r) => r.key === id && r.reason !== 'replaced');
  return mine.flatMap((old) => {
    const { channel, rule } = old;
    const silent: RowChange = { key: id, channel, rule, state: 'suppressed', reason: 'replaced', nextAt: 0 };
    return by === '' || rows.get(by, channel) ? [silent] : [silent, { ...old, key: by }];
  });
}
