/**
 * Records from Kafka, exactly once into the store (docs/kafka.md), without knowing the client library.
 *
 * Reading runs ahead of storing: a batch is queued and moves the fetch position only; a flush stores, and then
 * the committed offset follows as a hint for lag displays. Where to go on is always asked from our own store.
 * Whatever goes wrong (store refused, membership lost, topic suspicious), there is one answer: forget what is
 * queued, ask the store again, seek there.
 */
import { systemClock } from '../core/clock.ts';
import { KeywitnessError } from '../core/errors.ts';
import { type StreamKey, streamKeyText } from '../core/record.ts';
import * as events from '../telemetry/intakeEvents.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { backoffMs } from './backoff.ts';
import { Batcher } from './batcher.ts';
import {
  flushBytesMax,
  flushIntervalMs,
  flushRecordsMax,
  type IntakeSink,
  type StoredEnd,
} from './intake.ts';
import { kafkaRecord, type Message, messageBytes } from './kafkaRecord.ts';
import { Outage } from './outage.ts';
import {
  countByStream,
  type NextOffset,
  newPartition,
  nextOffsets,
  type Partition,
  partitionName,
  type Queued,
  streamKey,
} from './partition.ts';
import { planNewEpoch, planResume, type ResumePlan, type Watermarks } from './resume.ts';
import { waitAlive, withinMs } from './waiting.ts';

/** The service drains within 10 s; leaving the group takes the rest. */
const drainMaxMs = 8_000;
/** A read-back that differs this often in a row is no hiccup: end, say so, and let a person look. */
const readBackFailuresMax = 5;
/** Longer than the client library skips heartbeats: by then the group has said whether we are a member. */
const fencedPauseMs = 4_000;

/** One answer of the broker for one partition, with what kafkajs lets a handler do. */
export interface Payload {
  readonly batch: {
    readonly topic: string;
    readonly partition: number;
    readonly highWatermark: string;
    readonly messages: readonly Message[];
    /** With control records, which are not among the messages. */
    lastOffset(): string;
  };
  resolveOffset(offset: string): void;
  heartbeat(): Promise<void>;
  isRunning(): boolean;
  isStale(): boolean;
}

/** What the reader needs from the client library. */
export interface ReaderClient {
  seek(at: NextOffset): void;
  commit(offsets: readonly NextOffset[]): Promise<void>;
  watermarks(at: { topic: string; partition: number }): Promise<Watermarks>;
  /** Ids by topic: a topic that was deleted and re-created has another one. */
  topicIds(topics: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Resolves when this instance has claimed what the group gave it; at once where it is alone. */
  claimed(): Promise<void>;
  /** We are a member, and another's claim came between: the next beginning claims again. */
  reclaim(): void;
  /** The broker answered, or did not. */
  answered(): void;
  troubled(error: unknown): void;
  /** A bug, or what cannot get better. */
  fail(error: unknown): void;
  isClientError(error: unknown): boolean;
}

export class KafkaReader {
  readonly #cluster: string;
  readonly #sink: IntakeSink;
  readonly #telemetry: Telemetry;
  readonly #client: ReaderClient;
  readonly #stopping: AbortSignal;
  readonly #batcher: Batcher<Queued>;
  readonly #gapsTold = new Set<string>();
  /** Id of the topic that the last stored record of a partition is of. */
  readonly #storedIds = new Map<string, string>();
  readonly #storeOutage = new Outage();
  #storeFailures = 0;
  #heartbeat: () => Promise<void> = async () => {};
  #partitions = new Map<string, Partition>();

  constructor(options: {
    cluster: string;
    sink: IntakeSink;
    telemetry: Telemetry;
    client: ReaderClient;
    stopping: AbortSignal;
  }) {
    this.#cluster = options.cluster;
    this.#sink = options.sink;
    this.#telemetry = options.telemetry;
    this.#client = options.client;
    this.#stopping = options.stopping;
    this.#batcher = new Batcher<Queued>({
      flush: (entries) => this.#flush(entries),
      onBug: (error) => this.#client.fail(error),
      recordsMax: flushRecordsMax,
      bytesMax: flushBytesMax,
      intervalMs: flushIntervalMs,
    });
  }

  get isWaiting(): boolean {
    return this.#storeOutage.isOpen || this.#batcher.records > 0;
  }

  /** Stores what is queued, but waits no longer than the service may take to drain. */
  async drain(): Promise<void> {
    // What is not stored by then is read again from the topic.
    await withinMs(this.#batcher.drain(), drainMaxMs);
  }

  /** Forgets the partitions and waits for the flush under way; when stopping, `drain` has waited already. */
  async release(): Promise<void> {
    this.assign([]);
    if (!this.#stopping.aborted) await this.#batcher.settled();
  }

  /** Begins with the same partitions again, from where the store stands. */
  restart(delayMs = 0): void {
    this.assign([...this.#partitions.values()], delayMs);
  }

  /** Takes over these partitions, from where the store stands. */
  assign(list: readonly { topic: string; partition: number }[], delayMs = 0): void {
    for (const partition of this.#partitions.values()) partition.isDropped = true;
    this.#partitions = new Map();
    this.#batcher.clear();
    // The flush that is under way belongs to the old beginning: the store's end is asked after it.
    const settled = this.#batcher.settled();
    let recovering: Promise<void> | undefined;
    const recover = () => {
      recovering ??= settled.then(() => this.#client.claimed()).then(() => this.#sink.recover());
      return recovering;
    };
    for (const { topic, partition } of list) {
      const added = newPartition(this.#cluster, topic, partition);
      this.#partitions.set(partitionName(added), added);
      added.ready = this.#prepare(added, delayMs, async () => {
        try {
          await recover();
        } catch (error) {
          recovering = undefined;
          throw error;
        }
      });
    }
  }

  /** Finds out where to go on; tries until it is known or no longer asked for. Never rejects. */
  async #prepare(partition: Partition, delayMs: number, recover: () => Promise<void>): Promise<void> {
    const waitMs = this.#storeFailures > 0 ? backoffMs(this.#storeFailures) : delayMs;
    if (waitMs > 0) await systemClock.sleep(waitMs, this.#stopping);
    for (let attempt = 0; !partition.isDropped && !this.#stopping.aborted; attempt++) {
      try {
        await recover();
        const stored = await this.#sink.authority(partition.stream, partition.partition);
        const ids = await this.#client.topicIds([partition.topic]);
        partition.topicId = ids.get(partition.topic) ?? '';
        const marks = await this.#client.watermarks(partition);
        this.#client.answered();
        await this.#follow(partition, this.#plan(partition, stored, marks));
        partition.isReady = true;
        return;
      } catch (error) {
        if (partition.isDropped) return;
        this.#troubled(error);
        await systemClock.sleep(backoffMs(attempt), this.#stopping);
      }
    }
  }

  #plan(partition: Partition, stored: StoredEnd | undefined, marks: Watermarks): ResumePlan {
    const known = this.#storedIds.get(partitionName(partition));
    if (stored === undefined || known === undefined || known === partition.topicId) {
      return planResume(stored, marks);
    }
    return planNewEpoch(stored.epoch, marks, 'the topic was deleted and made again');
  }

  async #follow(partition: Partition, plan: ResumePlan): Promise<void> {
    if (partition.isDropped) return;
    const key = { stream: partition.stream, partition: partition.partition, epoch: plan.epoch };
    if (plan.newEpoch !== '') {
      await this.#sink.onEpoch(key, plan.newEpoch);
      events.epochBegan(this.#telemetry, key, plan.newEpoch);
    }
    if (plan.lost !== undefined) await this.#lost(key, plan.lost.first, plan.lost.last);
    partition.epoch = plan.epoch;
    partition.next = plan.next;
    partition.verify = plan.verify;
    this.#seek(partition, plan.seek);
    events.partitionResumed(this.#telemetry, key, plan.next);
  }

  async #lost(key: StreamKey, first: bigint, last: bigint): Promise<void> {
    const gap = `${streamKeyText(key)}/${first}-${last}`;
    // A beginning that is interrupted is made again: the loss is the same one.
    if (this.#gapsTold.has(gap)) return;
    await this.#sink.onGap(key, first, last);
    this.#gapsTold.add(gap);
    events.recordsLost(this.#telemetry, key, first, last);
  }

  #seek({ topic, partition, isDropped }: Partition, offset: bigint): void {
    if (isDropped) return;
    this.#client.seek({ topic, partition, offset: String(offset) });
  }

  async eachBatch(payload: Payload): Promise<void> {
    const partition = this.#partitions.get(partitionName(payload.batch));
    if (partition === undefined) return;
    this.#heartbeat = payload.heartbeat;
    try {
      await this.#take(partition, payload);
    } catch (error) {
      // kafkajs deals with its own (re-joining a group is one); ours say that the store is away.
      if (this.#client.isClientError(error)) throw error;
      if (!isStoreError(error)) return this.#client.fail(error);
      this.#troubled(error);
      if (!partition.isDropped) this.restart();
    }
  }

  /** Queues a batch and moves the fetch position; waits, alive, while the store is slower than the broker. */
  async #take(partition: Partition, payload: Payload): Promise<void> {
    const { batch, resolveOffset } = payload;
    if (!partition.isReady) await waitAlive(partition.ready, payload.heartbeat);
    if (this.#batcher.isFull) await waitAlive(this.#batcher.room(), payload.heartbeat);
    if (!this.#mayTake(partition, payload)) return;
    const first = batch.messages[0];
    const last = batch.messages.at(-1);
    if (first === undefined || last === undefined) return;
    if (!(await this.#isContinued(partition, first))) return;
    if (!this.#mayTake(partition, payload)) return;
    const fresh = batch.messages.filter((message) => BigInt(message.offset) >= partition.next);
    if (fresh.length > 0) this.#queue(partition, fresh);
    partition.next = maxOf(partition.next, BigInt(batch.lastOffset()) + 1n);
    resolveOffset(last.offset);
    const high = BigInt(batch.highWatermark);
    this.#sink.onHigh(streamKey(partition), high);
    events.lagSeen(this.#telemetry, streamKey(partition), Number(high - partition.next));
  }

  /** A pending seek makes this batch one of the position before it. */
  #mayTake(partition: Partition, payload: Payload): boolean {
    return !partition.isDropped && !this.#stopping.aborted && payload.isRunning() && !payload.isStale();
  }

  #queue(partition: Partition, messages: readonly Message[]): void {
    const key = streamKey(partition);
    const list = messages.map((message) => kafkaRecord(key, message));
    const bytes = messages.reduce((sum, message) => sum + messageBytes(message), 0);
    this.#batcher.push({ partition, list, records: list.length, bytes });
    events.queueSeen(this.#telemetry, 'kafka', this.#batcher.records);
  }

  /** Does what arrived go on where we stand? False = it was dealt with by beginning again elsewhere. */
  async #isContinued(partition: Partition, first: Message): Promise<boolean> {
    const offset = BigInt(first.offset);
    const { verify } = partition;
    if (verify !== undefined && offset === verify) {
      const record = kafkaRecord(streamKey(partition), first);
      const isSame = await this.#sink.isStored(record);
      partition.verify = undefined;
      if (isSame) {
        // A process that was killed after its flush had no time for this.
        await this.#commit([
          { topic: partition.topic, partition: partition.partition, offset: String(partition.next) },
        ]);
        return true;
      }
      const reason = `the record at offset ${offset} is not the one that was stored`;
      await this.#follow(
        partition,
        planNewEpoch(partition.epoch, await this.#client.watermarks(partition), reason),
      );
      return false;
    }
    partition.verify = undefined;
    if (offset < partition.next) {
      // Behind us without a seek of ours: the broker reset the position, so the topic may be another one.
      events.recordsRepeated(this.#telemetry, streamKey(partition), 1);
      this.restart();
      return false;
    }
    if (offset > partition.next) {
      const { low } = await this.#client.watermarks(partition);
      // Otherwise a hole of control records, aborted transactions or compaction: nothing was lost.
      if (low > partition.next) await this.#lost(streamKey(partition), partition.next, low - 1n);
    }
    return true;
  }

  async #flush(entries: readonly Queued[]): Promise<void> {
    const started = Date.now();
    const records = entries.flatMap((entry) => entry.list);
    try {
      // The only sign of a lost membership that kafkajs gives; the store's own fence stands behind it.
      await this.#heartbeat();
      await this.#checkTopics(entries);
    } catch (error) {
      events.flushNotOurs(this.#telemetry, records.length, error);
      this.restart();
      return;
    }
    try {
      await this.#sink.deliver(records);
    } catch (error) {
      if (codeOf(error) === 'KW_FENCED') return this.#fenced(records.length, error);
      if (!isStoreError(error) || this.#isHopeless(error)) return this.#client.fail(error);
      this.#troubled(error);
      this.restart();
      return;
    }
    this.#stored(entries, Date.now() - started);
    await this.#commit(nextOffsets(entries));
  }

  /** Another instance has claimed these partitions. If the group still knows us its claim was late: ours is made again. */
  async #fenced(records: number, error: unknown): Promise<void> {
    events.flushNotOurs(this.#telemetry, records, error);
    try {
      await this.#heartbeat();
      this.#client.reclaim();
    } catch {
      // The client library joins again by itself.
    }
    this.restart(fencedPauseMs);
  }

  /**
   * Are these records of the topics that reading began with? kafkajs reads on in a topic that was re-created and has
   * more records than we had read, without a word; its id was asked for before the first of them.
   */
  async #checkTopics(entries: readonly Queued[]): Promise<void> {
    const ids = await this.#client.topicIds([...new Set(entries.map((e) => e.partition.topic))]);
    for (const { partition } of entries) {
      if (partition.isDropped || ids.get(partition.topic) === partition.topicId) continue;
      throw new Error(`topic ${partition.topic} is not the one that reading began with`);
    }
  }

  #stored(entries: readonly Queued[], tookMs: number): void {
    events.flushStored(this.#telemetry, countByStream(entries), tookMs);
    for (const { partition } of entries) this.#storedIds.set(partitionName(partition), partition.topicId);
    events.queueSeen(this.#telemetry, 'kafka', this.#batcher.records);
    this.#storeFailures = 0;
    const downMs = this.#storeOutage.end(Date.now());
    if (downMs !== undefined) events.storeRecovered(this.#telemetry, downMs);
  }

  /** For lag displays only: a failure is of no consequence. */
  async #commit(offsets: readonly NextOffset[]): Promise<void> {
    try {
      await this.#client.commit(offsets);
    } catch (error) {
      events.commitFailed(this.#telemetry, error);
    }
  }

  #troubled(error: unknown): void {
    if (!isStoreError(error)) {
      this.#client.troubled(error);
      return;
    }
    this.#storeFailures++;
    events.flushFailed(this.#telemetry, error, this.#storeOutage.begin(Date.now()));
  }

  #isHopeless(error: unknown): boolean {
    return codeOf(error) === 'KW_STORE_READBACK' && this.#storeFailures + 1 >= readBackFailuresMax;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof KeywitnessError ? error.code : undefined;
}

function isStoreError(error: unknown): boolean {
  return codeOf(error) !== undefined;
}

function maxOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
