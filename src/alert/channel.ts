/** One way to people, with its own pace and its own trouble: a channel that is down holds up no other. */
import type { Clock } from '../core/clock.ts';
import type { DeliveryRow } from '../core/delivery.ts';
import type { Delivery, Message, Notifier } from '../core/notifier.ts';
import type { Alert } from '../core/signal.ts';
import { nameOf, prepare, type Ready } from './compose.ts';
import { repeatIntervalMs } from './dedup.ts';
import { retryDelayMs } from './retry.ts';
import type { DeliveryRows, RowChange } from './rows.ts';

/** Operational events, for log lines and metrics. */
export interface DispatchObserver {
  delivered?(channel: string, key: string): void;
  rejected?(channel: string, key: string, reason: string): void;
  /** Once when a channel stops answering, not with every attempt. */
  channelDown?(channel: string, reason: string, waiting: number): void;
  channelUp?(channel: string): void;
}

export interface ChannelDependencies {
  readonly rows: DeliveryRows;
  readonly clock: Clock;
  readonly random: () => number;
  readonly alertsById: (ids: readonly string[]) => Promise<readonly Alert[]>;
  readonly observe: DispatchObserver;
}

export interface Channel {
  readonly notifier: Notifier;
  /** Sends what is due. Returns at the first sign of trouble; the rest waits for the next run. */
  run(signal?: AbortSignal): Promise<void>;
}

export function createChannel(notifier: Notifier, deps: ChannelDependencies): Channel {
  const { rows, clock, observe } = deps;
  let failures = 0;
  let pausedUntil = 0;
  let isRunning = false;

  const note = (delivery: Delivery) => {
    if (delivery.kind !== 'retry') {
      if (failures > 0) observe.channelUp?.(notifier.name);
      failures = 0;
      return;
    }
    failures += 1;
    pausedUntil = clock.now() + retryDelayMs(failures, delivery.afterMs, deps.random);
    if (failures === 1) observe.channelDown?.(notifier.name, delivery.reason, rows.waiting());
  };

  const sendOne = async ({ row, message }: Ready, signal?: AbortSignal): Promise<RowChange> => {
    const startedAt = clock.now();
    if (!notifier.isLocal) {
      // A crash from here on leaves this line: the next start asks the receiver before it sends again.
      await rows.write([
        { ...nameOf(row), state: 'sending', ambiguousSince: row.ambiguousSince || startedAt },
      ]);
    }
    const delivery = await attempt(notifier, message, signal);
    note(delivery);
    if (delivery.kind === 'delivered') observe.delivered?.(notifier.name, row.key);
    if (delivery.kind === 'reject') observe.rejected?.(notifier.name, row.key, delivery.reason);
    return afterDelivery(row, message, delivery, { now: clock.now(), startedAt, random: deps.random });
  };

  const sendAll = async (signal?: AbortSignal) => {
    const { ready, settled } = await prepare(notifier, {
      rows,
      now: clock.now(),
      alertsById: deps.alertsById,
    });
    const results: RowChange[] = [...settled];
    for (const one of ready) {
      if (signal?.aborted || clock.now() < pausedUntil) break;
      results.push(await sendOne(one, signal));
      // Files are written in one go and noted in one line each at the end: sending them again changes nothing.
      if (!notifier.isLocal) await rows.write(results.splice(0));
      if (notifier.paceMs > 0) await clock.sleep(notifier.paceMs, signal);
    }
    await rows.write(results);
  };

  return {
    notifier,
    async run(signal) {
      if (isRunning || clock.now() < pausedUntil) return;
      isRunning = true;
      try {
        await sendAll(signal);
      } finally {
        isRunning = false;
      }
    },
  };
}

/** A notifier that throws has a bug; the alert must not pay for it. */
async function attempt(notifier: Notifier, message: Message, signal?: AbortSignal): Promise<Delivery> {
  try {
    return await notifier.send(message, signal);
  } catch (error) {
    const name = error instanceof Error ? error.name : typeof error;
    return { kind: 'retry', afterMs: 0, reason: `notifier threw ${name}`, isAmbiguous: true };
  }
}

function afterDelivery(
  row: DeliveryRow,
  message: Message,
  delivery: Delivery,
  { now, startedAt, random }: { now: number; startedAt: number; random: () => number },
): RowChange {
  const name = nameOf(row);
  if (delivery.kind === 'reject') {
    return {
      ...name,
      state: 'rejected',
      reason: delivery.reason,
      attempts: row.attempts + 1,
      ambiguousSince: 0,
    };
  }
  if (delivery.kind === 'retry') {
    const attempts = row.attempts + 1;
    const nextAt = now + retryDelayMs(attempts, delivery.afterMs, random);
    const ambiguousSince = row.ambiguousSince || (delivery.isAmbiguous ? startedAt : 0);
    return { ...name, state: 'pending', reason: delivery.reason, attempts, nextAt, ambiguousSince };
  }
  const level = message.kind === 'alert' ? message.alert.severity : message.severity;
  const isRepeating = message.kind === 'alert' && level === 'critical';
  return {
    ...name,
    state: 'delivered',
    reason: delivery.note ? `${message.change} (${delivery.note})` : message.change,
    change: message.change,
    attempts: row.attempts + 1,
    nextAt: isRepeating ? now + repeatIntervalMs : 0,
    ambiguousSince: 0,
    toldAt: now,
    toldLevel: level,
    toldRevision: message.revision,
    ref: delivery.ref,
  };
}
