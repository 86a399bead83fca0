import { createHash } from 'node:crypto';
import type { Level, Signal, Unusual } from '../../core/signal.ts';
import type { BaselineDocument } from './document.ts';
import { type BaselineEvent, entityOf } from './event.ts';

/** Enough to score and to read, small enough to store; `eventsTotal` has the count. */
const eventsMax = 200;

export interface Finding {
  readonly document: BaselineDocument;
  /** Word of the kind, for announcements. */
  readonly explainedBy: string;
  readonly level: Level;
  /** What made it, in order of time; the last one completed it. */
  readonly events: readonly BaselineEvent[];
  readonly unusual: Unusual;
  /** Default: whom the completing event is about. */
  readonly group?: string;
  /** Default: the completing event's. */
  readonly timeMs?: number;
  /** The events are the last before a silence: they are evidence of the past, not what happened. */
  readonly isAbsence?: boolean;
}

/** The id is the one of rules: the same whenever the same events are seen again. */
export function signalOf(finding: Finding): Signal {
  const { document, events, unusual, level } = finding;
  const last = events.at(-1);
  if (last === undefined) throw new Error(`${document.id} found something without an event`);
  const first = events[0] as BaselineEvent;
  const kept = events.slice(-eventsMax);
  const group = finding.group ?? entityOf(last);
  const time = finding.timeMs ?? last.timeMs;
  const secrets = unique(kept.map((e) => e.secret));
  return {
    id: createHash('sha256')
      .update(`signal-v1\0${document.id}\0${group}\0${last.ref}\0${time}`)
      .digest('hex')
      .slice(0, 32),
    kind: 'baseline',
    rule: document.id,
    title: document.title,
    level,
    advice: document.advice,
    group,
    first: finding.timeMs ?? first.timeMs,
    last: time,
    time,
    identity: last.identity,
    identityName: last.actor_name,
    secret: secrets.at(-1) ?? '',
    secrets,
    srcIps: unique(kept.map((e) => e.src_ip)),
    sessions: unique(kept.map((e) => e.session_id)),
    events: kept.map((e) => e.ref),
    requests: finding.isAbsence ? [] : unique(kept.map((e) => e.request_id)),
    eventsTotal: events.length,
    unusual,
    explained: explainedOf(kept, [finding.explainedBy, ...(document.explained_by ?? [])]),
  };
}

/** Announced work runs over by a minute; beyond a tenth it is something else. */
const coveredShareMin = 0.9;

/** An announcement counts when it covers what happened: one announced act does not cover the rest. */
export function explainedOf(events: readonly BaselineEvent[], words: readonly string[]): string[] {
  const covered = events.filter((e) =>
    e.marks.some(
      (m) =>
        m === 'explained:all' || m === `explained:${e.action}` || words.some((w) => m === `explained:${w}`),
    ),
  );
  if (covered.length < events.length * coveredShareMin) return [];
  const announced = covered.flatMap((e) => e.marks.filter((m) => m.startsWith('announced:')));
  return unique(announced.map((m) => m.slice('announced:'.length)));
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values.filter((v) => v !== ''))];
}

/** `1e-19`, `0.003`: two digits are as many as the arithmetic deserves. */
export function chanceText(p: number): string {
  return p > 0 ? String(Number(p.toPrecision(1))) : '< 1e-300';
}

/** `3.1`, `41`, `0.02`. */
export function countText(n: number): string {
  return n >= 10 || Number.isInteger(n) ? String(Math.round(n)) : String(Number(n.toPrecision(2)));
}
