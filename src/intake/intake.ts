/**
 * How bytes arrive. An intake gives records of all its streams to `deliver`, and only when that has resolved
 * (durable and read back) may it move an offset or answer "accepted". When `deliver` rejects, nothing was lost:
 * the intake asks the store where it stands and delivers from there again. At least once from the transport,
 * exactly once into the store, because the store's own last offset is the authority (docs/ledger.md).
 */
import type { KwRecord, StreamKey } from '../core/record.ts';

/** The last stored record of a stream's newest epoch: the authority for where to go on. */
export interface StoredEnd extends StreamKey {
  readonly offset: bigint;
}

/** What the rest of the program does for an intake. */
export interface IntakeSink {
  /** Resolves when the records are durable and read back. Calls from several intakes may overlap. */
  deliver(records: readonly KwRecord[]): Promise<void>;
  /** Newest epoch and last stored offset; undefined when nothing of it is stored. */
  authority(stream: string, partition: number): Promise<StoredEnd | undefined>;
  /** Is this the record that is stored at its coordinates: the same leaf? */
  isStored(record: KwRecord): Promise<boolean>;
  /** Mends what an interrupted flush left half done. Called before `authority` whenever an intake (re)starts. */
  recover(): Promise<void>;
  /** The broker's high watermark: what it holds beyond that is not yet known to be there. */
  onHigh(key: StreamKey, high: bigint): void;
  /** Records the broker no longer has: told before reading on, and again when a crash came between. */
  onGap(key: StreamKey, first: bigint, last: bigint): Promise<void>;
  /** The stream began anew as `key.epoch`: told before its first record, and again when a crash came between. */
  onEpoch(key: StreamKey, reason: string): Promise<void>;
}

/** A running intake. */
export interface Intake {
  /** Takes no more, hands on what was read, moves the offsets, and ends. */
  stop(): Promise<void>;
  /** It cannot read or store now, or has more than it could store yet: silence says nothing meanwhile. */
  isWaiting(): boolean;
  /** Settles when it ended by itself; rejects with what a restart of the process may cure. */
  readonly ended: Promise<void>;
}

/** Least time between two flushes when little comes in: p50 of ack to visible is then ~170 ms. */
export const flushIntervalMs = 200;
/**
 * At 1 k records a flush, merges cost more than inserts; above 5 k little is gained, and the process with its
 * embedded engine grows beyond 1 GiB.
 */
export const flushRecordsMax = 5_000;
export const flushBytesMax = 32 * 1024 * 1024;
