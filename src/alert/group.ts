/**
 * Signals → alerts. Pure: the same set of signals gives the same alerts with the same ids, in whatever order
 * and however often they arrive (docs/alerts.md has the rules in words).
 */
import { createHash } from 'node:crypto';
import type { Alert, Signal } from '../core/signal.ts';
import { levelRank } from '../core/signal.ts';
import { describe } from './describe.ts';
import { isHardByLevel, type Weighed, weigh } from './weigh.ts';

/** A day of one rule and entity is one story to the reader; the next day's is news again. */
export const episodeMs = 24 * 3600_000;

const dayMs = 86_400_000;

/** The event that opened an episode: names the alert, and is kept so that a restart finds the same name. */
export interface Anchor {
  readonly rule: string;
  readonly group: string;
  readonly signal: string;
  /** Milliseconds of event time. */
  readonly time: number;
}

export interface Grouped {
  readonly alert: Alert;
  /** Absent for a sum of weak signals: its id follows from entity and day. */
  readonly anchor?: Anchor;
  readonly group: string;
  readonly signalIds: readonly string[];
}

export interface GroupOptions {
  /** Rules that announcements never damp; default: named rules of level high and critical. */
  readonly isHard?: (signal: Signal) => boolean;
  /** Who is responsible for a secret, from the catalog. */
  readonly ownerOf?: (secret: string) => string;
  /** Episodes already told to people: signals inside them join, even when the opening one is not given again. */
  readonly anchors?: readonly Anchor[];
}

/** Groups a whole set of signals; alerts come in order of their first event. */
export function groupSignals(signals: readonly Signal[], options: GroupOptions = {}): Grouped[] {
  const byGroup = new Map<string, Signal[]>();
  for (const signal of distinct(signals)) pushTo(byGroup, signal.group, signal);
  const out: Grouped[] = [];
  for (const [group, members] of byGroup) out.push(...groupOne(group, members, options));
  return out.sort((a, b) => compareText(a.alert.first, b.alert.first) || compareText(a.alert.id, b.alert.id));
}

/** Everything is per entity: what one does never changes another's alerts. */
function groupOne(group: string, signals: readonly Signal[], options: GroupOptions): Grouped[] {
  const isHard = options.isHard ?? isHardByLevel;
  const weighed = signals.map((signal) => weigh(signal, isHard));
  const episodes = episodesOf(group, weighed, options.anchors ?? []);
  const days = new Map<number, Weighed[]>();
  for (const part of weighed) if (part.isWeak) pushTo(days, dayOf(part.signal), part);

  const out: Grouped[] = [];
  for (const [day, parts] of days) {
    const host = strongestOn(episodes, day);
    if (host) for (const part of parts) host.parts.push(part);
    else out.push(grouped(group, idOf('day', group, String(day)), parts, options));
  }
  for (const { anchor, parts } of episodes) {
    out.push({ ...grouped(group, idOf(anchor.rule, group, anchor.signal), parts, options), anchor });
  }
  return out;
}

interface Episode {
  readonly anchor: Anchor;
  readonly days: ReadonlySet<number>;
  readonly rank: number;
  readonly parts: Weighed[];
}

function episodesOf(group: string, weighed: readonly Weighed[], anchors: readonly Anchor[]): Episode[] {
  const byRule = new Map<string, Weighed[]>();
  for (const part of weighed) if (!part.isWeak) pushTo(byRule, part.signal.rule, part);
  const out: Episode[] = [];
  for (const [rule, parts] of byRule) {
    const known = anchors.filter((a) => a.rule === rule && a.group === group);
    for (const { anchor, members } of split(rule, group, parts, known)) {
      const days = new Set(members.map((m) => dayOf(m.signal)));
      const rank = members.reduce((most, m) => Math.max(most, levelRank(m.level)), 0);
      out.push({ anchor, days, rank, parts: members });
    }
  }
  return out;
}

/** `parts` in order of event time: each opens an episode unless it falls into the one before. */
function split(rule: string, group: string, parts: readonly Weighed[], known: readonly Anchor[]) {
  const out: { anchor: Anchor; members: Weighed[] }[] = [];
  for (const part of parts) {
    const current = out.at(-1);
    if (current && covers(current.anchor, part.signal.time)) {
      current.members.push(part);
      continue;
    }
    const told = known.find((a) => covers(a, part.signal.time));
    const anchor = told ?? { rule, group, signal: part.signal.id, time: part.signal.time };
    out.push({ anchor, members: [part] });
  }
  return out;
}

function covers(anchor: Anchor, time: number): boolean {
  return time >= anchor.time && time < anchor.time + episodeMs;
}

/** Where weak signals of a day go when people hear of the entity anyway: one story, not two. */
function strongestOn(episodes: readonly Episode[], day: number): Episode | undefined {
  return episodes
    .filter((e) => e.days.has(day))
    .sort(
      (a, b) =>
        b.rank - a.rank || a.anchor.time - b.anchor.time || compareText(a.anchor.signal, b.anchor.signal),
    )[0];
}

function grouped(group: string, id: string, parts: readonly Weighed[], options: GroupOptions): Grouped {
  const alert = describe(id, parts, options.ownerOf ?? (() => ''));
  return { alert, group, signalIds: parts.map((p) => p.signal.id) };
}

function distinct(signals: readonly Signal[]): Signal[] {
  const byId = new Map(signals.map((s) => [s.id, s]));
  return [...byId.values()].sort((a, b) => a.time - b.time || compareText(a.id, b.id));
}

function dayOf(signal: Signal): number {
  return Math.floor(signal.time / dayMs);
}

/** 16 hex digits: 64 bits, short enough to type, and a clash among a million alerts is one in 10^7. */
function idOf(...names: readonly string[]): string {
  return createHash('sha256')
    .update(`alert-v1\0${names.join('\0')}`)
    .digest('hex')
    .slice(0, 16);
}

function pushTo<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
