import { type StreamKey, streamKeyText } from '../../core/record.ts';
import type { SourceRegistry } from '../../sources/registry.ts';
import {
  type Buckets,
  type DerivedBy,
  type DerivedRow,
  type DerivedTable,
  type DerivedTotals,
  derivedBy,
  differingColumns,
  type Salt,
  sumModulus,
} from '../../store/derivedRows.ts';
import type { StoredRecord } from '../../store/positions.ts';
import { decodedRecords, erasedSeal } from '../../store/recordPages.ts';
import { RowBinaryWriter } from '../../store/rowBinary.ts';
import type { ErasedRecord } from '../erasure.ts';
import { leafHasher, type Transport } from '../leaf.ts';
import type { BoundFrom } from '../settings.ts';
import type { AuditStore } from './auditStore.ts';
import type { Finding, FindingClass } from './findings.ts';
import { type BucketSum, type Gone, indexWalk } from './page.ts';
import { type Part, partsOf, readingsOf, tableOf, writePart } from './reading.ts';

/** What the derived tables must hold of one tree, bucket by bucket. */
export type ExpectedSums = Map<bigint, Omit<BucketSum, 'bucket'>>;

export function addSums(into: ExpectedSums, sums: readonly BucketSum[]): void {
  for (const { bucket, ...more } of sums) {
    const known = into.get(bucket);
    into.set(bucket, {
      sum: ((known?.sum ?? 0n) + more.sum) % sumModulus,
      index: known?.index ?? more.index,
      records: (known?.records ?? 0) + more.records,
      unread: (known?.unread ?? 0) + more.unread,
    });
  }
}

export interface DerivedAuditOptions {
  readonly store: AuditStore;
  readonly registry: SourceRegistry;
  readonly key: StreamKey;
  /** What stands up to this offset is not looked at. */
  readonly after: bigint;
  readonly transport: Transport;
  readonly bindings: readonly BoundFrom[];
  readonly gone: readonly Gone[];
  readonly erased: ReadonlyMap<bigint, ErasedRecord>;
  /** Its derived rows may lawfully be gone already although the record is there. */
  mayBeGone(offset: bigint): boolean;
  readonly totals: DerivedTotals | undefined;
  readonly expected: ExpectedSums;
  readonly buckets: Buckets;
  readonly salt: Salt;
  /** Leaves that were pinned: a tree is only extended when the derived rows are durable. */
  readonly pinned: number;
}

/** One finding of these says all: an upgrade or a crash touches whole stretches at once. */
const oncePerTree: readonly FindingClass[] = ['not-rebuilt', 'not-derived', 'settings-unknown'];
/** A report stays readable when a table was emptied: the first ones name the place. */
const findingsMax = 200;
/** Buckets that are looked at in one go: each costs two statements. */
const bucketsPerStretch = 16;
const lastOffset = (1n << 64n) - 1n;

/** Compares sums, and rows where those differ. */
export async function auditDerived(options: DerivedAuditOptions): Promise<Finding[]> {
  const { key, totals, expected } = options;
  const report = reporter(streamKeyText(key));
  const [unread] = [...expected].filter(([, e]) => e.unread > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  if (unread !== undefined) {
    const detail = 'no settings leaf says how these records are read: their columns cannot be derived again';
    report.say('settings-unknown', { offset: unread[0] << BigInt(options.buckets.shift) }, detail);
  }
  const sum = [...expected.values()].reduce((n, e) => (n + e.sum) % sumModulus, 0n);
  if (sum === (totals?.sum ?? 0n)) return report.findings;
  for (const stretch of await differingStretches(options)) {
    await compareStretch(options, stretch, report);
    if (report.isFull()) break;
  }
  return report.findings;
}

type Reporter = ReturnType<typeof reporter>;

function reporter(tree: string) {
  const findings: Finding[] = [];
  return {
    findings,
    isFull: () => findings.length >= findingsMax,
    say(
      kind: FindingClass,
      { offset, idx }: { readonly offset: bigint; readonly idx?: number },
      detail: string,
    ): void {
      if (oncePerTree.includes(kind) && findings.some((f) => f.class === kind)) return;
      if (findings.length >= findingsMax) return;
      findings.push({ class: kind, tree, offset, ...(idx === undefined ? {} : { idx }), detail });
    },
  };
}

interface Stretch {
  readonly first: bigint;
  readonly last: bigint;
  /** Leaf index of the first record at or behind `first`. */
  readonly index: number;
}

/** The buckets whose sums differ, neighbours together. */
async function differingStretches({
  store,
  key,
  after,
  buckets,
  salt,
  expected,
}: DerivedAuditOptions): Promise<Stretch[]> {
  const found = await store.bucketSums({ ...key, after }, buckets, salt);
  const shift = BigInt(buckets.shift);
  const bad = [...new Set([...expected.keys(), ...found.keys()])]
    .filter((b) => {
      const e = expected.get(b);
      // Nothing of it can be derived: nothing can be compared.
      return (e === undefined || e.unread < e.records) && (e?.sum ?? 0n) !== (found.get(b) ?? 0n);
    })
    .sort((a, b) => (a < b ? -1 : 1));
  const stretches: { from: bigint; to: bigint }[] = [];
  for (const bucket of bad) {
    const open = stretches.at(-1);
    if (open !== undefined && open.to === bucket - 1n && bucket - open.from < bucketsPerStretch)
      open.to = bucket;
    else stretches.push({ from: bucket, to: bucket });
  }
  return stretches.map(({ from, to }) => ({
    first: from << shift > after ? from << shift : after + 1n,
    last: to > buckets.last ? lastOffset : ((to + 1n) << shift) - 1n,
    index: [...expected].find(([b]) => b >= from)?.[1].index ?? 0,
  }));
}

/** The rows of a stretch, and what is said of them. */
async function compareStretch(
  options: DerivedAuditOptions,
  { first, last, index }: Stretch,
  report: Reporter,
): Promise<void> {
  const { store, key } = options;
  const found = await foundRows(store, key, first, last);
  const compare = recordComparison(options, index, found, report);
  try {
    let previous = -1n;
    for await (const page of store.records(key, first - 1n, last)) {
      for (const stored of decodedRecords(page.bytes, key)) {
        await found.upTo(stored.record.offset, report);
        // A doubled record has one record's rows.
        await compare(stored, stored.record.offset === previous);
        previous = stored.record.offset;
        if (report.isFull()) return;
      }
    }
    await found.upTo(lastOffset + 1n, report);
  } finally {
    await found.close();
  }
}

interface FoundRow extends DerivedRow {
  readonly table: DerivedTable;
}

/** Rows of both tables by offset and idx, one at a time. */
async function foundRows(store: AuditStore, key: StreamKey, first: bigint, last: bigint) {
  const sides = await Promise.all(
    (['events', 'set_aside'] as const).map(async (table) => {
      const rows = store.derivedBetween(table, key, first, last)[Symbol.asyncIterator]();
      return { table, rows, next: await rows.next() };
    }),
  );
  const side = () => {
    const open = sides.filter((s) => !s.next.done);
    const isBefore = (a: DerivedRow, b: DerivedRow) =>
      a.offset < b.offset || (a.offset === b.offset && a.idx <= b.idx);
    return open.reduce<(typeof sides)[number] | undefined>(
      (least, s) =>
        least === undefined || !isBefore(least.next.value as DerivedRow, s.next.value as DerivedRow)
          ? s
          : least,
      undefined,
    );
  };
  const take = async (below: (row: DerivedRow) => boolean): Promise<FoundRow | undefined> => {
    const least = side();
    const row = least?.next.value as DerivedRow | undefined;
    if (least === undefined || row === undefined || !below(row)) return undefined;
    least.next = await least.rows.next();
    return { table: least.table, ...row };
  };
  return {
    /** Whatever stands before this offset belongs to no record. */
    async upTo(offset: bigint, report: Reporter): Promise<void> {
      for (let row = await take((r) => r.offset < offset); row !== undefined && !report.isFull(); ) {
        report.say('event-inserted', row, 'a derived row that no record accounts for');
        row = await take((r) => r.offset < offset);
      }
    },
    of: (offset: bigint) => take((r) => r.offset === offset),
    close: async () => void (await Promise.all(sides.map((s) => s.rows.return?.()))),
  };
}

/** Compares what one record must have in the derived tables with what it has. */
function recordComparison(
  options: DerivedAuditOptions,
  index: number,
  found: Awaited<ReturnType<typeof foundRows>>,
  report: Reporter,
) {
  const { key, registry, erased } = options;
  const leafOf = leafHasher(key, options.transport);
  const readingAt = readingsOf(options.bindings, registry);
  const hasOlder = options.totals?.adapters.some((by) => isOlder(by, registry)) === true;
  const out = new RowBinaryWriter(1 << 16);
  let indexOf: ((offset: bigint) => number) | undefined;
  return async (stored: StoredRecord, isDouble: boolean): Promise<void> => {
    const { record, leaf, sealed, isAsWritten } = stored;
    const { offset } = record;
    indexOf ??= indexWalk(index, options.gone, offset);
    const at = indexOf(offset);
    if (isDouble) return;
    const isErased = sealed === erasedSeal && erased.get(offset)?.leaf.equals(leaf) === true;
    const reading = readingAt(at);
    // Of a record whose bytes were changed the columns say nothing more, and unread ones are said already.
    const isSkipped = !isErased && (reading === undefined || !isAsWritten || !leafOf(record).equals(leaf));
    const parts = isErased || isSkipped || reading === undefined ? [] : partsOf(record, reading, registry);
    const rows: RecordRows = { parts, offset, seen: new Set(), count: 0, isPartlyOlder: false };
    for (let row = await found.of(offset); row !== undefined; row = await found.of(offset)) {
      if (!isSkipped) judgeRow(row, rows, { registry, hasOlder, out, report });
    }
    const isOtherwise = rows.isPartlyOlder || (hasOlder && rows.count > 0);
    for (const idx of parts.keys()) {
      if (rows.seen.has(idx)) continue;
      if (isOtherwise) report.say('not-rebuilt', { offset, idx }, olderDetail);
      else sayMissing(options, { offset, idx, index: at }, report);
    }
  };
}

/** The rows of one record as they are met. */
interface RecordRows {
  readonly parts: readonly Part[];
  readonly offset: bigint;
  readonly seen: Set<number>;
  count: number;
  isPartlyOlder: boolean;
}

interface RowTools {
  readonly registry: SourceRegistry;
  /** Rows of an older adapter stand in this tree. */
  readonly hasOlder: boolean;
  readonly out: RowBinaryWriter;
  readonly report: Reporter;
}

function judgeRow(row: FoundRow, rows: RecordRows, { registry, hasOlder, out, report }: RowTools): void {
  const { parts, seen } = rows;
  rows.count += 1;
  const part = parts[row.idx];
  const isFirst = !seen.has(row.idx);
  const isOld = isFirst && row.table === 'events' && isOlder(derivedBy(row.bytes), registry);
  rows.isPartlyOlder ||= isOld;
  if (part === undefined || tableOf(part) !== row.table || !isFirst) {
    // What an older adapter set aside may be an event today.
    const isOther = part !== undefined && isFirst && hasOlder;
    if (isOld || isOther) report.say('not-rebuilt', row, olderDetail);
    else report.say('event-inserted', row, 'a derived row that no record accounts for');
    return;
  }
  seen.add(row.idx);
  out.clear();
  writePart(out, rows.offset, row.idx, part);
  if (row.bytes.equals(out.bytes())) return;
  if (isOld) report.say('not-rebuilt', row, olderDetail);
  else {
    const names = row.table === 'events' ? differingColumns('events', out.bytes(), row.bytes) : ['set_aside'];
    report.say('column-modified', row, `not what the bytes say: ${names.join(', ')}`);
  }
}

const olderDetail = 'derived by an older adapter: not compared';

function sayMissing(
  { mayBeGone, pinned, totals }: DerivedAuditOptions,
  { offset, idx, index }: { readonly offset: bigint; readonly idx: number; readonly index: number },
  report: Reporter,
): void {
  if (mayBeGone(offset)) return;
  // A tree is extended, and then pinned, only when the derived rows are durable.
  if (index >= pinned && offset > (totals?.mark ?? -1n)) {
    report.say(
      'not-derived',
      { offset, idx },
      'a crash came before its derived rows; the next start mends it',
    );
  } else report.say('event-deleted', { offset, idx }, 'a part of this record has no derived row');
}

/** A version that this source's adapter once had: any other number is none that we wrote. */
function isOlder({ source, adapter }: DerivedBy, registry: SourceRegistry): boolean {
  const current = registry.find((s) => s.name === source)?.adapter ?? 0;
  return adapter >= 1 && adapter < current;
}
