import type { StreamKey } from '../core/record.ts';
import { sqlOffsets } from './literal.ts';

/** Between which offsets the rows of a block stand, by tree. */
export interface Spans {
  /** A row's place; a derived row has the time of its record, whenever it is derived. No object: it is called for each row. */
  see(key: StreamKey, offset: bigint, ingestedAt?: number): void;
  /** SQL over a table's own columns: whatever of it could stand in the way of these rows. */
  condition(): string;
  clear(): void;
}

interface Span {
  readonly key: StreamKey;
  first: bigint;
  last: bigint;
}

export function newSpans(): Spans {
  let spans = new Map<string, Span>();
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  // Rows come in order of their trees: the last one seen is nearly always the next one's.
  let last: Span | undefined;
  return {
    see({ stream, partition, epoch }, offset, ingestedAt) {
      if (ingestedAt !== undefined) {
        from = Math.min(from, ingestedAt);
        to = Math.max(to, ingestedAt);
      }
      if (last?.key.stream !== stream || last.key.partition !== partition || last.key.epoch !== epoch) {
        const name = `${stream}/${partition}/${epoch}`;
        last = spans.get(name) ?? { key: { stream, partition, epoch }, first: offset, last: offset };
        spans.set(name, last);
      }
      if (offset < last.first) last.first = offset;
      if (offset > last.last) last.last = offset;
    },
    condition() {
      const places = [...spans.values()].map((s) => sqlOffsets(s.key, s.first, s.last)).join(' OR ');
      return to < from
        ? `(${places})`
        : `ingested_at BETWEEN ${millisSql(from)} AND ${millisSql(to)} AND (${places})`;
    },
    clear() {
      spans = new Map();
      last = undefined;
      [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    },
  };
}

/** The rows that are not in the table yet: what a late or repeated insert may still add. */
export function absentFrom(table: string, identity: readonly string[], spans: Spans): string {
  const columns = identity.join(', ');
  return `(${columns}) NOT IN (SELECT ${columns} FROM ${table} WHERE ${spans.condition()})`;
}

function millisSql(ms: number): string {
  return `fromUnixTimestamp64Milli(${ms}, 'UTC')`;
}
