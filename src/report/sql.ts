import type { StreamKey } from '../core/record.ts';
import { type Viewer, visible } from '../store/query.ts';

/**
 * The review runs statements with literal values, because what ran is printed beside each number for anybody to
 * run again. Every value passes one of the functions here.
 */
export function text(value: string): string {
  const escaped = value.replace(/[\\']/g, (c) => `\\${c}`).replace(invisible, bytesOf);
  return `'${escaped}'`;
}

/** A printed statement must survive copying and read as it runs: nothing unseen stands in it raw. */
const invisible = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function bytesOf(c: string): string {
  return [...Buffer.from(c)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

export function texts(values: readonly string[]): string {
  return `[${values.map(text).join(', ')}]`;
}

export function instant(ms: number): string {
  return `toDateTime64('${new Date(ms).toISOString().replace('T', ' ').replace('Z', '')}', 3, 'UTC')`;
}

/** What the log holds of one store of one source until the period's end. */
export interface Window {
  readonly source: string;
  readonly store: string;
  /** Milliseconds: time of the oldest final. */
  readonly began: number;
  /** Milliseconds: time of the newest final before the period's end. */
  readonly ended: number;
  /** Whether it has an act in the period: of a system that fell silent nothing can be judged. */
  readonly isActive: boolean;
}

/** Which rows a statement looks at. */
export interface Scope {
  readonly from: number;
  readonly to: number;
  readonly zone: string;
  /** Until when silence means something: the period's end, or the log's where that ends more than a day before. */
  readonly asOf: number;
  /** Where the log of each system begins: before that nothing is known, which is not `never`. */
  readonly windows: readonly Window[];
  /** Coordinates under the checkpoint: holds for every table that has them. */
  readonly coordinates: string;
  /** Events under the checkpoint that the viewer may see. */
  readonly under: string;
}

/** Rows at or below the checkpoint, whatever has arrived since: a review does not change under its reader. */
export function underCheckpoint(streams: readonly (StreamKey & { readonly lastOffset: bigint })[]): string {
  const parts = streams.map(
    (s) =>
      `stream = ${text(s.stream)} AND partition = ${s.partition} AND epoch = ${s.epoch} AND offset <= ${s.lastOffset}`,
  );
  return parts.length === 0 ? '(0)' : `(${parts.sort().join('\n      OR ')})`;
}

/** The viewer's part of the condition, with literal values; nothing for who sees all. */
export function seenBy(viewer: Viewer): string {
  if (viewer.sees === 'all') return '';
  const team = viewer.sees === 'own' ? viewer.team : '';
  return `\n    AND ${visible.replaceAll('{viewer:String}', text(viewer.sees)).replaceAll('{viewer_team:String}', text(team))}`;
}

/** A batch read returns many values under a container's id: each secret of it has its own row, the act stays one. */
const eachSecret = "ARRAY JOIN if(action = 'read' AND notEmpty(objects), objects, [toString(secret)]) AS one";

/**
 * Finals under the checkpoint within [from, to): what counts (docs/access-review.md, counting rules). A sub-query,
 * so that no alias of the statement (`owner`, `env`) can stand in for the column the condition means.
 */
export function finals(scope: Scope, from: number, to: number): string {
  return `(
  SELECT * REPLACE (one AS secret) FROM kw.events ${eachSecret}
  WHERE phase = 'final' AND time >= ${instant(from)} AND time < ${instant(to)}
    AND ${scope.under}
)`;
}

/** Finals of the period. */
export function finalsOfPeriod(scope: Scope): string {
  return finals(scope, scope.from, scope.to);
}

/** Finals from the beginning of the log until the period's end. */
export function finalsUntilEnd(scope: Scope): string {
  return `(
  SELECT * REPLACE (one AS secret) FROM kw.events ${eachSecret}
  WHERE phase = 'final' AND time < ${instant(scope.to)}
    AND ${scope.under}
)`;
}

/** Sources with an act in the period. */
export function activeSources({ windows }: Scope): string[] {
  return [...new Set(windows.filter((w) => w.isActive).map((w) => w.source))].sort();
}

/** Start of the log that the review can speak of: that of the source, active in the period, which began first. */
export function logBegins(scope: Scope): number {
  return Math.min(scope.to, ...scope.windows.filter((w) => w.isActive).map((w) => w.began));
}

/** Milliseconds at which the log of an event's source begins, as an expression. */
export function sourceBegan({ windows }: Scope): string {
  const first = new Map<string, number>();
  for (const w of windows) first.set(w.source, Math.min(w.began, first.get(w.source) ?? w.began));
  return lookUp('toString(source)', first);
}

/** The same of its store: a vault that was added later begins later than the first one. */
export function storeBegan({ windows }: Scope): string {
  return lookUp(
    "concat(source, ' ', object_store)",
    new Map(windows.filter((w) => w.isActive).map((w) => [`${w.source} ${w.store}`, w.began])),
  );
}

function lookUp(key: string, values: ReadonlyMap<string, number>): string {
  if (values.size === 0) return 'toInt64(0)';
  const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1));
  return `transform(${key}, ${texts(sorted.map(([k]) => k))}, [${sorted.map(([, ms]) => `toInt64(${ms})`).join(', ')}], toInt64(0))`;
}

/** Objects whose value is a secret; tokens, policies, mounts and the like are counted apart. */
const secretKinds = "('secret', 'key', 'certificate', 'variable', 'state')";

/** Names for the conditions all statements count by; each is written once, here. */
const conditions = {
  is_secret: `object_kind IN ${secretKinds}`,
  no_data: "has(flags, 'no_data') OR (outcome = 'error' AND outcome_code = '404')",
  returned_value: "outcome = 'allowed' AND action IN ('read', 'use', 'issue') AND is_secret AND NOT no_data",
  // A listing that finds nothing is still a listing; only who asks for a value can find nothing there.
  browsed: "action = 'list' AND (outcome = 'allowed' OR no_data)",
  nothing_there: "no_data AND action IN ('read', 'use', 'issue')",
  changed: "outcome = 'allowed' AND action IN ('create', 'update', 'rotate') AND is_secret",
  removed: "outcome = 'allowed' AND action IN ('delete', 'destroy') AND is_secret",
  refused: "outcome = 'denied'",
  failed: "outcome = 'error' AND NOT no_data",
  logged_in: "outcome = 'allowed' AND action = 'login'",
  login_failed: "outcome <> 'allowed' AND action = 'login'",
  event:
    "concat(stream, '/', toString(partition), '/', toString(epoch), '/', toString(offset), '/', toString(idx))",
  address: "if(src_ip = toIPv6('::'), '', replaceOne(toString(src_ip), '::ffff:', ''))",
} as const;

export type Condition = keyof typeof conditions;

/** The WITH clause that defines the named conditions a statement uses, and those they build on. */
export function define(...names: readonly Condition[]): string {
  const wanted = new Set<Condition>();
  const add = (name: Condition) => {
    for (const other of Object.keys(conditions) as Condition[]) {
      if (other !== name && new RegExp(`\\b${other}\\b`).test(conditions[name])) add(other);
    }
    wanted.add(name);
  };
  names.forEach(add);
  return `WITH\n${[...wanted].map((n) => `  ${conditions[n]} AS ${n}`).join(',\n')}`;
}

/** Acts are counted by distinct dup_key: copies from a second device or trail are one act. */
export function acts(condition: string): string {
  return `uniqExactIf(dup_key, ${condition})`;
}

/** Newest or oldest time at which something was so, as ISO 8601; '' = not in the window. */
export function lastTime(condition: string): string {
  return `if(countIf(${condition}) = 0, '', ${iso(`maxIf(time, ${condition})`)})`;
}

export function firstTime(condition: string): string {
  return `if(countIf(${condition}) = 0, '', ${iso(`minIf(time, ${condition})`)})`;
}

export function iso(expression: string): string {
  return `formatDateTime(${expression}, '%Y-%m-%dT%H:%i:%SZ')`;
}

/** The event that was last (or first) of its kind; ties are broken by its name, so that the answer is one. */
export function lastEvent(condition: string): string {
  return `argMaxIf(event, (time, event), ${condition})`;
}

export function firstEvent(condition: string): string {
  return `argMinIf(event, (time, event), ${condition})`;
}

/** Distinct values, sorted; the absent one left out. */
export function distinct(column: string, condition = '1'): string {
  return `arraySort(groupUniqArrayIf(toString(${column}), ${column} <> '' AND ${condition}))`;
}
