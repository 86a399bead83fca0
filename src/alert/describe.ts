import type { Alert, Level, Signal } from '../core/signal.ts';
import { levelRank } from '../core/signal.ts';
import { severityOf, type Weighed } from './weigh.ts';

/** Enough to find and score every story; a mass read has its count in `eventsTotal`. */
const referencesMax = 500;

/** Rule id of an alert made of several weak kinds. */
const combinedRule = 'combined-signals';

/** One alert explains itself by its parts: who, which secret, what, how unusual, since when, what to do. */
export function describe(id: string, parts: readonly Weighed[], ownerOf: (secret: string) => string): Alert {
  const ordered = [...parts].sort(strongestFirst);
  const strongest = ordered[0];
  if (!strongest) throw new Error('an alert has at least one signal');
  const byTime = ordered.map((p) => p.signal).sort((a, b) => a.time - b.time || (a.id < b.id ? -1 : 1));
  const lead = strongest.signal;
  const rows = partRows(ordered);
  const isSum = strongest.isWeak && rows.length > 1;
  const severity = severityOf(parts);
  const secrets = union(byTime.map((s) => s.secrets));
  const secret = lead.secret || (secrets[0] ?? '');
  return {
    id,
    rule: isSum ? combinedRule : lead.rule,
    title: isSum ? `${rows.length} unusual things in one day: ${lead.title}` : lead.title,
    severity,
    state: 'open',
    // Not `Math.min(...)`: a rule may hit more often in a day than a call takes arguments.
    first: iso(byTime.reduce((least, s) => Math.min(least, s.first), Number.POSITIVE_INFINITY)),
    last: iso(byTime.reduce((most, s) => Math.max(most, s.last), Number.NEGATIVE_INFINITY)),
    // Nobody named: the address is what a reader can act on.
    identity: lead.identity || lead.srcIps[0] || lead.group,
    identityName: lead.identityName,
    secret,
    secrets: secrets.slice(0, referencesMax),
    srcIps: union(byTime.map((s) => s.srcIps)).slice(0, referencesMax),
    sessions: union(byTime.map((s) => s.sessions)).slice(0, referencesMax),
    owner: secret === '' ? '' : ownerOf(secret),
    requests: union(byTime.map((s) => s.requests)).slice(0, referencesMax),
    events: union(byTime.map((s) => s.events)).slice(0, referencesMax),
    eventsTotal: eventsTotal(byTime),
    summary: summary(ordered, rows),
    advice: lead.advice,
    parts: rows,
  };
}

function partRows(ordered: readonly Weighed[]): Alert['parts'] {
  const rows = new Map<
    string,
    { rule: string; title: string; level: Level; count: number; sentence: string }
  >();
  for (const { signal, level, isDamped } of ordered) {
    const row = rows.get(signal.rule);
    if (row) row.count += 1;
    else {
      const sentence = sentenceOf(signal, isDamped);
      rows.set(signal.rule, { rule: signal.rule, title: signal.title, level, count: 1, sentence });
    }
  }
  return [...rows.values()];
}

/** An announcement is always said, and whether it counted. */
function sentenceOf(signal: Signal, isDamped: boolean): string {
  const sentence = signal.unusual.sentence.trim() || signal.title;
  if (signal.explained.length === 0) return sentence;
  const what = signal.explained.join('; ');
  const effect = isDamped ? 'counts half' : 'this rule is never damped';
  return `${sentence} Announced: ${what} (${effect}).`;
}

function summary(ordered: readonly Weighed[], rows: Alert['parts']): string {
  const lead = rows[0];
  if (!lead || !ordered[0]) return '';
  const times = lead.count > 1 ? ` (one of ${lead.count})` : '';
  const others = rows.slice(1).map((r) => r.title);
  const also = others.length > 0 ? ` Also: ${others.join('; ')}.` : '';
  return `${endWithStop(lead.sentence, times)}${also}`;
}

function endWithStop(sentence: string, suffix: string): string {
  return `${sentence.replace(/\.$/, '')}${suffix}.`;
}

/** Distinct events where all are listed; what a signal's list had no room for is added. */
function eventsTotal(signals: readonly Signal[]): number {
  const listed = union(signals.map((s) => s.events)).length;
  const unlisted = signals.reduce((sum, s) => sum + Math.max(0, s.eventsTotal - s.events.length), 0);
  return listed + unlisted;
}

function strongestFirst(a: Weighed, b: Weighed): number {
  return (
    Number(a.isWeak) - Number(b.isWeak) ||
    levelRank(b.level) - levelRank(a.level) ||
    b.weight - a.weight ||
    // A baseline speaks again as it grows, each time with all before: the least likely word is the fullest.
    (a.signal.unusual.p ?? 1) - (b.signal.unusual.p ?? 1) ||
    a.signal.time - b.signal.time ||
    (a.signal.id < b.signal.id ? -1 : a.signal.id > b.signal.id ? 1 : 0)
  );
}

function union(lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())];
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
