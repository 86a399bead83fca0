import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;

/** The flush of 20 k records takes ~0.3 s; above 10 s the store is ill. */
const flushSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * Every metric of the service, with its help text: `/metrics` and docs/deploy.md read the same list.
 * Labels are streams, partitions and reasons: never an identity, a secret's name or an address.
 */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter<L>({ name: `keywitness_${name}`, help, labelNames: [...labelNames], registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name: `keywitness_${name}`, help, labelNames: [...labelNames], registers });
  return {
    registry,
    records: counter('records_total', 'Records stored and read back.', ['stream']),
    duplicates: counter('records_repeated_total', 'Records delivered again and not stored twice.', [
      'stream',
    ]),
    recordsLost: counter('records_lost_total', 'Records the broker deleted before they were read.', [
      'stream',
    ]),
    epochs: counter('stream_epochs_total', 'Streams that began anew (topic re-created).', ['stream']),
    lag: gauge('lag_records', 'High watermark minus next offset; aborted transactions keep it above 0.', [
      'stream',
      'partition',
    ]),
    lateEvents: gauge('late_events', 'Events that came behind the watermark since the start.'),
    messages: counter('messages_total', 'Messages to people by what became of them.', ['channel', 'result']),
    channelUp: gauge('channel_up', '1 while a receiver of messages answers.', ['channel']),
    queue: gauge('queue_records', 'Records read and waiting for the next flush.', ['intake']),
    flushes: counter('flushes_total', 'Flushes by result.', ['result']),
    flushSeconds: new Histogram({
      name: 'keywitness_flush_seconds',
      help: 'From the start of a flush until it is durable and read back.',
      buckets: flushSeconds,
      registers,
    }),
    brokerUp: gauge('broker_up', '1 while the Kafka broker answers.'),
    topicsMissing: gauge('topics_missing', 'Topics of the configuration that are not there.'),
    brokerFailures: counter('broker_failures_total', 'Consumer sessions that ended with an error.'),
    control: gauge('control', '1 while this instance keeps the log for all.'),
    storeUp: gauge('store_up', '1 while the last flush was stored.'),
    heartbeats: counter('heartbeats_total', 'Heartbeats of the log, by result.', ['result']),
    anchorUp: gauge('anchor_up', '1 while a witness remembers our checkpoints.', ['anchor']),
    anchorHeads: counter('anchor_heads_total', 'Checkpoints shown to a witness, by result.', [
      'anchor',
      'result',
    ]),
    httpRequests: counter('http_requests_total', 'Requests by route and status.', ['route', 'status']),
  };
}
