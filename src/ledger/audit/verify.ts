import { type StreamKey, streamKeyText } from '../../core/record.ts';
import { loadSources, type SourceRegistry } from '../../sources/registry.ts';
import {
  type DerivedTotals,
  derivedTotals,
  type EventComparison,
  openEventComparison,
  recordPages,
  setAsideBetween,
} from '../../store/auditRows.ts';
import type { Engine } from '../../store/client.ts';
import { metaLeavesFrom } from '../../store/ledgerStore.ts';
import { type StoredRecord, storedPositions } from '../../store/positions.ts';
import { metaOrigin, parseStreamOrigin, streamOrigin } from '../checkpoint.ts';
import { type LogIdentity, readIdentity } from '../keys.ts';
import { canName } from '../leaf.ts';
import type { BoundFrom } from '../settings.ts';
import {
  compareSetAside,
  derivedFindings,
  emptyExpected,
  expectRecord,
  type Reading,
  readingsOf,
} from './derived.ts';
import {
  type Finding,
  type FindingClass,
  type TreeReport,
  type VerifyReport,
  verdictExits,
  worstFirst,
  worstVerdict,
} from './findings.ts';
import { auditMeta, type MetaAudit } from './metaLog.ts';
import { createPinBook, type PinBook } from './pins.ts';
import { addKept, auditSigned } from './signed.ts';
import { createTreeAudit, transportOf } from './tree.ts';

export interface VerifyOptions {
  readonly engine: Engine;
  readonly dataDir: string;
  readonly anchorFile: string;
  /** Milliseconds. */
  readonly now: number;
  /** A signed checkpoint kept elsewhere (`verify --since`). */
  readonly since?: string;
  readonly onProgress?: (records: number, total: number) => void;
}

/** One finding of these says all: an upgrade or a crash touches whole stretches at once. */
const oncePerTree: readonly FindingClass[] = ['not-rebuilt', 'not-derived', 'settings-unknown'];
/** A report stays readable when a table was emptied: the first ones name the place. */
const findingsPerTreeMax = 200;

const lastOffset = (1n << 64n) - 1n;

/**
 * Derives the whole log again from the stored bytes: every leaf, every root, the meta-log, every signature, and
 * every adapter column; and compares. Reads page by page, so memory does not grow with the log.
 */
export async function verifyStore(options: VerifyOptions): Promise<VerifyReport> {
  const { engine, anchorFile, now } = options;
  const identity = readIdentity(options.dataDir);
  if (identity === undefined) return withoutLedger(options);
  const book = createPinBook();
  const signed = await auditSigned(engine, anchorFile, identity, book);
  const kept = options.since === undefined ? [] : addKept(options.since, identity, signed.keys, book);
  const metaPins = book.of(metaOrigin(identity.logId));
  const meta = await auditMeta(metaLeavesFrom(engine, 0), metaPins, book, now, signed.keys.leaf);
  const keys = signed.keys.end(signed.anchoredSize);
  const trees = await auditTrees(options, identity, book, meta);
  const findings = worstFirst([
    ...signed.findings,
    ...keys.findings,
    ...kept,
    ...meta.findings,
    ...trees.findings,
  ]);
  const verdict = worstVerdict(findings);
  return {
    verdict,
    exit: verdictExits[verdict],
    logId: identity.logId,
    trees: trees.reports,
    findings,
    exposure: {
      newestAnchored: signed.newestAnchored,
      newestSigned: signed.newestSigned,
      unsignedRecords: trees.reports.reduce((n, t) => n + Math.max(0, t.records - t.signed), 0),
      longestSilenceMs: meta.longestSilenceMs,
    },
    notes: [...signed.notes, ...keys.notes, ...meta.notes],
  };
}

function withoutLedger({ dataDir }: VerifyOptions): VerifyReport {
  const detail = `${dataDir} holds no log identity (ledger/log.txt): without it nothing that was signed can be checked`;
  return {
    verdict: 'unknown',
    exit: verdictExits.unknown,
    logId: '',
    trees: [],
    findings: [{ class: 'no-ledger', tree: '', detail }],
    exposure: { newestAnchored: 0, newestSigned: 0, unsignedRecords: 0, longestSilenceMs: 0 },
    notes: [],
  };
}

interface TreeContext {
  readonly engine: Engine;
  readonly comparison: EventComparison;
  readonly registry: SourceRegistry;
  readonly bindings: readonly BoundFrom[];
  readonly totals: DerivedTotals | undefined;
  readonly isStopped: boolean;
  readonly onRecords: (count: number) => void;
}

async function auditTrees(
  options: VerifyOptions,
  identity: LogIdentity,
  book: PinBook,
  { bindings, isStopped }: MetaAudit,
): Promise<{ reports: TreeReport[]; findings: Finding[] }> {
  const { engine } = options;
  const totals = new Map((await derivedTotals(engine)).map((t) => [streamKeyText(t), t]));
  const keys = new Map<string, StreamKey>();
  const pinned = book.origins().flatMap((o) => {
    const key = parseStreamOrigin(o);
    return key === undefined || key.logId !== identity.logId ? [] : [key];
  });
  const positions = await storedPositions(engine);
  const total = positions.reduce((n, p) => n + p.count, 0);
  for (const key of [...positions, ...pinned, ...totals.values()]) {
    keys.set(streamKeyText(key), { stream: key.stream, partition: key.partition, epoch: key.epoch });
  }
  const registry = await loadSources();
  const comparison = await openEventComparison(engine);
  const reports: TreeReport[] = [];
  const findings: Finding[] = foreignColumnsFound(comparison.foreign);
  let records = 0;
  try {
    for (const [name, key] of [...keys].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!canName(key.stream, 'file')) {
        const detail = 'rows of a stream whose name nothing of ours can have';
        findings.push({ class: 'inserted', tree: name, detail });
        continue;
      }
      const audited = await auditOneTree(key, book.of(streamOrigin(identity.logId, key)), {
        engine,
        comparison,
        registry,
        bindings: bindings.get(name) ?? [],
        totals: totals.get(name),
        isStopped,
        onRecords: (count) => {
          records += count;
          options.onProgress?.(records, total);
        },
      });
      reports.push(audited.report);
      findings.push(...audited.findings);
    }
  } finally {
    await comparison.close();
  }
  return { reports, findings };
}

function foreignColumnsFound(names: readonly string[]): Finding[] {
  if (names.length === 0) return [];
  const detail = `columns of kw.events are gone or of another type, so none could be compared: ${names.join(', ')}`;
  return [{ class: 'column-modified', tree: '', detail }];
}

async function auditOneTree(
  key: StreamKey,
  pins: ReturnType<PinBook['of']>,
  context: TreeContext,
): Promise<{ report: TreeReport; findings: Finding[] }> {
  const pages = recordPages(context.engine, key);
  let page = await pages.next();
  const transport = transportOf(page.done ? undefined : page.value[0], context.bindings);
  const audit = createTreeAudit(key, transport, pins);
  const derived = derivedAudit(key, context);
  let first: bigint | undefined;
  let last: bigint | undefined;
  let index = 0;
  while (!page.done) {
    const touched = new Set<bigint>();
    for (const stored of page.value) if (!audit.add(stored)) touched.add(stored.record.offset);
    first ??= page.value[0]?.record.offset;
    last = page.value.at(-1)?.record.offset;
    const next = await pages.next();
    await derived.page(page.value, index, touched, next.done === true);
    context.onRecords(page.value.length);
    index += page.value.length;
    page = next;
  }
  if (index === 0) await derived.page([], 0, new Set(), true);
  const { findings, root, stored, pinned } = audit.end(context.isStopped);
  findings.push(...derived.findings);
  const report: TreeReport = {
    ...key,
    verdict: worstVerdict(findings),
    records: stored,
    first,
    last,
    root: root.toString('base64'),
    signed: pinned,
    events: context.totals?.events ?? 0,
    setAside: context.totals?.setAside ?? 0,
  };
  return { report, findings };
}

/** The derived tables of one tree, stretch by stretch: the stretches cover every offset there is. */
function derivedAudit(key: StreamKey, context: TreeContext) {
  const findings: Finding[] = [];
  const reading = readingsOf(context.bindings, context.registry);
  const mark = context.totals?.mark ?? -1n;
  let from = 0n;
  const say = (finding: Finding) => {
    const isSaid = oncePerTree.includes(finding.class) && findings.some((f) => f.class === finding.class);
    if (!isSaid && findings.length < findingsPerTreeMax) findings.push(finding);
  };
  const unknown = (offset: bigint) => {
    const detail = 'no settings leaf says how these records are read: their columns cannot be derived again';
    say({ class: 'settings-unknown', tree: streamKeyText(key), offset, detail });
  };
  return {
    findings,
    async page(
      records: readonly StoredRecord[],
      index: number,
      touched: ReadonlySet<bigint>,
      isLast: boolean,
    ): Promise<void> {
      const expected = emptyExpected();
      const unread = new Set<bigint>();
      for (const [i, { record }] of records.entries()) {
        const how: Reading | undefined = reading(index + i);
        if (how !== undefined) expectRecord(expected, record, how, context.registry);
        else unread.add(record.offset);
      }
      for (const offset of [...unread].slice(0, 1)) unknown(offset);
      const to = isLast ? lastOffset : (records.at(-1)?.record.offset ?? lastOffset);
      const differences = [
        ...(await context.comparison.compare(key, from, to, expected.events)),
        ...compareSetAside(expected.setAside, await setAsideBetween(context.engine, key, from, to)),
      ];
      const skip = (offset: bigint) => touched.has(offset) || unread.has(offset);
      for (const finding of derivedFindings(key, differences, skip, mark)) say(finding);
      from = to + 1n;
    },
  };
}
