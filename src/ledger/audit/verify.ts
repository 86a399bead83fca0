import type { SourceRegistry } from '../../sources/registry.ts';
import type { Engine } from '../../store/client.ts';
import { type Checkpoint, metaOrigin, parseCheckpoint } from '../checkpoint.ts';
import { type LogIdentity, readIdentity } from '../keys.ts';
import { splitNote } from '../note.ts';
import { type AuditStore, engineAuditStore } from './auditStore.ts';
import { type Base, readBase } from './base.ts';
import { type Finding, type VerifyReport, verdictExits, worstFirst, worstVerdict } from './findings.ts';
import { auditMeta } from './metaLog.ts';
import { createPinBook } from './pins.ts';
import { addKept, auditSigned } from './signed.ts';
import { auditTrees } from './trees.ts';

export interface VerifyOptions extends LogVerifyOptions {
  readonly engine: Engine;
  readonly dataDir: string;
}

interface LogVerifyOptions {
  readonly anchorFile: string;
  /** Milliseconds. */
  readonly now: number;
  /** A signed checkpoint kept elsewhere (`verify --since`). */
  readonly since?: string;
  /** Derive again only what came after `since`, which must be a checkpoint of the meta-log. */
  readonly isIncremental?: boolean;
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
  const identity = readIdentity(options.dataDir);
  if (identity === undefined) return withoutLedger(options);
  return verifyLog(engineAuditStore(options.engine), identity, options);
}

/** The same, wherever the evidence lies. */
export async function verifyLog(
  store: AuditStore,
  identity: LogIdentity,
  options: LogVerifyOptions,
): Promise<VerifyReport> {
  const { anchorFile, now, since } = options;
  const { logId } = identity;
  const { base, notes } = await baseOf(store, identity, options);
  const floors = base && floorsOf(base, logId);
  const book = createPinBook();
  const signed = await auditSigned({ store, anchorFile, identity, book, floors });
  const kept = since === undefined ? [] : addKept(since, identity, signed.keys, book);
  const { keys, outside } = signed;
  const pins = book.of(metaOrigin(logId)).filter((p) => p.size > (base?.meta.frontier.size ?? -1));
  const meta = await auditMeta({ store, pins, book, now, outside, logId, keys, base });
  const { bindings, lawful, isStopped } = meta;
  const keyAudit = keys.end(signed.anchoredSize);
  const foreign = foreignFound(await store.foreignColumns());
  const areRowsComparable = options.areRowsCompared !== false && foreign.areRowsComparable;
  const known = { store, logId, book, bindings, lawful, isStopped, base, areRowsComparable };
  const trees = foreign.areRecordsReadable
    ? await auditTrees({ ...options, ...known })
    : { reports: [], findings: [] };
  const findings = worstFirst([
    ...signed.findings,
    ...keyAudit.findings,
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
      newestSigned: Math.max(signed.newestSigned, base?.last.time ?? 0),
      unsignedRecords: trees.reports.reduce((n, t) => n + Math.max(0, t.records + t.expired - t.signed), 0),
      longestSilenceMs: meta.longestSilenceMs,
    },
    notes: [...notes, ...notDerived(base, trees.reports), ...signed.notes, ...keyAudit.notes, ...meta.notes],
  };
}

/** What may be taken as verified before; whatever the kept checkpoint does not prove is derived again. */
async function baseOf(
  store: AuditStore,
  identity: LogIdentity,
  { since, isIncremental }: LogVerifyOptions,
): Promise<{ readonly base?: Base; readonly notes: readonly string[] }> {
  const kept = since === undefined ? undefined : checkpointOf(since);
  if (!isIncremental || kept?.origin !== metaOrigin(identity.logId)) return { notes: [] };
  const base = await readBase(store, kept);
  return base === undefined
    ? { notes: ['the tiles do not prove what the kept checkpoint signed: everything was derived again'] }
    : { base, notes: [] };
}

/** What the note says; whether it is signed is said by those who hold the log against it. */
function checkpointOf(note: string): Checkpoint | undefined {
  const parts = splitNote(note);
  return parts && parseCheckpoint(parts.text);
}

/** Sizes up to which each origin's checkpoints were verified before. */
function floorsOf(base: Base, logId: string): ReadonlyMap<string, number> {
  const sizes = new Map([...base.pins].map(([origin, pin]) => [origin, pin.size]));
  return sizes.set(metaOrigin(logId), base.meta.frontier.size);
}

function notDerived(base: Base | undefined, trees: readonly { readonly derivedFrom: number }[]): string[] {
  if (base === undefined) return [];
  const records = trees.reduce((n, t) => n + t.derivedFrom, 0);
  return [
    `up to the kept checkpoint nothing was derived again: ${base.meta.frontier.size} leaves of the meta-log (the last of ` +
      `${new Date(base.last.time).toISOString()}) and ${records} records in ${trees.filter((t) => t.derivedFrom > 0).length} trees`,
  ];
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
