import { hash } from 'node:crypto';
import type { KwRecord, StreamKey } from '../../core/record.ts';
import type { SourceRegistry } from '../../sources/registry.ts';
import { type Buckets, tableSalt } from '../../store/derivedRows.ts';
import { decodeRecord, erasedSeal } from '../../store/recordPages.ts';
import { RowBinaryWriter } from '../../store/rowBinary.ts';
import { RowBinaryReader } from '../../store/rowBinaryReader.ts';
import { leafHasher, type Transport } from '../leaf.ts';
import type { BoundFrom } from '../settings.ts';
import { partsOf, readingsOf, tableOf, writePart } from './reading.ts';
import { RowSum } from './rowSum.ts';

/** How the pages of one tree are derived again; plain data, so that a worker can be told. */
export interface PagePlan {
  readonly key: StreamKey;
  readonly transport: Transport;
  /** Stretches whose records are lawfully gone: leaf indexes go on behind them. */
  readonly gone: readonly Gone[];
  /** Undefined: leaves only, no derived rows. */
  readonly derived: DerivedPlan | undefined;
}

interface DerivedPlan {
  readonly bindings: readonly BoundFrom[];
  readonly buckets: Buckets;
  readonly salt: Uint8Array;
}

export interface Gone {
  /** Its last offset. */
  readonly last: bigint;
  readonly count: number;
}

/** One page, derived again. */
export interface DerivedPage {
  /** Where each record begins in the page's bytes. */
  readonly starts: Uint32Array;
  /** Bytes of each value. */
  readonly lengths: Uint32Array;
  /** Rows that are not what their stored leaf says, and the leaf they give. */
  readonly odd: readonly OddRow[];
  /** What the derived tables must hold for these records, by bucket. */
  readonly sums: readonly BucketSum[];
}

interface OddRow {
  readonly row: number;
  readonly leaf: Uint8Array;
}

export interface BucketSum {
  readonly bucket: bigint;
  readonly sum: bigint;
  /** Leaf index of its first record here. */
  readonly index: number;
  /** Records, and those of them that no settings leaf says how to read. */
  readonly records: number;
  readonly unread: number;
}

/** A page of records to derive again; `index` is the leaf index of its first one. */
export interface PageJob {
  readonly bytes: Buffer;
  readonly rows: number;
  readonly index: number;
  readonly plan: PagePlan;
}

export function derivePage({ bytes, rows, index, plan }: PageJob, registry: SourceRegistry): DerivedPage {
  const starts = new Uint32Array(rows);
  const lengths = new Uint32Array(rows);
  const odd: OddRow[] = [];
  const leafOf = leafHasher(plan.key, plan.transport);
  const indexOf = indexWalk(index, plan.gone, bytes.readBigUInt64LE(0));
  const sums = plan.derived === undefined ? undefined : pageSums(plan.derived, registry);
  const reader = new RowBinaryReader(bytes);
  for (let row = 0; row < rows; row += 1) {
    starts[row] = reader.position;
    const { record, leaf: stored, sealed, isAsWritten } = decodeRecord(reader, plan.key);
    lengths[row] = record.value?.length ?? 0;
    const leaf = leafOf(record);
    if (!isAsWritten || !leaf.equals(stored)) odd.push({ row, leaf });
    sums?.add(record, indexOf(record.offset), sealed);
  }
  return { starts, lengths, odd, sums: sums?.values() ?? [] };
}

/** Leaf indexes of records that come in order, from the one at `first`, whose index is known. */
export function indexWalk(index: number, gone: readonly Gone[], first: bigint): (offset: bigint) => number {
  let next = index;
  let at = gone.filter((g) => g.last < first).length;
  return (offset) => {
    for (; at < gone.length && offset > (gone[at] as Gone).last; at += 1) next += (gone[at] as Gone).count;
    next += 1;
    return next - 1;
  };
}

function pageSums({ bindings, buckets, salt }: DerivedPlan, registry: SourceRegistry) {
  const found = new Map<bigint, { sum: RowSum; index: number; records: number; unread: number }>();
  const shift = BigInt(buckets.shift);
  const readingAt = readingsOf(bindings, registry);
  const base = Buffer.from(salt.buffer, salt.byteOffset, salt.byteLength);
  const salts = { events: tableSalt(base, 'events'), set_aside: tableSalt(base, 'set_aside') };
  const out = new RowBinaryWriter(1 << 16);
  return {
    add(record: KwRecord, index: number, sealed: number): void {
      const at = record.offset >> shift;
      const bucket = found.get(at) ?? { sum: new RowSum(), index, records: 0, unread: 0 };
      if (bucket.records === 0) found.set(at, bucket);
      bucket.records += 1;
      // Its bytes were erased: nothing is derived from it any more.
      if (sealed === erasedSeal) return;
      const reading = readingAt(index);
      if (reading === undefined) {
        bucket.unread += 1;
        return;
      }
      for (const [idx, part] of partsOf(record, reading, registry).entries()) {
        out.clear();
        out.fixed(salts[tableOf(part)]);
        writePart(out, record.offset, idx, part);
        bucket.sum.add(hash('sha256', out.bytes(), 'buffer'));
      }
    },
    values: (): BucketSum[] =>
      [...found].map(([bucket, { sum, ...rest }]) => ({ bucket, sum: sum.value(), ...rest })),
  };
}
