import { isoIn, type Period } from '../core/quarter.ts';
import type { Engine } from '../store/client.ts';
import { seesAll, type Viewer } from '../store/query.ts';
import type { ReviewInput } from './input.ts';
import { type Row, runRows, runSection, type Section } from './section.ts';
import { bySecret, notFound } from './sections/bySecret.ts';
import { byMonth, byWeek, mostRead } from './sections/byTime.ts';
import { byUser } from './sections/byUser.ts';
import { storedStreams, withLedger } from './sections/completeness.ts';
import { crossEnvironment } from './sections/crossEnvironment.ts';
import { denied } from './sections/denied.ts';
import { dormant } from './sections/dormant.ts';
import { figures, figuresSql } from './sections/figures.ts';
import { firstReads } from './sections/firstReads.ts';
import { privileged } from './sections/privileged.ts';
import { type RotationPolicies, rotation, shownSecretsSql } from './sections/rotation.ts';
import { systems } from './sections/systems.ts';
import { finalsUntilEnd, instant, type Scope, seenBy, underCheckpoint, type Window } from './sql.ts';

/** Bars of the chart of most read secrets: as many as one looks at. */
const mostReadMax = 12;

/** Everything the review says, before it is written in any form. */
export interface Review {
  readonly period: Period;
  readonly productVersion: string;
  readonly viewer: string;
  readonly catalog: { readonly version: number; readonly hash: string };
  /** Milliseconds: the checkpoint's time. */
  readonly madeAt: number;
  /** Where the log of each source begins, oldest first. */
  readonly logBegins: readonly { readonly source: string; readonly began: number }[];
  readonly hasBefore: boolean;
  readonly figures: { readonly sql: string; readonly row: Row };
  readonly mostRead: { readonly sql: string; readonly rows: readonly Row[] };
  readonly sections: readonly Section[];
  readonly checkpoints: readonly string[];
  readonly findings: readonly string[];
  readonly exposureMs: number;
  /** What whoever made the review should put right first; said in the review too. */
  readonly warnings: readonly string[];
}

/** Runs every statement of the review. Reads only; the order of sections is the order of the page. @throws KW_STORE */
export async function gatherReview(engine: Engine, input: ReviewInput): Promise<Review> {
  const viewer = input.viewer ?? seesAll;
  const { period } = input;
  const coordinates = underCheckpoint(input.completeness.streams);
  const under = `${coordinates}${seenBy(viewer)}`;
  const whole: Scope = {
    from: period.from,
    to: period.to,
    zone: period.zone,
    coordinates,
    under,
    asOf: period.to,
    windows: [] as readonly Window[],
  };
  const windows = await windowsOf(engine, whole, viewer);
  const scope: Scope = { ...whole, windows, asOf: asOfOf(windows, period) };
  const mostReadSql = mostRead(scope, period.before, mostReadMax);
  const sections = await gatherSections(engine, input, scope, viewer);
  const [row = {}] = await runRows(engine, figuresSql(scope), figures, viewer);
  return {
    period,
    productVersion: input.productVersion,
    viewer: viewer.sees === 'own' ? `team ${viewer.team}` : viewer.sees,
    catalog: { version: input.catalog.version, hash: input.catalog.hash },
    madeAt: input.completeness.checkpointTime,
    logBegins: logStarts(scope.windows),
    hasBefore: scope.windows.some((w) => w.isActive && w.began < period.from - dayMs),
    figures: { sql: figuresSql(scope), row },
    mostRead: {
      sql: mostReadSql,
      rows: await runRows(engine, mostReadSql, mostReadColumns, viewer),
    },
    findings: [...input.completeness.findings].sort(),
    exposureMs: input.completeness.exposureMs,
    sections,
    warnings: warningsOf(input, sections, scope),
    checkpoints: [
      input.completeness.checkpoint,
      ...input.completeness.streams.map((s) => s.checkpoint),
    ].filter((note) => note !== ''),
  };
}

/** Environment, owner and team in the events are those of the catalog at ingest: another one given now is said. */
function warningsOf(
  { catalog, period, completeness }: ReviewInput,
  sections: readonly Section[],
  scope: Scope,
): string[] {
  const systemRows = sections.find((s) => s.id === 'systems')?.rows ?? [];
  const used = [...new Set(systemRows.flatMap((r) => r.catalogs as readonly string[]))].sort();
  const warnings: string[] = [];
  if (used.length === 0) warnings.push(`The log has no act in ${period.name}.`);
  else if (used.some((v) => v !== String(catalog.version))) {
    const given = catalog.version === 0 ? 'no catalog' : `catalog version ${catalog.version}`;
    warnings.push(
      `The events were enriched with catalog version ${used.join(', ')}, the review was made with ${given}: environments, owners and teams are the former's, rotation policies and known identities the latter's.`,
    );
  }
  warnings.push(...expiryWarnings(completeness.streams, period.from));
  if (used.length > 0 && scope.asOf < period.to) {
    warnings.push(
      `The log ends ${isoIn(scope.asOf, 'UTC')}, before the period does: idle days and ages of secrets are counted to there, and what came after is not in this review.`,
    );
  }
  return warnings;
}

/** What came in before the period began cannot be of the period. */
function expiryWarnings(streams: ReviewInput['completeness']['streams'], from: number): string[] {
  const gone = streams.flatMap((s) => s.expired).filter(({ month }) => monthEnd(month) > from);
  if (gone.length === 0) return [];
  const months = [...new Set(gone.map((g) => g.month))].sort().join(', ');
  const records = gone.reduce((n, g) => n + g.records, 0);
  return [
    `The log of this period is partly expired: ${records} records that came in during ${months} were dropped by law, and their acts are in none of the numbers.`,
  ];
}

function monthEnd(month: string): number {
  return Date.UTC(Number(month.slice(0, 4)), Number(month.slice(4)), 1);
}

const dayMs = 86_400_000;
const mostReadColumns = [{ key: 'secret' }, { key: 'reads' }, { key: 'reads_before' }] as const;

async function gatherSections(
  engine: Engine,
  input: ReviewInput,
  scope: Scope,
  viewer: Viewer,
): Promise<Section[]> {
  const stored = await runSection(engine, storedStreams(scope), viewer);
  const definitions = [
    systems(scope),
    byUser(scope),
    bySecret(scope),
    byWeek(scope),
    byMonth(scope),
    dormant(scope, input.catalog.identities),
    rotation(scope, await rotationPolicies(engine, input, scope, viewer)),
    firstReads(scope),
    crossEnvironment(scope),
    denied(scope),
    privileged(scope),
    notFound(scope),
  ];
  const sections: Section[] = [{ ...stored, rows: withLedger(stored.rows, input.completeness.streams) }];
  // One after the other: the embedded engine runs one query at a time in a session anyway.
  for (const definition of definitions) sections.push(await runSection(engine, definition, viewer));
  return sections;
}

async function windowsOf(engine: Engine, scope: Scope, viewer: Viewer): Promise<Window[]> {
  const sql = `SELECT source, object_store AS store, toString(toUnixTimestamp64Milli(toDateTime64(min(time), 3, 'UTC'))) AS began, toString(toUnixTimestamp64Milli(toDateTime64(max(time), 3, 'UTC'))) AS ended, countIf(time >= ${instant(scope.from)}) AS in_period
FROM ${finalsUntilEnd(scope)}
GROUP BY source, store
ORDER BY source, store`;
  const columns = [
    { key: 'source' },
    { key: 'store' },
    { key: 'began' },
    { key: 'ended' },
    { key: 'in_period' },
  ];
  return (await runRows(engine, sql, columns, viewer)).map((r) => ({
    source: String(r.source),
    store: String(r.store),
    began: Number(r.began),
    ended: Number(r.ended),
    isActive: Number(r.in_period) > 0,
  }));
}

function asOfOf(windows: readonly Window[], period: Period): number {
  const ends = windows.filter((w) => w.isActive).map((w) => w.ended);
  const newest = Math.max(period.from, ...ends);
  return newest < period.to - dayMs ? newest : period.to;
}

function logStarts(windows: readonly Window[]): Review['logBegins'] {
  const sources = [...new Set(windows.map((w) => w.source))];
  return sources
    .map((source) => ({
      source,
      began: Math.min(...windows.filter((w) => w.source === source).map((w) => w.began)),
    }))
    .sort((a, b) => a.began - b.began || (a.source < b.source ? -1 : 1));
}

/** The catalog's policies for every secret the log shows and every one the catalog names without a wildcard. */
async function rotationPolicies(
  engine: Engine,
  { catalog }: ReviewInput,
  scope: Scope,
  viewer: Viewer,
): Promise<RotationPolicies> {
  const shown = await runRows(
    engine,
    shownSecretsSql(scope),
    [{ key: 'secret' }, { key: 'objects' }],
    viewer,
  );
  const objectsOf = new Map<string, readonly string[]>(
    shown.map((r) => [String(r.secret), r.objects as readonly string[]]),
  );
  const covered = new Set([...objectsOf.values()].flat());
  // Who sees only a part of the events must not learn from the review what else the catalog names.
  if (viewer.sees === 'all') {
    for (const id of catalog.namedSecrets)
      if (!covered.has(id) && !objectsOf.has(id)) objectsOf.set(id, [id]);
  }
  const byDays = new Map<number, string[]>();
  for (const [secret, objects] of objectsOf) {
    const days = objects.map((o) => catalog.rotateEveryDays(o)).filter((d) => d > 0);
    if (days.length === 0) continue;
    const strictest = Math.min(...days);
    byDays.set(strictest, [...(byDays.get(strictest) ?? []), secret]);
  }
  return byDays;
}
