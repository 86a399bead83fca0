import type { KnownIdentity } from '../input.ts';
import type { SectionDefinition } from '../section.ts';
import {
  activeSources,
  define,
  distinct,
  finalsUntilEnd,
  instant,
  iso,
  logBegins,
  type Scope,
  text,
  texts,
} from '../sql.ts';

/** PCI DSS 8.2.6 disables accounts after 90 days without use; the same limit serves the other frameworks. */
const dormantDays = 90;

const dayMs = 86_400_000;

/** Identities that the catalog names or the log once showed, and that did nothing in the last 90 days. */
export function dormant(scope: Scope, known: readonly KnownIdentity[]): SectionDefinition {
  const active = activeSources(scope);
  const silent = [...new Set(scope.windows.map((w) => w.source))].filter((s) => !active.includes(s)).sort();
  const since = scope.asOf - dormantDays * dayMs;
  return {
    id: 'dormant',
    title: 'Dormant identities',
    lead: [
      `Identities that the catalog names or the log showed earlier, without any act from ${day(since)} to ${day(scope.asOf)} (the last ${dormantDays} days, UTC). Denied requests are no use of an account and are counted apart.`,
      `The log begins ${day(logBegins(scope))}. “Not in the window” means no act since then; it does not mean never.`,
      ...(logBegins(scope) > since
        ? [
            `The log is shorter than ${dormantDays} days: an identity is here for ${Math.floor((scope.asOf - logBegins(scope)) / dayMs)} days of silence only.`,
          ]
        : []),
      ...(silent.length > 0
        ? [
            `Not judged: identities of ${silent.join(', ')}, of which the log has no act at all in the period.`,
          ]
        : []),
    ],
    // biome-ignore format: one column a line
    columns: [
      { key: 'identity', label: 'Identity', kind: 'id', under: ['names'] },
      { key: 'names', label: 'Names', kind: 'list', isFileOnly: true },
      { key: 'kinds', label: 'Kind', kind: 'list' },
      { key: 'teams', label: 'Team', kind: 'list' },
      { key: 'in_catalog', label: 'In the catalog', kind: 'flag' },
      { key: 'left', label: 'Left', kind: 'text' },
      { key: 'last_active', label: 'Last act', kind: 'time' },
      { key: 'idle_days', label: 'Idle days', kind: 'text' },
      { key: 'denied_in_window', label: 'Denied', kind: 'count' },
      { key: 'last_event', label: 'Last event', kind: 'event' },
    ],
    sql: `${define('event')}
SELECT
  identity,
  ${distinct('name')} AS names,
  ${distinct('kind')} AS kinds,
  ${distinct('its_team')} AS teams,
  max(listed) = 1 AS in_catalog,
  max(until_day) AS left,
  if(countIf(active) = 0, '', ${iso('maxIf(at, active)')}) AS last_active,
  if(countIf(active) = 0, '', toString(intDiv(dateDiff('second', maxIf(at, active), ${instant(scope.asOf)}), 86400))) AS idle_days,
  uniqExactIf(dup_key, listed = 0 AND NOT active) AS denied_in_window,
  argMaxIf(name_of_event, (at, name_of_event), active) AS last_event
FROM (
  SELECT identity, toString(actor_name) AS name, toString(identity_kind) AS kind, toString(team) AS its_team,
    0 AS listed, '' AS until_day, time AS at, outcome <> 'denied' AS active, dup_key, event AS name_of_event
  FROM ${finalsUntilEnd(scope)}
  WHERE identity <> '' AND has(${texts(active)}, toString(source))${knownRows(known)}
)
GROUP BY identity
HAVING countIf(active AND at >= ${instant(since)}) = 0
ORDER BY last_active, identity`,
  };
}

function knownRows(known: readonly KnownIdentity[]): string {
  if (known.length === 0) return '';
  const rows = [...known]
    .sort((a, b) => (a.identity < b.identity ? -1 : 1))
    .map((k) => `(${text(k.identity)}, ${text(k.kind)}, ${text(k.team)}, ${text(k.until)})`);
  return `
  UNION ALL
  SELECT k.1, '', k.2, k.3, 1, k.4, toDateTime64(0, 9, 'UTC'), 0, '', ''
  FROM (SELECT arrayJoin([
    ${rows.join(',\n    ')}
  ]) AS k)`;
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
