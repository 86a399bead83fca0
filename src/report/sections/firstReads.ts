import type { SectionDefinition } from '../section.ts';
import {
  define,
  distinct,
  finalsUntilEnd,
  firstEvent,
  instant,
  iso,
  logBegins,
  type Scope,
  sourceBegan,
} from '../sql.ts';

/** Two weeks of log show who reads what as a matter of course; the baselines of novelty learn as long. */
const learningDays = 14;

const dayMs = 86_400_000;

/** Who got the value of what for the first time. Events before the period decide; what they cannot is said. */
export function firstReads(scope: Scope): SectionDefinition {
  const began = logBegins(scope);
  const start = new Date(began).toISOString().slice(0, 16).replace('T', ' ');
  return {
    id: 'first-reads',
    title: 'Read for the first time',
    lead: [
      'Identity and secret pairs whose first returned value lies in the period, with nothing of the kind earlier in the log.',
      began + learningDays * dayMs > scope.from
        ? `The log begins ${start} UTC, so there is too little before the period to tell new from usual: pairs first seen within ${learningDays} days of their source's first event are marked “learning” and stand last. They are not findings.`
        : `The log begins ${start} UTC, more than ${learningDays} days before the period.`,
    ],
    // biome-ignore format: one column a line
    columns: [
      { key: 'first_read', label: 'First read', kind: 'time' },
      { key: 'identity', label: 'Identity', kind: 'id', under: ['names'] },
      { key: 'names', label: 'Names', kind: 'list', isFileOnly: true },
      { key: 'teams', label: 'Team', kind: 'list' },
      { key: 'secret', label: 'Secret', kind: 'id' },
      { key: 'environments', label: 'Environment', kind: 'list' },
      { key: 'owners', label: 'Owner', kind: 'list' },
      { key: 'crown_jewel', label: 'Crown jewel', kind: 'flag' },
      { key: 'reads', label: 'Reads', kind: 'count' },
      { key: 'learning', label: 'Learning', kind: 'flag' },
      { key: 'first_event', label: 'First event', kind: 'event' },
    ],
    sql: `${define('returned_value', 'event')}
SELECT
  identity,
  secret,
  ${iso('min(time)')} AS first_read,
  ${distinct('actor_name')} AS names,
  ${distinct('team')} AS teams,
  ${distinct('env')} AS environments,
  ${distinct('owner')} AS owners,
  max(has(marks, 'crown_jewel')) = 1 AS crown_jewel,
  uniqExact(dup_key) AS reads,
  toUnixTimestamp64Milli(toDateTime64(min(time), 3, 'UTC')) < max(${sourceBegan(scope)}) + ${learningDays * dayMs} AS learning,
  ${firstEvent('1')} AS first_event
FROM ${finalsUntilEnd(scope)}
WHERE returned_value AND secret <> ''
GROUP BY identity, secret
HAVING min(time) >= ${instant(scope.from)}
ORDER BY learning, first_read, identity, secret`,
  };
}
