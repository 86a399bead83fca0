/**
 * A record: one message as the transport delivered it, and the unit of evidence (one leaf each).
 * Whatever the transport, a stream has ordered offsets (docs/ledger.md).
 */
export interface StreamKey {
  /** `CLUSTER.TOPIC` for Kafka, a file's base name, an HTTP stream's name; at most 300 characters. */
  readonly stream: string;
  readonly partition: number;
  /** Counts up when the transport begins the stream anew (topic re-created, file replaced). */
  readonly epoch: number;
}

/** The name of the meta tree among the trees: no stream of records can be called ''. */
export const metaTree: StreamKey = { stream: '', partition: 0, epoch: 0 };

/** One Kafka-style header; names may repeat and values are bytes. */
export type Header = readonly [name: Buffer, value: Buffer];

export interface KwRecord extends StreamKey {
  readonly offset: bigint;
  /** Milliseconds since the epoch, as the transport says; 0 = none. Part of the leaf: never the wall clock. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly headers: readonly Header[];
  readonly value: Buffer | null;
}

/** `stream/partition/epoch` names a tree; used as a Map key. */
export function streamKeyText(s: StreamKey): string {
  return `${s.stream}/${s.partition}/${s.epoch}`;
}

export interface EventRef extends StreamKey {
  readonly offset: bigint;
  readonly idx: number;
}

/** `stream/partition/epoch/offset[/index]`: how an event is named everywhere. */
export function eventRefText(e: EventRef): string {
  return `${e.stream}/${e.partition}/${e.epoch}/${e.offset}/${e.idx}`;
}

/** Reads `stream/partition/epoch/offset[/index]`; undefined when the text has another shape. */
export function parseEventRef(text: string): EventRef | undefined {
  const m = /^([^/]{1,300})\/(\d{1,10})\/(\d{1,10})\/(\d{1,20})(?:\/(\d{1,10}))?$/.exec(text);
  if (!m) return undefined;
  return {
    stream: m[1] as string,
    partition: Number(m[2]),
    epoch: Number(m[3]),
    offset: BigInt(m[4] as string),
    idx: Number(m[5] ?? 0),
  };
}
