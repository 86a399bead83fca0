import { randomBytes } from 'node:crypto';
import { type StreamKey, streamKeyText } from '../../core/record.ts';
import { loadSources, type SourceRegistry } from '../../sources/registry.ts';
import type { Buckets, DerivedTotals, Salt } from '../../store/derivedRows.ts';
import type { Position } from '../../store/positions.ts';
import { decodedRecords, type RecordPage } from '../../store/recordPages.ts';
import { parseStreamOrigin, streamOrigin } from '../checkpoint.ts';
import type { ErasedRecord } from '../erasure.ts';
import { canName } from '../leaf.ts';
import type { ExpiredRange } from '../retention.ts';
import type { BoundFrom } from '../settings.ts';
import type { AuditStore } from './auditStore.ts';
import { addSums, auditDerived, type ExpectedSums } from './derived.ts';
import { openDeriver, type PageDeriver } from './derivePool.ts';
import { type Finding, type TreeReport, worstVerdict } from './findings.ts';
import type { LawfulActs } from './lawful.ts';
import type { DerivedPage, PagePlan } from './page.ts';
import type { Pin, PinBook } from './pins.ts';
import { beginning, type Place, type TreeRow } from './rows.ts';
import { auditTiles } from './tileAudit.ts';
import { createTreeAudit, type TreeAudit, type TreeOutcome, transportOf } from './tree.ts';
import { isKept, type StoredTree, treeRows, treeSource } from './treeRun.ts';

/** What the meta-log says that the trees need. */
export interface TreesOptions {
  readonly store: AuditStore;
  readonly logId: string;
  readonly book: PinBook;
  readonly bindings: ReadonlyMap<string, readonly BoundFrom[]>;
  readonly lawful: LawfulActs;
  readonly isStopped: boolean;
  /** False: the derived tables are not what we made, and are not looked at. */
  readonly areRowsComparable: boolean;
  /** Default: the sources that ship with the product. */
  readonly registry?: SourceRegistry;
  readonly onProgress?: (records: number, total: number) => void;
}

interface Context extends TreesOptions {
  readonly registry: SourceRegistry;
  readonly deriver: PageDeriver;
  readonly salt: Salt;
  readonly positions: ReadonlyMap<string, Position>;
  readonly totals: ReadonlyMap<string, DerivedTotals>;
  readonly onRecords: (count: number) => void;
}

export interface TreesAudit {
  readonly reports: TreeReport[];
  readonly findings: Finding[];
}

/** Records of one bucket of derived rows, about: a difference is looked for in so many. */
const recordsPerBucket = 4_096;

/** Every tree that has records, derived rows or pins, one after another. */
export async function auditTrees(options: TreesOptions): Promise<TreesAudit> {
  const { store, book, logId } = options;
  const salt = randomBytes(16);
  const positions = new Map((await store.positions()).map((p) => [streamKeyText(p), p]));
  const records = [...positions.values()].reduce((n, p) => n + p.count, 0);
  const registry = options.registry ?? (await loadSources());
  const deriver = openDeriver(records, registry);
  const reports: TreeReport[] = [];
  const findings: Finding[] = [];
  let done = 0;
  try {
    const derived = options.areRowsComparable ? await store.derivedTotals(salt) : [];
    const totals = new Map(derived.map((t) => [streamKeyText(t), t]));
    const onRecords = (count: number) => {
      done += count;
      options.onProgress?.(done, records);
    };
    const context: Context = { ...options, registry, deriver, salt, positions, totals, onRecords };
    for (const [name, key] of treesOf(context)) {
      if (!canName(key.stream, 'file')) {
        const detail = 'rows of a stream whose name nothing of ours can have';
        findings.push({ class: 'inserted', tree: name, detail });
        continue;
      }
      const audited = await auditOneTree(key, book.of(streamOrigin(logId, key)), context);
      reports.push(audited.report);
      findings.push(...audited.findings);
    }
  } finally {
    await deriver.close();
  }
  return { reports, findings };
}

/** By name, so that two runs say the same. */
function treesOf({ positions, totals, book, logId }: Context): [string, StreamKey][] {
  const keys = new Map<string, StreamKey>();
  const pinned = book.origins().flatMap((origin) => {
    const key = parseStreamOrigin(origin);
    return key?.logId === logId ? [key] : [];
  });
  for (const { stream, partition, epoch } of [...positions.values(), ...pinned, ...totals.values()]) {
    const key = { stream, partition, epoch };
    keys.set(streamKeyText(key), key);
  }
  return [...keys].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What was dropped by law and is gone; and findings about it. */
interface Expired {
  readonly gone: readonly ExpiredRange[];
  readonly pending: readonly ExpiredRange[];
  readonly findings: readonly Finding[];
}

async function expiredOf(name: string, key: StreamKey, { store, lawful }: Context): Promise<Expired> {
  const gone: ExpiredRange[] = [];
  const pending: ExpiredRange[] = [];
  const findings: Finding[] = [];
  for (const range of lawful.expired.get(name) ?? []) {
    const at = { tree: name, offset: range.first };
    const left = await store.countRecords(key, range.first, range.last);
    // A crash between the leaf and the drop, or somebody who helped: what is there is verified as usual.
    if (left > 0) pending.push(range);
    else if (await isKept(store, key, range)) {
      gone.push(range);
      const detail = `${range.count} records of ${range.month}, up to offset ${range.last}, dropped by law; their leaves stand`;
      findings.push({ class: 'expired-lawful', ...at, detail });
    } else {
      const detail = `the tiles no longer hold the ${range.count} leaves of the records that were dropped by law`;
      findings.push({ class: 'modified', ...at, detail });
    }
  }
  return { gone, pending, findings };
}

interface OneTree {
  readonly report: TreeReport;
  readonly findings: readonly Finding[];
}

async function auditOneTree(key: StreamKey, pins: readonly Pin[], context: Context): Promise<OneTree> {
  const name = streamKeyText(key);
  const { store, registry } = context;
  const bindings = context.bindings.get(name) ?? [];
  const erased = context.lawful.erased.get(name) ?? new Map<bigint, ErasedRecord>();
  const expired = await expiredOf(name, key, context);
  const { gone } = expired;
  const transport = await transportFor(key, bindings, store);
  const buckets = bucketsOf(context.positions.get(name));
  const plan: PagePlan = {
    key,
    transport,
    gone: gone.map(({ last, count }) => ({ last, count })),
    derived: undefined,
  };
  const tree: StoredTree = { store, registry, key, plan, gone, erased };
  const records = context.positions.get(name)?.count ?? 0;
  const expiredCount = gone.reduce((n, g) => n + g.count, 0);
  const derivedPlan = context.areRowsComparable
    ? { ...plan, derived: { bindings, buckets, salt: context.salt } }
    : plan;
  const run = await runTree(tree, derivedPlan, { pins, stored: records + expiredCount, context });
  const { outcome } = run;
  const findings = [
    ...outcome.findings,
    ...expired.findings,
    ...(await auditDerived({
      store,
      registry,
      key,
      transport,
      bindings,
      gone: plan.gone,
      erased,
      mayBeGone: (offset) =>
        erased.has(offset) || expired.pending.some((r) => r.first <= offset && offset <= r.last),
      totals: context.totals.get(name),
      expected: run.sums,
      buckets,
      salt: context.salt,
      pinned: outcome.pinned,
    })),
    ...(await auditTiles(store, name, key, {
      tiles: outcome.tiles,
      edge: outcome.edge,
      size: outcome.size,
      pinned: outcome.pinned,
      from: 0,
      isWhole: outcome.isWhole,
    })),
  ];
  const totals = context.totals.get(name);
  const report: TreeReport = {
    ...key,
    verdict: worstVerdict(findings),
    records,
    expired: expiredCount,
    first: run.first,
    last: context.positions.get(name)?.offset,
    root: outcome.root.toString('base64'),
    signed: outcome.pinned,
    events: totals?.events ?? 0,
    setAside: totals?.setAside ?? 0,
  };
  return { report, findings };
}

interface RunParts {
  readonly pins: readonly Pin[];
  readonly stored: number;
  readonly context: Context;
}

interface TreeRun {
  readonly outcome: TreeOutcome;
  readonly sums: ExpectedSums;
  readonly first: bigint | undefined;
}

/** Reads the tree once; where a pin does not hold, again from the last place that is sure. */
async function runTree(
  tree: StoredTree,
  plan: PagePlan,
  { pins, stored, context }: RunParts,
): Promise<TreeRun> {
  const { deriver } = context;
  const audit = createTreeAudit({
    tree: streamKeyText(tree.key),
    transport: plan.transport,
    pins,
    source: treeSource(tree),
    stored,
  });
  const sums: ExpectedSums = new Map();
  let first: bigint | undefined;
  const count = (page: RecordPage, derived: DerivedPage) => {
    first ??= page.bytes.readBigUInt64LE(0);
    addSums(sums, derived.sums);
    context.onRecords(page.rows);
  };
  let again = await feed(audit, treeRows(tree, beginning, { plan, deriver, index: 0, onPage: count }));
  const isRead = again === undefined;
  for (;;) {
    const end = again ?? (await audit.end(context.isStopped));
    if ('findings' in end) {
      // What is derived was summed up to where reading began again: now once more, from end to end.
      if (!isRead) {
        sums.clear();
        const rows = treeRows(tree, beginning, { plan, deriver, index: 0, onPage: count });
        for await (const _ of rows);
      }
      return { outcome: end, sums, first };
    }
    again = await feed(audit, treeRows(tree, end, { plan: tree.plan, deriver, index: audit.size() }));
  }
}

async function feed(audit: TreeAudit, pieces: AsyncIterable<TreeRow[]>): Promise<Place | undefined> {
  for await (const rows of pieces) {
    const again = await audit.page(rows);
    if (again !== undefined) return again;
  }
  return undefined;
}

async function transportFor(key: StreamKey, bindings: readonly BoundFrom[], store: AuditStore) {
  if (bindings.length > 0) return transportOf(undefined, bindings);
  for await (const page of store.records(key, -1n)) {
    for (const stored of decodedRecords(page.bytes, key)) return transportOf(stored, bindings);
  }
  return transportOf(undefined, bindings);
}

/** Offsets of a stream are bytes or numbers: the width follows from how many records share them. */
function bucketsOf(position: Position | undefined): Buckets {
  if (position === undefined || position.count === 0) return { shift: 0, last: -1n };
  const width = (position.offset / BigInt(position.count) + 1n) * BigInt(recordsPerBucket);
  const shift = Math.min(63, width.toString(2).length - 1);
  return { shift, last: position.offset >> BigInt(shift) };
}
