/** What can happen while records come in. One function an event: log line and metric together. */
import type { StreamKey } from '../core/record.ts';
import { errorText, type Telemetry } from './telemetry.ts';

export function consumerStarted(t: Telemetry, topics: readonly string[], group: string): void {
  t.log.info({ event: 'consumer_started', topics, group }, 'consuming');
}

/** Each time the list changed; an empty one says that all are there again. */
export function topicsMissing(t: Telemetry, topics: readonly string[]): void {
  t.metrics.topicsMissing.set(topics.length);
  if (topics.length === 0) {
    t.faults.delete('topics');
    t.log.info({ event: 'topics_found' }, 'every topic of the configuration is there');
  } else {
    t.faults.set('topics', `not there, or not to be described: ${topics.join(', ')}`);
    t.log.error(
      { event: 'topics_missing', topics },
      'These topics of the configuration are not there, or may not be described. The others are read; looking again every second.',
    );
  }
}

export function partitionsAssigned(t: Telemetry, partitions: readonly string[]): void {
  t.metrics.brokerUp.set(1);
  t.faults.delete('broker');
  t.log.info({ event: 'partitions_assigned', partitions }, 'partitions assigned');
}

/** Once an outage: what repeats while it lasts is only counted. */
export function brokerUnreachable(
  t: Telemetry,
  brokers: readonly string[],
  error: unknown,
  isFirst: boolean,
): void {
  t.metrics.brokerUp.set(0);
  t.faults.set('broker', 'Kafka cannot be read; records wait in the topic');
  t.metrics.brokerFailures.inc();
  if (!isFirst) return;
  t.log.error(
    { event: 'broker_unreachable', code: 'KW_BROKER', brokers, reason: errorText(error) },
    'Kafka cannot be read. Nothing is lost: records wait in the topic. Trying again until it can.',
  );
}

export function brokerRecovered(t: Telemetry, brokers: readonly string[], downMs: number): void {
  t.metrics.brokerUp.set(1);
  t.faults.delete('broker');
  t.log.info({ event: 'broker_recovered', brokers, downMs }, 'Kafka is read again');
}

export function partitionResumed(t: Telemetry, key: StreamKey, nextOffset: bigint): void {
  const { stream, partition, epoch } = key;
  t.log.debug(
    { event: 'partition_resumed', stream, partition, epoch, nextOffset: `${nextOffset}` },
    'reading on',
  );
}

export function recordsRepeated(t: Telemetry, key: StreamKey, count: number): void {
  t.metrics.duplicates.inc({ stream: key.stream }, count);
}

export function recordsLost(t: Telemetry, key: StreamKey, first: bigint, last: bigint): void {
  t.metrics.recordsLost.inc({ stream: key.stream }, Number(last - first + 1n));
  t.log.error(
    { event: 'records_lost', ...place(key), first: `${first}`, last: `${last}` },
    'The broker deleted records before they were read (retention too short, or consumer too late). ' +
      'The gap is in the ledger. Raise retention.ms of the topic.',
  );
}

export function epochBegan(t: Telemetry, key: StreamKey, reason: string): void {
  t.metrics.epochs.inc({ stream: key.stream });
  t.log.error(
    { event: 'epoch_began', ...place(key), reason },
    'The topic is not the one that was read before: a new epoch began, what is stored stays. ' +
      'Find out who re-created or truncated it.',
  );
}

export function lagSeen(t: Telemetry, key: StreamKey, lagRecords: number): void {
  t.metrics.lag.set({ stream: key.stream, partition: String(key.partition) }, lagRecords);
}

export function flushStored(
  t: Telemetry,
  recordsByStream: ReadonlyMap<string, number>,
  tookMs: number,
): void {
  for (const [stream, count] of recordsByStream) t.metrics.records.inc({ stream }, count);
  t.metrics.flushes.inc({ result: 'stored' });
  t.metrics.flushSeconds.observe(tookMs / 1000);
  t.metrics.storeUp.set(1);
  t.faults.delete('store');
}

/** Once an outage: what repeats while it lasts is only counted. */
export function flushFailed(t: Telemetry, error: unknown, isFirst: boolean): void {
  t.metrics.flushes.inc({ result: 'failed' });
  t.metrics.storeUp.set(0);
  t.faults.set('store', 'the store takes no records; they are delivered again');
  if (!isFirst) return;
  t.log.error(
    { event: 'flush_failed', reason: errorText(error) },
    'The store did not take a flush. Nothing is lost: no offset moved, the records are delivered again. Trying again.',
  );
}

export function storeRecovered(t: Telemetry, downMs: number): void {
  t.metrics.storeUp.set(1);
  t.faults.delete('store');
  t.log.info({ event: 'store_recovered', downMs }, 'the store takes records again');
}

/** The group gave the partitions away, the topic is another one, or nobody said: read again from our store's mark. */
export function flushNotOurs(t: Telemetry, records: number, error: unknown): void {
  t.metrics.flushes.inc({ result: 'not_ours' });
  t.log.warn(
    { event: 'flush_not_ours', records, reason: errorText(error) },
    'it is not certain that these records are still ours to store: they are read again, by us or by whoever has them now',
  );
}

export function commitFailed(t: Telemetry, error: unknown): void {
  t.log.debug(
    { event: 'commit_failed', reason: errorText(error) },
    'offset hint not committed; the store decides',
  );
}

export function consumerDrained(t: Telemetry, tookMs: number): void {
  t.log.info({ event: 'consumer_drained', tookMs }, 'consumer stopped');
}

export function queueSeen(t: Telemetry, intake: 'kafka' | 'http', records: number): void {
  t.metrics.queue.set({ intake }, records);
}

export function httpAnswered(t: Telemetry, route: string, status: number): void {
  t.metrics.httpRequests.inc({ route, status: String(status) });
}

function place({ stream, partition, epoch }: StreamKey): {
  stream: string;
  partition: number;
  epoch: number;
} {
  return { stream, partition, epoch };
}
