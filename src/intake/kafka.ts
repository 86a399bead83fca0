/**
 * The consumer group: connects, joins, hands batches to the reader, and begins a new session when one crashed.
 * What the client library really does when things go wrong is in docs/kafka.md.
 */
import { setMaxListeners } from 'node:events';
import type { Admin, Consumer, ConsumerGroupJoinEvent, EachBatchPayload, Kafka, Producer } from 'kafkajs';
import { systemClock } from '../core/clock.ts';
import { KeywitnessError } from '../core/errors.ts';
import * as events from '../telemetry/intakeEvents.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { backoffMs } from './backoff.ts';
import type { Intake, IntakeSink } from './intake.ts';
import { type KafkaConnection, newAdmin, newKafka, retryPolicy } from './kafkaClient.ts';
import { KafkaReader } from './kafkaReader.ts';
import { topicIdOf } from './kafkaTopicId.ts';
import { chosenTopics, isSameList, type TopicSelection } from './kafkaTopics.ts';
import { type Assigned, controlTopic, type Group, type Membership } from './membership.ts';
import { Outage } from './outage.ts';
import { partitionName } from './partition.ts';
import type { Watermarks } from './resume.ts';
import { waitAlive } from './waiting.ts';

export interface KafkaOptions extends KafkaConnection {
  /** The cluster's name in stream names: `CLUSTER.TOPIC`. */
  readonly cluster: string;
  readonly topics: TopicSelection;
  readonly group: string;
  /** Where several instances share a store; absent = alone. */
  readonly membership?: Membership;
}

/** 1 MiB costs 3.2 µs a record, 8 MiB 4.2: larger answers are colder. */
const fetchBytesPerPartition = 1024 * 1024;
const fetchWaitMs = 100;
/**
 * After a crash or a broker's restart the group waits this long for the member that is no more, so it is the
 * time to recover; flushes are longer only when the store is ill, and waiting sends heartbeats.
 */
const sessionTimeoutMs = 15_000;
const heartbeatIntervalMs = 3_000;
/** All partitions of one answer are handed over at once: more than this many in one process is not sensible. */
const partitionsAtOnce = 256;
/** How long until a topic that is new, or gone, is noticed, and a partition that was added. */
const topicsEveryMs = 5_000;
/** While there is none to read, or one that is named is not there. */
const missingEveryMs = 1_000;
/** A topic that is away says so many times a second: look when it has been quiet for as long as this. */
const suspicionMs = 250;
const topicIsSuspicious = /UNKNOWN_TOPIC_OR_PARTITION|does not host this topic-partition|Offset out of range/;

/** A broker that has just started, or a group's first member, may ask for a moment: this often that is no outage. */
const loadingMax = 5;
const coordinatorIsLoading = /coordinator is (loading|not available)/;

/** Why a session ended that nothing is wrong with. */
const topicsChanged = Symbol('other topics are to be read');

/** Starts consuming and returns at once; a broker that is down is waited for. */
export function startKafka(options: KafkaOptions, sink: IntakeSink, telemetry: Telemetry): Intake {
  const intake = new KafkaIntake(options, sink, telemetry);
  return { stop: () => intake.stop(), isWaiting: () => intake.isWaiting, ended: intake.run() };
}

class KafkaIntake {
  readonly #options: KafkaOptions;
  readonly #telemetry: Telemetry;
  readonly #kafka: Kafka;
  readonly #reader: KafkaReader;
  readonly #stopping = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  #failure: unknown;
  #endSession: (error: unknown) => void = () => {};
  #consumer: Consumer | undefined;
  /** For the control topic; one a session. */
  #producer: Producer | undefined;
  /** One a session: it asks about every topic it was ever asked about, and fails while one of them is gone. */
  #admin: Admin;
  #missing: readonly string[] = [];
  readonly #outage = new Outage();

  constructor(options: KafkaOptions, sink: IntakeSink, telemetry: Telemetry) {
    // Every partition that waits listens for the end.
    setMaxListeners(0, this.#stopping.signal);
    this.#options = options;
    this.#telemetry = telemetry;
    this.#kafka = newKafka(options, (line) => this.#kafkaSays(line));
    this.#admin = newAdmin(options);
    this.#reader = new KafkaReader({
      cluster: options.cluster,
      sink,
      telemetry,
      stopping: this.#stopping.signal,
      client: {
        seek: (at) => this.#consumer?.seek(at),
        commit: async (offsets) => this.#consumer?.commitOffsets([...offsets]),
        watermarks: (at) => this.#watermarks(at),
        topicIds: (topics) => this.#topicIds(topics),
        claimed: async () => options.membership?.claimed(),
        reclaim: () => options.membership?.reclaim(),
        answered: () => this.#answered(),
        troubled: (error) => this.#troubled(error),
        fail: (error) => this.#fail(error),
        isClientError: (error) => nameOf(error).startsWith('KafkaJS'),
      },
    });
  }

  /** Sessions one after the other until stopped. Rejects with what a restart of the process may cure. */
  run(): Promise<void> {
    this.#ended = this.#supervise();
    return this.#ended;
  }

  async stop(): Promise<void> {
    const started = Date.now();
    this.#stopping.abort();
    await this.#reader.drain();
    await this.#options.membership?.leaving();
    this.#endSession(undefined);
    await this.#ended.catch(() => {});
    events.consumerDrained(this.#telemetry, Date.now() - started);
  }

  get isWaiting(): boolean {
    return this.#outage.isOpen || this.#reader.isWaiting;
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #supervise(): Promise<void> {
    let loading = 0;
    for (let failures = 0; !this.#isStopping; failures++) {
      const error = await this.#session();
      if (this.#isStopping || this.#failure !== undefined) break;
      if (!this.#outage.isOpen) failures = 0;
      if (error === topicsChanged) continue;
      loading = isLoading(error) ? loading + 1 : 0;
      if (loading === 0 || loading > loadingMax) this.#troubled(error);
      await systemClock.sleep(backoffMs(Math.max(failures, loading)), this.#stopping.signal);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** One consumer from connect to crash or stop; what ended it. kafkajs never restarts by itself. */
  async #session(): Promise<unknown> {
    const ended = new Promise<unknown>((resolve) => {
      this.#endSession = resolve;
    });
    const over = new AbortController();
    let error: unknown;
    let watching: Promise<void> | undefined;
    try {
      this.#admin = newAdmin(this.#options);
      await this.#admin.connect();
      const topics = await this.#firstTopics();
      if (topics.length > 0) {
        await this.#requireControlTopic();
        await this.#consume(topics);
        watching = this.#watchTopics(topics, over.signal);
        error = await ended;
      }
    } catch (caught) {
      error = caught;
    }
    over.abort();
    const consumer = this.#consumer;
    this.#consumer = undefined;
    this.#options.membership?.joined([], false, this.#group('', []));
    await this.#reader.release();
    await consumer?.disconnect().catch(() => {});
    await this.#producer?.disconnect().catch(() => {});
    this.#producer = undefined;
    await watching;
    await this.#admin.disconnect().catch(() => {});
    if (error instanceof KeywitnessError && error.code === 'KW_CONTROL') this.#failure = error;
    // A compression nobody can read does not get better by trying again.
    if (nameOf(error) === 'KafkaJSNotImplemented') {
      this.#failure = new KeywitnessError(
        'KW_BROKER',
        `A batch is compressed in a way that this version does not know (${(error as Error).message}). Nothing is lost: it waits in its topic.`,
        { cause: error },
      );
    }
    return error;
  }

  async #consume(topics: readonly string[]): Promise<void> {
    const { group, membership } = this.#options;
    const consumer = this.#kafka.consumer({
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: heartbeatIntervalMs,
      maxBytesPerPartition: fetchBytesPerPartition,
      maxWaitTimeInMs: fetchWaitMs,
      metadataMaxAge: topicsEveryMs,
      allowAutoTopicCreation: false,
      retry: { ...retryPolicy, restartOnFailure: async () => false },
    });
    this.#consumer = consumer;
    consumer.on(consumer.events.CRASH, ({ payload }) => this.#endSession(payload.error));
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => this.#joined(payload, topics));
    if (membership !== undefined) {
      this.#producer = this.#kafka.producer({ allowAutoTopicCreation: false });
      await this.#producer.connect();
    }
    await consumer.connect();
    const control = membership === undefined ? [] : [controlTopic];
    // `false` would jump to the end, and lose records, whenever an offset is out of range.
    await consumer.subscribe({ topics: [...topics, ...control], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: partitionsAtOnce,
      eachBatch: (payload) =>
        payload.batch.topic === controlTopic ? this.#controlBatch(payload) : this.#reader.eachBatch(payload),
    });
    events.consumerStarted(this.#telemetry, topics, group);
  }

  /** Waits until there is a topic to read; none when stopped before. */
  async #firstTopics(): Promise<readonly string[]> {
    for (;;) {
      const topics = await this.#chosenTopics();
      if (topics.length > 0 || this.#isStopping) return topics;
      this.#answered();
      await systemClock.sleep(missingEveryMs, this.#stopping.signal);
    }
  }

  /** Ends the session when other topics are to be read: the next one begins with them. Never rejects. */
  async #watchTopics(topics: readonly string[], over: AbortSignal): Promise<void> {
    for (;;) {
      await systemClock.sleep(this.#missing.length > 0 ? missingEveryMs : topicsEveryMs, over);
      if (over.aborted) return;
      // A broker that does not answer is told by the session itself.
      const now = await this.#chosenTopics(topics).catch(() => topics);
      if (!isSameList(now, topics)) this.#endSession(topicsChanged);
    }
  }

  /** `read`: those that are read now. One that seems gone is looked for twice: a broker may not know it yet. */
  async #chosenTopics(read: readonly string[] = []): Promise<readonly string[]> {
    const look = async () => chosenTopics(this.#options.topics, await this.#admin.listTopics());
    let { topics, missing } = await look();
    if (read.some((topic) => !topics.includes(topic))) {
      await systemClock.sleep(missingEveryMs, this.#stopping.signal);
      ({ topics, missing } = await look());
    }
    if (!isSameList(missing, this.#missing)) events.topicsMissing(this.#telemetry, missing);
    this.#missing = missing;
    return topics;
  }

  #joined(
    { memberId, memberAssignment }: ConsumerGroupJoinEvent['payload'],
    topics: readonly string[],
  ): void {
    this.#answered();
    const all = Object.entries(memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition): Assigned => ({ topic, partition })),
    );
    events.partitionsAssigned(this.#telemetry, all.map(partitionName));
    const list = all.filter(({ topic }) => topic !== controlTopic);
    this.#options.membership?.joined(list, list.length < all.length, this.#group(memberId, topics));
    this.#reader.assign(list);
  }

  /** What is not taken is delivered again. */
  async #controlBatch({ batch, resolveOffset, heartbeat }: EachBatchPayload): Promise<void> {
    const values = batch.messages.map(({ value }) => value ?? Buffer.alloc(0));
    try {
      await waitAlive(this.#options.membership?.receive(values) ?? Promise.resolve(), heartbeat);
    } catch (error) {
      if (!(error instanceof KeywitnessError)) throw error;
      await waitAlive(systemClock.sleep(missingEveryMs, this.#stopping.signal), heartbeat);
      return;
    }
    resolveOffset(batch.lastOffset());
    const next = String(BigInt(batch.lastOffset()) + 1n);
    await this.#consumer
      ?.commitOffsets([{ topic: batch.topic, partition: batch.partition, offset: next }])
      .catch((error: unknown) => events.commitFailed(this.#telemetry, error));
  }

  #group(memberId: string, topics: readonly string[]): Group {
    const admin = this.#admin;
    const producer = this.#producer;
    return {
      append: async (value) => {
        if (producer === undefined) throw new Error('the session with the cluster has ended');
        const [sent] = await producer.send({ topic: controlTopic, acks: -1, messages: [{ value }] });
        return BigInt(sent?.baseOffset ?? 0);
      },
      memberId,
      members: async () => {
        const { groups } = await admin.describeGroups([this.#options.group]);
        return (groups[0]?.members ?? []).map((m) => m.memberId);
      },
      highs: async () => {
        const lists = await Promise.all(
          topics.map(async (topic) => ({ topic, offsets: await admin.fetchTopicOffsets(topic) })),
        );
        return lists.flatMap(({ topic, offsets }) =>
          offsets.map(({ partition, high }) => ({ topic, partition, high: BigInt(high) })),
        );
      },
    };
  }

  /** @throws KW_CONTROL with the command that makes it */
  async #requireControlTopic(): Promise<void> {
    if (this.#options.membership === undefined) return;
    const existing = await this.#admin.listTopics();
    const partitions = existing.includes(controlTopic)
      ? (await this.#admin.fetchTopicMetadata({ topics: [controlTopic] })).topics[0]?.partitions.length
      : 0;
    if (partitions === 1) return;
    const what = partitions === 0 ? 'is not there' : `has ${partitions} partitions and must have one`;
    throw new KeywitnessError(
      'KW_CONTROL',
      `${controlTopic} ${what}. Nothing is read before. kafka-topics.sh --bootstrap-server ${this.#options.brokers[0]} ` +
        `--create --topic ${controlTopic} --partitions 1 --config cleanup.policy=delete --config retention.ms=604800000`,
    );
  }

  async #watermarks({ topic, partition }: { topic: string; partition: number }): Promise<Watermarks> {
    const offsets = await this.#admin.fetchTopicOffsets(topic);
    const found = offsets.find((o) => o.partition === partition);
    if (found === undefined) throw new Error(`partition ${topic}/${partition} has no offsets`);
    return { low: BigInt(found.low), high: BigInt(found.high) };
  }

  async #topicIds(topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const metadata = await this.#admin.fetchTopicMetadata({ topics: [...topics] });
    return new Map(metadata.topics.map(({ name, partitions }) => [name, topicIdOf(partitions)]));
  }

  #answered(): void {
    const downMs = this.#outage.end(Date.now());
    if (downMs !== undefined) events.brokerRecovered(this.#telemetry, this.#options.brokers, downMs);
  }

  #troubled(error: unknown): void {
    const isFirst = this.#outage.begin(Date.now());
    events.brokerUnreachable(this.#telemetry, this.#options.brokers, error, isFirst);
  }

  /** A bug, or what cannot get better: end, and let the supervisor of the process start it again. */
  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#stopping.abort();
    this.#reader.assign([]);
    this.#endSession(error);
  }

  /** kafkajs has no event for a topic that was re-created; the error its fetch met in between is only logged. */
  #kafkaSays(line: string): void {
    if (topicIsSuspicious.test(line)) this.#reader.restart(suspicionMs);
  }
}

function isLoading(error: unknown): boolean {
  return error instanceof Error && coordinatorIsLoading.test(error.message);
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}
