import type { StreamKey } from '../../core/record.ts';
import type { SourceRegistry } from '../../sources/registry.ts';
import type { Buckets, DerivedTotals, Salt } from '../../store/derivedRows.ts';
import type { Position } from '../../store/positions.ts';
import { decodedRecords, type RecordPage } from '../../store/recordPages.ts';
import type { ErasedRecord } from '../erasure.ts';
import type { BoundFrom } from '../settings.ts';
import type { AuditStore } from './auditStore.ts';
import { addSums, auditDerived, type ExpectedSums } from './derived.ts';
import type { PageDeriver } from './derivePool.ts';
import { type Finding, type TreeReport, worstVerdict } from './findings.ts';
import type { LawfulActs } from './lawful.ts';
import type { OpenTree } from './openTree.ts';
import type { DerivedPage, PagePlan } from './page.ts';
import type { Place, TreeRow } from './rows.ts';
import { auditTiles } from './tileAudit.ts';
import { createTreeAudit, type TreeAudit, type TreeOutcome, transportOf } from './tree.ts';
import { type StoredTree, treeRows, treeSource } from './treeRun.ts';

/** What one tree is verified with. */
export interface TreeTools {
  readonly store: AuditStore;
  readonly registry: SourceRegistry;
  readonly deriver: PageDeriver;
  readonly salt: Salt;
  readonly areRowsComparable: boolean;
  readonly isStopped: boolean;
  readonly bindings: ReadonlyMap<string, readonly BoundFrom[]>;
  readonly lawful: LawfulActs;
  readonly positions: ReadonlyMap<string, Position>;
  readonly totals: ReadonlyMap<string, DerivedTotals>;
  readonly onRecords: (count: number) => void;
}

/** Records of one bucket of derived rows, about: a difference is looked for in so many. */
const recordsPerBucket = 4_096;

interface OneTree {
  readonly report: TreeReport;
  readonly findings: readonly Finding[];
}

/** Derives one tree again, from where it must be, and compares it with its pins, its tiles and its derived rows. */
export async function auditOneTree(open: OpenTree, tools: TreeTools): Promise<OneTree> {
  const { key, name, gone, start } = open;
  const { store, registry } = tools;
  const bindings = tools.bindings.get(name) ?? [];
  const erased = tools.lawful.erased.get(name) ?? new Map<bigint, ErasedRecord>();
  const transport = await transportFor(key, bindings, store);
  const buckets = bucketsOf(tools.positions.get(name));
  const ranges = gone.map(({ last, count }) => ({ last, count }));
  const plan: PagePlan = { key, transport, gone: ranges, derived: undefined };
  const tree: StoredTree = { store, registry, key, plan, gone, erased };
  const derived = { bindings, buckets, salt: tools.salt };
  const run = await runTree(tree, open, tools.areRowsComparable ? { ...plan, derived } : plan, tools);
  const { outcome } = run;
  const { tiles, edge, size, pinned, isWhole } = outcome;
  const totals = tools.totals.get(name);
  const mayBeGone = (offset: bigint) =>
    erased.has(offset) || open.pending.some((r) => r.first <= offset && offset <= r.last);
  const findings = [
    ...outcome.findings,
    ...open.findings,
    ...(await auditDerived({
      ...{
        store,
        registry,
        key,
        transport,
        bindings,
        gone: ranges,
        erased,
        mayBeGone,
        totals,
        buckets,
        pinned,
      },
      after: start.place.offset,
      expected: run.sums,
      salt: tools.salt,
    })),
    ...(await auditTiles(store, name, key, {
      ...{ tiles, edge, size, pinned, isWhole },
      from: start.frontier.size,
    })),
  ];
  return { report: reportOf(open, tools, findings, run), findings };
}

function reportOf(
  open: OpenTree,
  tools: TreeTools,
  findings: readonly Finding[],
  { outcome, first }: TreeRun,
): TreeReport {
  const totals = tools.totals.get(open.name);
  return {
    ...open.key,
    verdict: worstVerdict(findings),
    records: open.records,
    expired: expiredCount(open),
    derivedFrom: open.start.frontier.size,
    first,
    last: tools.positions.get(open.name)?.offset,
    root: outcome.root.toString('base64'),
    signed: outcome.pinned,
    events: totals?.events ?? 0,
    setAside: totals?.setAside ?? 0,
  };
}

/** A tree that did not grow since the kept checkpoint: nothing of it is derived again. */
export function reportUnchanged(
  open: OpenTree,
  { size, root }: { readonly size: number; readonly root: Buffer },
): TreeReport {
  return {
    ...open.key,
    verdict: worstVerdict(open.findings),
    records: open.records,
    expired: expiredCount(open),
    derivedFrom: size,
    first: undefined,
    last: undefined,
    root: root.toString('base64'),
    signed: size,
    events: 0,
    setAside: 0,
  };
}

function expiredCount({ gone }: OpenTree): number {
  return gone.reduce((n, g) => n + g.count, 0);
}

interface TreeRun {
  readonly outcome: TreeOutcome;
  readonly sums: ExpectedSums;
  readonly first: bigint | undefined;
}

/** Reads the tree once; where a pin does not hold, again from the last place that is sure. */
async function runTree(tree: StoredTree, open: OpenTree, plan: PagePlan, tools: TreeTools): Promise<TreeRun> {
  const { deriver } = tools;
  const { start } = open;
  const audit = createTreeAudit({
    tree: open.name,
    transport: plan.transport,
    pins: open.pins,
    source: treeSource(tree),
    stored: open.records + expiredCount(open),
    start,
  });
  const sums: ExpectedSums = new Map();
  let first: bigint | undefined;
  const count = (page: RecordPage, derived: DerivedPage) => {
    first ??= page.bytes.readBigUInt64LE(0);
    addSums(sums, derived.sums);
    tools.onRecords(page.rows);
  };
  let again = await feed(
    audit,
    treeRows(tree, start.place, { plan, deriver, index: start.frontier.size, onPage: count }),
  );
  const isRead = again === undefined;
  for (;;) {
    const end = again ?? (await audit.end(tools.isStopped));
    if ('findings' in end) {
      // What is derived was summed up to where reading began again: now once more, from end to end.
      if (!isRead) {
        sums.clear();
        const rows = treeRows(tree, start.place, {
          plan,
          deriver,
          index: start.frontier.size,
          onPage: count,
        });
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
