/** The life of the service. One function an event: log line and metric together. */
import { errorText, type Telemetry } from './telemetry.ts';

export function serviceStarted(
  t: Telemetry,
  at: { readonly data: string; readonly listen: { readonly host: string; readonly port: number } },
): void {
  const { data, listen } = at;
  t.log.info({ event: 'service_started', data, listen: `${listen.host}:${listen.port}` }, 'keywitness runs');
}

export function serviceDraining(t: Telemetry): void {
  t.log.info({ event: 'service_draining' }, 'taking no more; storing what was read');
}

export function serviceStopped(t: Telemetry): void {
  t.log.info({ event: 'service_stopped' }, 'everything read is stored, signed and anchored');
}

/** What grew is pinned, signed and in the anchor file. */
export function heartbeatWritten(t: Telemetry): void {
  t.faults.delete('ledger');
}

/** A heartbeat could not be written. Nothing is lost: records wait where they are, and the silence shows. */
export function storeTrouble(t: Telemetry, error: unknown): void {
  t.faults.set('ledger', 'the last heartbeat could not be written');
  t.log.error(
    { event: 'store_trouble', reason: errorText(error) },
    'the ledger could not be written; trying again at the next heartbeat',
  );
}

/** `late`: events behind the watermark since the start, which correlations and baselines did not see in order. */
export function roundDone(t: Telemetry, late: number): void {
  t.metrics.lateEvents.set(late);
  t.faults.delete('detection');
}

export function roundFailed(t: Telemetry, error: unknown): void {
  t.faults.set('detection', 'the last round of detection or delivery failed');
  t.log.error(
    { event: 'detection_round_failed', reason: errorText(error) },
    'a round of detection or delivery failed; what it left undone is done by the next',
  );
}

export function messageDelivered(t: Telemetry, channel: string): void {
  t.metrics.messages.inc({ channel, result: 'delivered' });
}

/** The receiver will never take it as it is: the alert is stored, and somebody must look at the channel. */
export function messageRejected(t: Telemetry, channel: string, key: string, reason: string): void {
  t.metrics.messages.inc({ channel, result: 'rejected' });
  t.log.error(
    { event: 'message_rejected', channel, alert: key, reason },
    'a message was refused for good; the alert is stored: keywitness alerts show ALERT',
  );
}

export function channelDown(t: Telemetry, channel: string, reason: string, waiting: number): void {
  t.metrics.channelUp.set({ channel }, 0);
  t.faults.set(channel, 'messages wait, the receiver does not answer');
  t.log.error(
    { event: 'channel_down', channel, reason, waiting },
    'messages wait in the store and are sent when the receiver answers again',
  );
}

export function channelUp(t: Telemetry, channel: string): void {
  t.metrics.channelUp.set({ channel }, 1);
  t.faults.delete(channel);
  t.log.info({ event: 'channel_up', channel }, 'the receiver answers again');
}
