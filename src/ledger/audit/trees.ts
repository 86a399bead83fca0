import { randomBytes } from 'node:crypto';
import { type StreamKey, streamKeyText } from '../../core/record.ts';
import { loadSources, type SourceRegistry } from '../../sources/registry.ts';
import type { DerivedTotals } from '../../store/derivedRows.ts';
import type { Position } from '../../store/positions.ts';
import { parseStreamOrigin, streamOrigin } from '../checkpoint.ts';
import { canName } from '../leaf.ts';
import type { BoundFrom } from '../settings.ts';
import type { AuditStore } from './auditStore.ts';
import type { Base } from './base.ts';
import { openDeriver } from './derivePool.ts';
import type { Finding, TreeReport } from './findings.ts';
import type { LawfulActs } from './lawful.ts';
import { auditOneTree, reportUnchanged } from './oneTree.ts';
import { type OpenTree, openTree } from './openTree.ts';
import type { PinBook } from './pins.ts';

/** What the meta-log says that the trees need. */
export interface TreesOptions {
  readonly store: AuditStore;
  readonly logId: string;
  readonly book: PinBook;
  readonly bindings: ReadonlyMap<string, readonly BoundFrom[]>;
  readonly lawful: LawfulActs;
  readonly isStopped: boolean;
  /** What stands before it was verified before. */
  readonly base: Base | undefined;
  /** False: the derived tables are not what we made, and are not looked at. */
  readonly areRowsComparable: boolean;
  /** Default: the sources that ship with the product. */
  readonly registry?: SourceRegistry;
  readonly onProgress?: (records: number, total: number) => void;
}

export interface TreesAudit {
  readonly reports: TreeReport[];
  readonly findings: Finding[];
}

/** Every tree that has records, derived rows or pins, one after another. */
export async function auditTrees(options: TreesOptions): Promise<TreesAudit> {
  const { store, base } = options;
  const salt = randomBytes(16);
  const positions = new Map((await store.positions()).map((p) => [streamKeyText(p), p]));
  // Of the whole log a scan finds also rows of trees that nobody knows.
  const all = base === undefined && options.areRowsComparable ? await store.derivedTotals(salt) : [];
  const { trees, findings } = await openTrees(options, positions, all);
  const grown = trees.filter((t) => t.unchanged === undefined);
  const behind = grown.map((t) => ({ ...t.key, after: t.start.place.offset }));
  const some =
    base !== undefined && options.areRowsComparable ? await store.derivedTotals(salt, behind) : all;
  const totals = new Map(some.map((t) => [streamKeyText(t), t]));
  const total = grown.reduce((n, t) => n + Math.max(0, t.records - t.start.frontier.size), 0);
  const registry = options.registry ?? (await loadSources());
  const deriver = openDeriver(total, registry);
  const reports: TreeReport[] = [];
  let done = 0;
  const onRecords = (count: number) => {
    done += count;
    options.onProgress?.(done, total);
  };
  try {
    const tools = { ...options, registry, deriver, salt, positions, totals, onRecords };
    for (const tree of trees) {
      const audited =
        tree.unchanged === undefined
          ? await auditOneTree(tree, tools)
          : { report: reportUnchanged(tree, tree.unchanged), findings: tree.findings };
      reports.push(audited.report);
      findings.push(...audited.findings);
    }
  } finally {
    await deriver.close();
  }
  return { reports, findings };
}

async function openTrees(
  { store, book, logId, lawful, base }: TreesOptions,
  positions: ReadonlyMap<string, Position>,
  totals: readonly DerivedTotals[],
): Promise<{ trees: OpenTree[]; findings: Finding[] }> {
  const trees: OpenTree[] = [];
  const findings: Finding[] = [];
  const pinned = [...book.origins(), ...(base?.pins.keys() ?? [])].flatMap((origin) => {
    const key = parseStreamOrigin(origin);
    return key?.logId === logId ? [key] : [];
  });
  for (const [name, key] of byName([...positions.values(), ...pinned, ...totals])) {
    if (!canName(key.stream, 'file')) {
      const detail = 'rows of a stream whose name nothing of ours can have';
      findings.push({ class: 'inserted', tree: name, detail });
      continue;
    }
    const origin = streamOrigin(logId, key);
    const records = positions.get(name)?.count ?? 0;
    trees.push(
      await openTree(key, { store, lawful, pin: base?.pins.get(origin), pins: book.of(origin), records }),
    );
  }
  return { trees, findings };
}

/** By name, so that two runs say the same. */
function byName(all: readonly StreamKey[]): [string, StreamKey][] {
  const keys = new Map<string, StreamKey>();
  for (const { stream, partition, epoch } of all) {
    const key = { stream, partition, epoch };
    keys.set(streamKeyText(key), key);
  }
  return [...keys].sort(([a], [b]) => (a < b ? -1 : 1));
}
