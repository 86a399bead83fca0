import type { ObservedEvent } from './observed.ts';
import type { Correlation, Firing, Rule } from './sigma/sigma.ts';

/** What one event was, in words: who did what to what, from where, and whether it was let. */
export function hitSentence(event: ObservedEvent): string {
  const who = event.actor_name || event.actor_id || event.target_actor || 'an unidentified caller';
  const from = event.src_ip === '' ? '' : ` from ${event.src_ip}`;
  const what = event.operation || event.action;
  return `${who}: ${what} of ${event.object_id || 'no named object'}${from}, ${event.outcome}`;
}

/** What a correlation saw, against what it asks for, and the event that completed it. */
export function firingSentence(firing: Firing<ObservedEvent>, titleOf: (ruleId: string) => string): string {
  const { correlation, refs, first, last } = firing;
  const completing = refs.at(-1);
  const tail = completing === undefined ? '' : `; last ${hitSentence(completing)}`;
  return `${countSentence(firing, titleOf)} within ${durationText(last - first)} (${asksFor(correlation)})${tail}`;
}

function countSentence(
  { correlation, count }: Firing<ObservedEvent>,
  titleOf: (id: string) => string,
): string {
  const titles = correlation.rules.map((id) => `“${titleOf(id)}”`);
  switch (correlation.type) {
    case 'event_count':
      return `${count} times ${titles.join(' or ')}`;
    case 'value_count':
      return `${count} different ${correlation.fields.map(plural).join(' and ')}`;
    case 'temporal':
      return titles.join(' and ');
    case 'temporal_ordered':
      return titles.join(', then ');
  }
}

function asksFor(correlation: Correlation): string {
  const within = durationText(correlation.timespanMs);
  if (correlation.type === 'temporal' || correlation.type === 'temporal_ordered')
    return `looked for within ${within}`;
  const threshold = correlation.criteria.map((c) => `${inWords[c.op]} ${c.value}`).join(' and ');
  return `the rule asks for ${threshold} in ${within}`;
}

const inWords = {
  gt: 'more than',
  gte: 'at least',
  lt: 'fewer than',
  lte: 'at most',
  eq: 'exactly',
  neq: 'other than',
} as const;

/** Our own fields as people say them; a native field keeps its name. */
const plurals: Readonly<Record<string, string>> = {
  object_id: 'objects',
  secret: 'secrets',
  identity: 'identities',
  actor_id: 'actors',
  src_ip: 'addresses',
  network: 'networks',
  session_id: 'sessions',
};

function plural(field: string): string {
  return plurals[field.replace(/^kw\./, '')] ?? `values of ${field}`;
}

function durationText(ms: number): string {
  if (ms < 120_000) return `${Math.max(1, Math.ceil(ms / 1000))} s`;
  if (ms < 2 * 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 2 * 86_400_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** Title of a rule or correlation by id; the id itself when it is not loaded. */
export function titleLookup(rules: readonly (Rule | Correlation)[]): (ruleId: string) => string {
  const titles = new Map(rules.map((r) => [r.id, r.title]));
  return (id) => titles.get(id) ?? id;
}
