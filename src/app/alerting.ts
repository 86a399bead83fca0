import { join, resolve } from 'node:path';
import type { DispatchObserver } from '../alert/channel.ts';
import { createDispatcher, type Dispatcher } from '../alert/dispatch.ts';
import { groupSignals } from '../alert/group.ts';
import { recordAlerts } from '../alert/record.ts';
import type { Clock } from '../core/clock.ts';
import type { Alert, Signal } from '../core/signal.ts';
import { commandDefault } from '../notify/notifier.ts';
import { createNotifiers, type NotifySettings } from '../notify/registry.ts';
import { type AlertStore, openAlertStore } from '../store/alertStore.ts';
import type { Engine } from '../store/client.ts';
import { openDeliveryLog } from '../store/deliveryStore.ts';

export interface Alerting {
  readonly store: AlertStore;
  readonly dispatcher: Dispatcher;
  /** Groups the signals of the whole history into alerts and stores what is new; returns all of them. */
  record(signals: readonly Signal[]): Promise<readonly Alert[]>;
  /** Tells people of these alerts, as far as they have not been told. */
  tell(alerts: readonly Alert[]): Promise<void>;
}

export interface AlertingOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly notify: NotifySettings;
  readonly dataDir: string;
  readonly observe: DispatchObserver;
  readonly ownerOf: (secret: string) => string;
}

export async function openAlerting(options: AlertingOptions): Promise<Alerting> {
  const { engine, clock } = options;
  const store = openAlertStore(engine);
  const notifiers = await createNotifiers(options.notify, outboxFolder(options.dataDir), {
    clock,
    command: commandFor(options.dataDir),
  });
  const dispatcher = createDispatcher({
    notifiers,
    log: openDeliveryLog(engine),
    alertsById: (ids) => store.byId(ids),
    clock,
    observe: options.observe,
  });
  await dispatcher.start();
  return {
    store,
    dispatcher,
    async record(signals) {
      const { alerts, replaced } = await recordAlerts(
        store,
        groupSignals(signals, { ownerOf: options.ownerOf }),
        clock.now(),
      );
      await dispatcher.replace(replaced);
      return alerts;
    },
    async tell(alerts) {
      await dispatcher.offer(alerts);
      await dispatcher.tick();
    },
  };
}

/** The commands in messages must find the store that the messages are about. */
function commandFor(dataDir: string): string {
  return dataDir === resolve('.keywitness') ? commandDefault : `KEYWITNESS_DATA=${dataDir} ${commandDefault}`;
}

/** Messages whose receiver is not configured, beside the store in the data directory. */
function outboxFolder(dataDir: string): string {
  return join(dataDir, 'outbox');
}
