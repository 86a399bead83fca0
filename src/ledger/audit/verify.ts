import type { SourceRegistry } from '../../sources/registry.ts';
import type { Engine } from '../../store/client.ts';
import { metaOrigin } from '../checkpoint.ts';
import { readIdentity } from '../keys.ts';
import { engineAuditStore } from './auditStore.ts';
import { type Finding, type VerifyReport, verdictExits, worstFirst, worstVerdict } from './findings.ts';
import { auditMeta } from './metaLog.ts';
import { createPinBook } from './pins.ts';
import { addKept, auditSigned } from './signed.ts';
import { auditTrees } from './trees.ts';

export interface VerifyOptions {
  readonly engine: Engine;
  readonly dataDir: string;
  readonly anchorFile: string;
  /** Milliseconds. */
  readonly now: number;
  /** A signed checkpoint kept elsewhere (`verify --since`). */
  readonly since?: string;
  /** Default: the sources that ship with the product. */
  readonly registry?: SourceRegistry;
  /** False: leaves, trees and what is signed, without the rows that are derived from them. */
  readonly areRowsCompared?: boolean;
  readonly onProgress?: (records: number, total: number) => void;
}

/**
 * Derives the whole log again from the stored bytes: every leaf, every root, the meta-log, every signature, and
 * every adapter column; and compares. Reads page by page, so memory does not grow with the log.
 */
export async function verifyStore(options: VerifyOptions): Promise<VerifyReport> {
  const { engine, anchorFile, now } = options;
  const identity = readIdentity(options.dataDir);
  if (identity === undefined) return withoutLedger(options);
  const { logId } = identity;
  const store = engineAuditStore(engine);
  const book = createPinBook();
  const signed = await auditSigned(engine, anchorFile, identity, book);
  const kept = options.since === undefined ? [] : addKept(options.since, identity, signed.keys, book);
  const metaPins = book.of(metaOrigin(identity.logId));
  const meta = await auditMeta({
    store,
    pins: metaPins,
    book,
    now,
    outside: signed.outside,
    onLeaf: signed.keys.leaf,
  });
  const keys = signed.keys.end(signed.anchoredSize);
  const { bindings, lawful, isStopped } = meta;
  const foreign = foreignFound(await store.foreignColumns());
  const trees = foreign.areRecordsReadable
    ? await auditTrees({
        ...options,
        store,
        logId,
        book,
        bindings,
        lawful,
        isStopped,
        areRowsComparable: options.areRowsCompared !== false && foreign.areRowsComparable,
      })
    : { reports: [], findings: [] };
  const findings = worstFirst([
    ...signed.findings,
    ...keys.findings,
    ...kept,
    ...meta.findings,
    ...foreign.findings,
    ...trees.findings,
  ]);
  const verdict = worstVerdict(findings);
  return {
    verdict,
    exit: verdictExits[verdict],
    logId,
    trees: trees.reports,
    findings,
    exposure: {
      newestAnchored: signed.newestAnchored,
      newestSigned: signed.newestSigned,
      unsignedRecords: trees.reports.reduce((n, t) => n + Math.max(0, t.records + t.expired - t.signed), 0),
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

/** A type that holds less hides what was in a column, and a row that is read as another layout is none. */
function foreignFound(names: readonly string[]) {
  const derived = names.filter((n) => /^(events|set_aside)\./.test(n));
  const others = names.filter((n) => !derived.includes(n));
  const findings: Finding[] = [];
  const detail = (list: readonly string[]) =>
    `columns are gone or of another type, so that nothing in their tables could be compared: ${list.join(', ')}`;
  if (others.length > 0) findings.push({ class: 'modified', tree: '', detail: detail(others) });
  if (derived.length > 0) findings.push({ class: 'column-modified', tree: '', detail: detail(derived) });
  return { findings, areRecordsReadable: others.length === 0, areRowsComparable: derived.length === 0 };
}
