import { actions } from '../core/event.ts';
import type { CatalogDocument } from './catalog.ts';
import { compileGlob } from './glob.ts';
import { type ZoneClock, zoneClock } from './zone.ts';

/** Beside the actions, what an announcement may explain. Hard signals (see enrich.ts) are never explained. */
export const softKinds = [
  'off_hours',
  'away',
  'network',
  'new',
  'rate',
  'spread',
  'absence',
  'deploy_window',
] as const;

/** `off-hours` and `off_hours` are the same word; undefined = nothing we know. */
export function explainableWord(word: string): string | undefined {
  const plain = word.replaceAll('-', '_');
  if ((softKinds as readonly string[]).includes(plain)) return plain;
  return (actions as readonly string[]).includes(word) ? word : undefined;
}

/** What the announcements say about one act: whom, on what, from where. */
export interface Scope {
  readonly team: string;
  readonly identity: string;
  readonly actorId: string;
  readonly actorName: string;
  readonly objectId: string;
  readonly network: string;
}

interface Announcement {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly what: string;
  /** Undefined = every soft signal about the act. */
  readonly explains: ReadonlySet<string> | undefined;
  covers(scope: Scope): boolean;
}

export type Announcements = (ms: number) => readonly Announcement[];

const halfHourMs = 1_800_000;
const slotsMax = 20_000;
const none: readonly Announcement[] = [];

/** The windows that may be open at an instant: looked up by half hour, so that an event rarely meets one. */
export function compileAnnouncements(document: CatalogDocument): Announcements {
  const all = [...calendarOf(document), ...onCallOf(document)];
  if (all.length === 0) return () => none;
  const slots = new Map<number, readonly Announcement[]>();
  return (ms) => {
    const slot = Math.floor(ms / halfHourMs);
    let open = slots.get(slot);
    if (open === undefined) {
      const start = slot * halfHourMs;
      const found = all.filter((a) => a.fromMs < start + halfHourMs && a.untilMs >= start);
      open = found.length === 0 ? none : found;
      if (slots.size >= slotsMax) slots.clear();
      slots.set(slot, open);
    }
    return open;
  };
}

function calendarOf(document: CatalogDocument): Announcement[] {
  const clock = zoneClock(document.zone ?? 'UTC');
  return (document.calendar ?? []).map((entry) => {
    const { team, identity, object, network } = entry.for;
    const isIdentity = identity === undefined ? undefined : compileGlob(identity);
    const isObject = object === undefined ? undefined : compileGlob(object);
    return {
      fromMs: instantOf(entry.from, clock),
      untilMs: instantOf(entry.until, clock),
      what: entry.what,
      explains: wordsOf(entry.explains),
      covers: (s) =>
        (team === undefined || s.team === team) &&
        (network === undefined || s.network === network) &&
        (isIdentity === undefined ||
          isIdentity(s.identity) ||
          isIdentity(s.actorId) ||
          isIdentity(s.actorName)) &&
        (isObject === undefined || isObject(s.objectId)),
    };
  });
}

function onCallOf(document: CatalogDocument): Announcement[] {
  const clock = zoneClock(document.zone ?? 'UTC');
  return (document.on_call ?? []).map((entry) => ({
    fromMs: instantOf(entry.from, clock),
    untilMs: instantOf(entry.until, clock),
    what: 'on call',
    explains: wordsOf(entry.explains ?? ['off-hours']),
    covers: (s) => s.identity === entry.person,
  }));
}

function wordsOf(words: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return words === undefined ? undefined : new Set(words.map((w) => explainableWord(w) ?? w));
}

/** A date stands for the midnight at which it begins in the organisation's zone. */
function instantOf(text: string, clock: ZoneClock): number {
  const ms = Date.parse(text);
  if (text.includes('T')) return ms;
  const local = clock(ms);
  const shownMs = local.day * 86_400_000 + local.minuteOfDay * 60_000;
  return ms - (shownMs - ms);
}
