import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../core/packageRoot.ts';
import { parsePeriod } from '../core/quarter.ts';
import { type StreamKey, streamKeyText } from '../core/record.ts';
import type { Catalog } from '../enrich/catalog.ts';
import { compileGlob } from '../enrich/glob.ts';
import { type Finding, type VerifyReport, worstVerdict } from '../ledger/audit/findings.ts';
import { readExpired } from '../ledger/audit/lawfulLeaves.ts';
import { verifyStore } from '../ledger/audit/verify.ts';
import { metaOrigin, parseStreamOrigin } from '../ledger/checkpoint.ts';
import type { ExpiredRange } from '../ledger/retention.ts';
import type { KnownIdentity, ReviewCatalog, ReviewInput, StreamCompleteness } from '../report/input.ts';
import { type CreatedReview, createReview } from '../report/review.ts';
import type { Engine } from '../store/client.ts';
import { hasRecords } from '../store/ledgerStore.ts';
import { extentUnder, firstCheckpointSince, signedTrees } from '../store/queries/reviewTrees.ts';

export interface AccessReviewOptions {
  readonly engine: Engine;
  readonly dataDir: string;
  readonly anchorFile: string;
  readonly catalog: Catalog;
  /** `2026Q3`, `2026H2`, `2026` or `FROM..TO`, in the catalog's zone. */
  readonly period: string;
  /** Milliseconds: only for `verify`, never in the review. */
  readonly now: number;
  /** What `verify` said a moment ago; absent = it is asked now. */
  readonly verified?: VerifyReport;
  readonly onProgress?: (records: number) => void;
}

/** Verifies the log, and makes the review of a period under DATA/reviews/PERIOD. @throws KW_USAGE, KW_STORE */
export async function createAccessReview(options: AccessReviewOptions): Promise<CreatedReview> {
  const { engine, dataDir, catalog } = options;
  const period = parsePeriod(options.period, catalog.document.zone ?? 'UTC');
  const report = options.verified ?? (await verifyStore(options));
  return createReview(engine, {
    period,
    catalog: reviewCatalog(catalog),
    completeness: await completeness(engine, report),
    productVersion: productVersion(),
    outDir: join(dataDir, 'reviews'),
  });
}

function productVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;
}

/**
 * The newest checkpoint of each tree, and the first one of the meta tree after the last stream grew: heartbeats
 * that follow change nothing, so the review stays the same bytes until there is more to review.
 */
async function completeness(engine: Engine, report: VerifyReport): Promise<ReviewInput['completeness']> {
  const signed = (await signedTrees(engine)).flatMap((tree) => {
    const key = parseStreamOrigin(tree.origin);
    return key === undefined || key.logId !== report.logId ? [] : [{ key, tree }];
  });
  const grewAt = Math.max(0, ...signed.map(({ tree }) => tree.madeAt));
  const meta = await firstCheckpointSince(engine, metaOrigin(report.logId), grewAt);
  const verified = new Map(report.trees.map((t) => [streamKeyText(t), t]));
  const ranges = await readExpired(engine);
  const streams: StreamCompleteness[] = [];
  for (const { key, tree } of signed) {
    const { stream, partition, epoch } = key;
    const expired = await expiredOf(engine, key, ranges);
    const records = tree.size - expired.reduce((n, r) => n + r.records, 0);
    const extent = await extentUnder(engine, key, records);
    const found = verified.get(streamKeyText(key));
    // `verify` counts the whole tree; above the checkpoint there may be more than the review looks at.
    const counted = found !== undefined && found.records === records ? found : extent;
    streams.push({
      stream,
      partition,
      epoch,
      firstOffset: extent.first,
      lastOffset: extent.last,
      gaps: extent.gaps,
      records,
      expired,
      events: counted.events,
      setAside: counted.setAside,
      rootHex: tree.rootHex,
      checkpointSize: tree.size,
      verifyVerdict: found?.verdict ?? 'unknown',
      checkpoint: tree.note,
    });
  }
  return {
    checkpoint: meta?.note ?? '',
    checkpointTime: meta?.madeAt ?? grewAt,
    streams,
    findings: report.findings.filter(isDoubtful).map(findingText),
    exposureMs: report.exposure.longestSilenceMs,
  };
}

/** What retention dropped of a tree; a month that was only announced still has its records. */
async function expiredOf(
  engine: Engine,
  key: StreamKey,
  ranges: readonly ExpiredRange[],
): Promise<{ readonly month: string; readonly records: number }[]> {
  const gone: { month: string; records: number }[] = [];
  for (const range of ranges.filter((r) => r.tree === streamKeyText(key))) {
    if (await hasRecords(engine, key, range)) continue;
    gone.push({ month: range.month, records: range.count });
  }
  return gone.sort((a, b) => (a.month < b.month ? -1 : 1));
}

/** What went by law and what the log itself admits stands in the completeness page; staleness depends on when it ran. */
function isDoubtful(finding: Finding): boolean {
  const verdict = worstVerdict([finding]);
  return finding.class !== 'stale' && verdict !== 'expired' && verdict !== 'intact';
}

function findingText({ tree, offset, idx, class: what, detail }: Finding): string {
  const where = tree === '' ? 'the log' : tree;
  const at = offset === undefined ? '' : `, offset ${offset}${idx === undefined ? '' : `/${idx}`}`;
  return `${where}${at}: ${what}: ${detail}`;
}

function reviewCatalog({ version, hash, document }: Catalog): ReviewCatalog {
  const secrets = (document.secrets ?? []).map((s) => ({
    days: daysOf(s.rotate_every),
    fits: compileGlob(s.match),
  }));
  return {
    version,
    hash,
    rotateEveryDays: (objectId) => secrets.find((s) => s.fits(objectId))?.days ?? 0,
    namedSecrets: (document.secrets ?? [])
      .map((s) => s.match)
      .filter(isLiteral)
      .map(literal),
    identities: knownIdentities(document),
  };
}

/** People by their one name; other entries only when their id has no wildcard: a pattern is nobody in particular. */
function knownIdentities(document: Catalog['document']): KnownIdentity[] {
  const known = new Map<string, KnownIdentity>();
  for (const { person, match, kind, team, until } of document.identities ?? []) {
    const identity = person ?? (match !== undefined && isLiteral(match) ? literal(match) : undefined);
    if (identity === undefined || known.has(identity)) continue;
    known.set(identity, { identity, kind: kind ?? 'unknown', team: team ?? '', until: until ?? '' });
  }
  return [...known.values()];
}

function isLiteral(glob: string): boolean {
  return !/(?<!\\)\*/.test(glob);
}

function literal(glob: string): string {
  return glob.replace(/\\(.)/g, '$1');
}

const secondsOf: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3_600,
  d: 86_400,
  w: 604_800,
  y: 31_536_000,
};

/** Whole days, rounded up: a secret is never called overdue before its time. */
function daysOf(duration: string | undefined): number {
  const m = /^(\d+)([smhdwy])$/.exec(duration ?? '');
  return m === null ? 0 : Math.ceil((Number(m[1]) * (secondsOf[m[2] as string] ?? 0)) / 86_400);
}
