/**
 * A second way to a topic's records, for `verify --replay`: no group of the service, no offset of anybody moved, and
 * nothing shared with the consumer (kafka.ts, kafkaReader.ts) but the connection.
 */
import { randomUUID } from 'node:crypto';
import type { Admin, Consumer } from 'kafkajs';
import { systemClock } from '../core/clock.ts';
import { KeywitnessError } from '../core/errors.ts';
import { type KafkaConnection, newAdmin, newKafka, retryPolicy } from './kafkaClient.ts';
import type { Message } from './kafkaRecord.ts';
import type { Watermarks } from './resume.ts';

/** Offsets `next` to `last` of a partition, both wanted. */
export interface Stretch {
  readonly partition: number;
  next: bigint;
  readonly last: bigint;
}

/** A record as it lies in the topic. */
export interface TopicRecord {
  readonly offset: bigint;
  readonly timestamp: bigint;
  readonly key: Buffer | null;
  /** Names and values as bytes, in order; a value that is null is empty. */
  readonly headers: readonly (readonly [Buffer, Buffer])[];
  readonly value: Buffer | null;
}

export interface TopicReader {
  /** By partition; undefined = there is no such topic, or it may not be described. */
  watermarks(topic: string): Promise<ReadonlyMap<number, Watermarks> | undefined>;
  /** Compaction removes records lawfully, at any offset. */
  isCompacted(topic: string): Promise<boolean>;
  /** The records of these stretches, each partition's in order; those the topic no longer has are left out. */
  read(
    topic: string,
    stretches: readonly Stretch[],
    take: (partition: number, records: readonly TopicRecord[]) => Promise<void>,
  ): Promise<void>;
  close(): Promise<void>;
}

/** A broker that gives nothing for so long has nothing more, or is ill. */
const silenceMaxMs = 60_000;
const partitionsAtOnce = 16;
/** A topic, among the protocol's kinds of what has a configuration. */
const topicResource = 2;

/** `group`: a name that the user may read with; what is made here begins with it, and is deleted. @throws KW_BROKER */
export async function openTopicReader(connection: KafkaConnection, group: string): Promise<TopicReader> {
  const admin = newAdmin(connection);
  await asked(() => admin.connect());
  return {
    watermarks: (topic) => asked(() => watermarksOf(admin, topic)),
    isCompacted: (topic) => isCompacted(admin, topic).catch(() => false),
    read: (topic, stretches, take) =>
      asked(async () => {
        const own = `${group}.replay-${randomUUID()}`;
        try {
          await readStretches(connection, own, topic, stretches, take);
        } finally {
          await admin.deleteGroups([own]).catch(() => {});
        }
      }),
    close: () => admin.disconnect(),
  };
}

async function watermarksOf(
  admin: Admin,
  topic: string,
): Promise<ReadonlyMap<number, Watermarks> | undefined> {
  if (!(await admin.listTopics()).includes(topic)) return undefined;
  const offsets = await admin.fetchTopicOffsets(topic);
  return new Map(offsets.map((o) => [o.partition, { low: BigInt(o.low), high: BigInt(o.high) }]));
}

async function isCompacted(admin: Admin, topic: string): Promise<boolean> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: topicResource, name: topic, configNames: ['cleanup.policy'] }],
  });
  const policy = resources[0]?.configEntries.find((e) => e.configName === 'cleanup.policy');
  return policy?.configValue.includes('compact') === true;
}

async function readStretches(
  connection: KafkaConnection,
  groupId: string,
  topic: string,
  stretches: readonly Stretch[],
  take: (partition: number, records: readonly TopicRecord[]) => Promise<void>,
): Promise<void> {
  const left = new Map(stretches.filter((s) => s.next <= s.last).map((s) => [s.partition, { ...s }]));
  if (left.size === 0) return;
  const consumer = newKafka(connection, () => {}).consumer({
    groupId,
    maxWaitTimeInMs: 100,
    allowAutoTopicCreation: false,
    retry: { ...retryPolicy, restartOnFailure: async () => false },
  });
  const over = new AbortController();
  let failure: unknown;
  const end = (error?: unknown) => {
    failure ??= error;
    over.abort();
  };
  const guard = progressGuard(() => end(new Error(`${topic} gave nothing for ${silenceMaxMs / 1000} s`)));
  consumer.on(consumer.events.CRASH, ({ payload }) => end(payload.error));
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
    position(consumer, topic, payload.memberAssignment[topic] ?? [], left),
  );
  // Also of a batch that held only control records or aborted data, which no handler sees.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    const stretch = left.get(payload.partition);
    if (stretch === undefined || payload.lastOffset === null) return;
    guard.touch();
    stretch.next = maxOf(stretch.next, BigInt(payload.lastOffset) + 1n);
    if (stretch.next <= stretch.last) return;
    left.delete(payload.partition);
    consumer.pause([{ topic, partitions: [payload.partition] }]);
    if (left.size === 0) end();
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: partitionsAtOnce,
      eachBatch: async ({ batch, isStale }) => {
        const stretch = left.get(batch.partition);
        if (stretch === undefined || isStale()) return;
        const { next, last } = stretch;
        const records = batch.messages.map(topicRecord).filter((r) => r.offset >= next && r.offset <= last);
        if (records.length > 0) await take(batch.partition, records).catch(end);
      },
    });
    await aborted(over.signal);
  } finally {
    guard.stop();
    await consumer.disconnect().catch(() => {});
  }
  if (failure !== undefined) throw failure;
}

/** Whenever the group is joined, also again: each stretch from where it stands, and nothing else. */
function position(
  consumer: Consumer,
  topic: string,
  assigned: readonly number[],
  left: ReadonlyMap<number, Stretch>,
): void {
  const partitions = assigned.filter((partition) => !left.has(partition));
  if (partitions.length > 0) consumer.pause([{ topic, partitions }]);
  for (const { partition, next } of left.values()) consumer.seek({ topic, partition, offset: String(next) });
}

function progressGuard(onSilence: () => void): { touch(): void; stop(): void } {
  let timer = setTimeout(onSilence, silenceMaxMs);
  return {
    touch() {
      clearTimeout(timer);
      timer = setTimeout(onSilence, silenceMaxMs);
    },
    stop: () => clearTimeout(timer),
  };
}

/** `keepHeadersExact` gives each name as `INDEX:LATIN1`; here the index decides the order. */
function topicRecord(message: Message): TopicRecord {
  const headers = Object.entries(message.headers ?? {}).map(([name, value]) => {
    const colon = name.indexOf(':');
    const bytes = Buffer.isBuffer(value) ? value : Buffer.alloc(0);
    return {
      at: Number(name.slice(0, colon)),
      pair: [Buffer.from(name.slice(colon + 1), 'latin1'), bytes] as const,
    };
  });
  return {
    offset: BigInt(message.offset),
    timestamp: BigInt(message.timestamp),
    key: message.key,
    headers: headers.sort((a, b) => a.at - b.at).map((h) => h.pair),
    value: message.value,
  };
}

async function asked<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof KeywitnessError) throw error;
    throw new KeywitnessError('KW_BROKER', error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await systemClock.sleep(silenceMaxMs, signal);
}

function maxOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
