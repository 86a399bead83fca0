import { hash } from 'node:crypto';
import { type Clock, systemClock } from '../core/clock.ts';
import type { KwRecord } from '../core/record.ts';
import * as events from '../telemetry/intakeEvents.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { Batcher } from './batcher.ts';
import { flushBytesMax, flushIntervalMs, flushRecordsMax, type IntakeSink } from './intake.ts';
import { Outage } from './outage.ts';

export type Accepted =
  | { readonly kind: 'stored'; readonly records: number; readonly isRepeated: boolean }
  /** The queue is full, or the store did not take it: nothing is promised, send again. */
  | { readonly kind: 'busy' };

interface Request {
  readonly stream: string;
  readonly values: readonly Buffer[];
  readonly record: (offset: bigint, value: Buffer) => KwRecord;
  readonly records: number;
  readonly bytes: number;
  readonly settle: (isStored: boolean) => void;
}

/** A retry after a day is a new request (docs/http.md). */
const keyKeptMs = 24 * 3600_000;
const keysMax = 100_000;

/**
 * Requests on their way into the store: many small ones become one flush, and each is answered when its flush is
 * durable. Offsets are given when the flush begins, so that a refused flush leaves no hole.
 */
export class AcceptQueue {
  readonly #sink: IntakeSink;
  readonly #telemetry: Telemetry;
  readonly #clock: Clock;
  readonly #batcher: Batcher<Request>;
  readonly #outage = new Outage();
  /** Next offset of each stream; empty after a failure, then the store is asked. */
  readonly #next = new Map<string, bigint>();
  readonly #keys = new Map<string, { readonly at: number; readonly result: Promise<Accepted> }>();
  #mustRecover = false;
  #isStopping = false;

  constructor(options: { sink: IntakeSink; telemetry: Telemetry; clock: Clock }) {
    this.#sink = options.sink;
    this.#telemetry = options.telemetry;
    this.#clock = options.clock;
    this.#batcher = new Batcher<Request>({
      flush: (requests) => this.#flush(requests),
      onBug: (error) => this.#failed([], error),
      recordsMax: flushRecordsMax,
      bytesMax: flushBytesMax,
      intervalMs: flushIntervalMs,
    });
  }

  get isFull(): boolean {
    return this.#batcher.isFull || this.#isStopping;
  }

  /** Resolves when the values are stored and read back, or are not going to be. `key` '' = the request has no name. */
  accept(
    stream: string,
    key: string,
    values: readonly Buffer[],
    record: Request['record'],
  ): Promise<Accepted> {
    if (key === '') return this.#enqueue(stream, values, record);
    // Its hash: a hundred thousand keys as long as a header may be would be a gigabyte.
    const name = hash('sha256', `${stream}\n${key}`);
    const known = this.#keys.get(name);
    if (known !== undefined && this.#clock.now() - known.at < keyKeptMs) return repeated(known.result);
    const result = this.#enqueue(stream, values, record).then((accepted) => {
      // What was not stored may be sent again under the same name.
      if (accepted.kind === 'busy') this.#keys.delete(name);
      return accepted;
    });
    this.#keys.delete(name);
    this.#keys.set(name, { at: this.#clock.now(), result });
    const oldest = this.#keys.keys().next().value;
    if (this.#keys.size > keysMax && oldest !== undefined) this.#keys.delete(oldest);
    return result;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#batcher.drain();
  }

  #enqueue(stream: string, values: readonly Buffer[], record: Request['record']): Promise<Accepted> {
    if (this.isFull) return Promise.resolve({ kind: 'busy' });
    const records = values.length;
    if (records === 0) return Promise.resolve({ kind: 'stored', records, isRepeated: false });
    const bytes = values.reduce((sum, value) => sum + value.length, 0);
    return new Promise((resolve) => {
      const settle = (isStored: boolean) =>
        resolve(isStored ? { kind: 'stored', records, isRepeated: false } : { kind: 'busy' });
      this.#batcher.push({ stream, values, record, records, bytes, settle });
      events.queueSeen(this.#telemetry, 'http', this.#batcher.records);
    });
  }

  async #flush(requests: readonly Request[]): Promise<void> {
    const started = systemClock.now();
    let records: KwRecord[] = [];
    try {
      if (this.#mustRecover) await this.#sink.recover();
      this.#mustRecover = false;
      records = await this.#numbered(requests);
      await this.#sink.deliver(records);
    } catch (error) {
      if (!(await this.#isStoredAfterAll(records))) return this.#failed(requests, error);
    }
    const counts = new Map<string, number>();
    for (const { stream } of records) counts.set(stream, (counts.get(stream) ?? 0) + 1);
    events.flushStored(this.#telemetry, counts, systemClock.now() - started);
    events.queueSeen(this.#telemetry, 'http', this.#batcher.records);
    const downMs = this.#outage.end(systemClock.now());
    if (downMs !== undefined) events.storeRecovered(this.#telemetry, downMs);
    for (const request of requests) request.settle(true);
  }

  async #numbered(requests: readonly Request[]): Promise<KwRecord[]> {
    const records: KwRecord[] = [];
    for (const { stream, values, record } of requests) {
      let next = this.#next.get(stream) ?? (await this.#storedNext(stream));
      for (const value of values) records.push(record(next++, value));
      this.#next.set(stream, next);
    }
    return records;
  }

  /** An answer that never came: a flush is stored as a whole or not at all, so its last record decides. */
  async #isStoredAfterAll(records: readonly KwRecord[]): Promise<boolean> {
    const last = records.at(-1);
    if (last === undefined) return false;
    try {
      await this.#sink.recover();
      return await this.#sink.isStored(last);
    } catch {
      return false;
    }
  }

  async #storedNext(stream: string): Promise<bigint> {
    const stored = await this.#sink.authority(stream, 0);
    return stored === undefined ? 0n : stored.offset + 1n;
  }

  /** The store may have some of it or none: it is asked again before the next flush, and the clients are told. */
  #failed(requests: readonly Request[], error: unknown): void {
    this.#next.clear();
    this.#mustRecover = true;
    events.flushFailed(this.#telemetry, error, this.#outage.begin(systemClock.now()));
    for (const request of requests) request.settle(false);
  }
}

async function repeated(result: Promise<Accepted>): Promise<Accepted> {
  const accepted = await result;
  return accepted.kind === 'stored' ? { ...accepted, isRepeated: true } : accepted;
}
