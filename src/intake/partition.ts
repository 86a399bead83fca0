import type { KwRecord, StreamKey } from '../core/record.ts';

/** One assigned partition since its last (re)start. A restart makes a new one, so late callers see `isDropped`. */
export interface Partition {
  readonly topic: string;
  readonly partition: number;
  readonly stream: string;
  epoch: number;
  /** Of the topic as it was when reading began: one that is re-created has another. '' = the broker knows none. */
  topicId: string;
  /** The next offset to be queued. */
  next: bigint;
  /** The stored record to be compared with what the broker has now. */
  verify: bigint | undefined;
  isReady: boolean;
  isDropped: boolean;
  /** Settles when it is ready or dropped; never rejects. */
  ready: Promise<void>;
}

/** Records of one partition on their way to a flush. */
export interface Queued {
  readonly partition: Partition;
  readonly list: readonly KwRecord[];
  readonly records: number;
  readonly bytes: number;
}

export function newPartition(cluster: string, topic: string, partition: number): Partition {
  return {
    topic,
    partition,
    stream: `${cluster}.${topic}`,
    epoch: 0,
    topicId: '',
    next: 0n,
    verify: undefined,
    isReady: false,
    isDropped: false,
    ready: Promise.resolve(),
  };
}

export function partitionName({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`;
}

export function streamKey({ stream, partition, epoch }: Partition): StreamKey {
  return { stream, partition, epoch };
}

export interface NextOffset {
  readonly topic: string;
  readonly partition: number;
  /** The next one to read, as the protocol writes it. */
  readonly offset: string;
}

/** The offsets to commit once these are stored: the one after the last of each partition. */
export function nextOffsets(entries: readonly Queued[]): NextOffset[] {
  const ends = new Map<string, NextOffset>();
  for (const { partition: from, list } of entries) {
    const last = list.at(-1);
    if (last === undefined || from.isDropped) continue;
    const { topic, partition } = from;
    ends.set(partitionName(from), { topic, partition, offset: String(last.offset + 1n) });
  }
  return [...ends.values()];
}

export function countByStream(entries: readonly Queued[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { partition, records } of entries) {
    counts.set(partition.stream, (counts.get(partition.stream) ?? 0) + records);
  }
  return counts;
}
