/** The life of the service. One function an event: log line and metric together. */
import { errorText, type Telemetry } from './telemetry.ts';

export function serviceStarted(
  t: Telemetry,
  at: { readonly data: string; readonly listen: { readonly host: string; readonly port: number } },
): void {
  const { data, listen } = at;
  t.log.info({ event: 'service_started', data, listen: `${listen.host}:${listen.port}` }, 'keywitness runs');
}

/** The run before was killed, or could not write its end. The `start` leaf of the meta-log says so too. */
export function runInterrupted(t: Telemetry): void {
  t.log.warn(
    { event: 'run_interrupted' },
    'the run before did not end in order; what it left half done is mended, nothing is lost or doubled',
  );
}

/** A reminder, once a day: nothing is wrong yet. */
export function signingKeyOld(t: Telemetry, days: number): void {
  t.faults.set(
    'signing key',
    `it has signed for ${days} days: stop the service and run keywitness keys rotate`,
  );
  t.log.warn(
    { event: 'signing_key_old', days },
    'the longer a key signs the longer a thief could: keywitness keys rotate',
  );
}

/** This instance keeps the log from now on: it signs, detects and tells for all. */
export function controlTaken(t: Telemetry): void {
  t.metrics.control.set(1);
  t.faults.delete('control');
  t.log.info({ event: 'control_taken' }, 'keeping the log: this instance signs, detects and tells for all');
}

/** Another one does. */
export function controlLost(t: Telemetry, error: unknown): void {
  t.metrics.control.set(0);
  const reason = error === undefined ? {} : { reason: errorText(error) };
  t.log.info({ event: 'control_lost', ...reason }, 'another instance keeps the log');
}

/** Nothing is signed meanwhile; the next heartbeat signs what is stored. */
export function controlDelayed(t: Telemetry, error: unknown): void {
  t.faults.set('control', `the log cannot be kept yet: ${errorText(error)}`);
  t.log.warn(
    { event: 'control_delayed', reason: errorText(error) },
    'the log cannot be kept yet; trying again',
  );
}

export function serviceDraining(t: Telemetry): void {
  t.log.info({ event: 'service_draining' }, 'taking no more; storing what was read');
}

export function serviceStopped(t: Telemetry): void {
  t.log.info({ event: 'service_stopped' }, 'everything read is stored, signed and anchored');
}

/** What grew is pinned, signed and in the anchor file. `downMs`: how long none was; undefined = the last one was too. */
export function heartbeatWritten(t: Telemetry, downMs: number | undefined): void {
  t.metrics.heartbeats.inc({ result: 'written' });
  t.faults.delete('ledger');
  if (downMs === undefined) return;
  t.log.info({ event: 'ledger_recovered', downMs }, 'what was stored meanwhile is signed and anchored');
}

/** Once an outage. Nothing is lost: what is stored is signed with the next heartbeat that can be, and the silence shows. */
export function heartbeatFailed(t: Telemetry, error: unknown, isFirst: boolean): void {
  t.metrics.heartbeats.inc({ result: 'failed' });
  t.faults.set('ledger', `no heartbeat can be signed: ${errorText(error)}`);
  if (!isFirst) return;
  t.log.error(
    { event: 'heartbeat_failed', reason: errorText(error) },
    'nothing can be signed or anchored now; trying again every 10 s',
  );
}

/** `late`: events behind the watermark since the start, which correlations and baselines did not see in order. */
export function roundDone(t: Telemetry, late: number): void {
  t.metrics.lateEvents.set(late);
  if (t.faults.delete('detection')) t.log.info({ event: 'detection_recovered' }, 'detection goes on');
}

/** Once an outage: rounds are a second apart. */
export function roundFailed(t: Telemetry, error: unknown): void {
  const isFirst = !t.faults.has('detection');
  t.faults.set('detection', 'the last round of detection or delivery failed');
  if (!isFirst) return;
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
