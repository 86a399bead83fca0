import type { SectionDefinition } from '../section.ts';
import {
  acts,
  define,
  distinct,
  finalsOfPeriod,
  firstTime,
  lastEvent,
  lastTime,
  type Scope,
} from '../sql.ts';

/** Identities of a named environment other than production that asked for production secrets. */
export function crossEnvironment(scope: Scope): SectionDefinition {
  return {
    id: 'cross-environment',
    title: 'Production secrets and non-production identities',
    lead: [
      'Identities that the catalog places in another environment than production, and the production secrets they were given or refused. An identity the catalog places nowhere cannot be here.',
    ],
    // biome-ignore format: one column a line
    columns: [
      { key: 'identity', label: 'Identity', kind: 'id', under: ['names'] },
      { key: 'names', label: 'Names', kind: 'list', isFileOnly: true },
      { key: 'kinds', label: 'Kind', kind: 'list' },
      { key: 'from_environment', label: 'From', kind: 'list' },
      { key: 'secret', label: 'Production secret', kind: 'id' },
      { key: 'owners', label: 'Owner', kind: 'list' },
      { key: 'crown_jewel', label: 'Crown jewel', kind: 'flag' },
      { key: 'reads', label: 'Reads', kind: 'count' },
      { key: 'writes', label: 'Writes', kind: 'count' },
      { key: 'denied', label: 'Denied', kind: 'count' },
      { key: 'first_seen', label: 'First', kind: 'time' },
      { key: 'last_seen', label: 'Last', kind: 'time' },
      { key: 'last_event', label: 'Last event', kind: 'event' },
    ],
    sql: `${define('returned_value', 'changed', 'removed', 'refused', 'is_secret', 'event')}
SELECT
  identity,
  ${distinct('actor_name')} AS names,
  ${distinct('identity_kind')} AS kinds,
  ${distinct('actor_env')} AS from_environment,
  secret,
  ${distinct('owner')} AS owners,
  max(has(marks, 'crown_jewel')) = 1 AS crown_jewel,
  ${acts('returned_value')} AS reads,
  ${acts('changed OR removed')} AS writes,
  ${acts('refused')} AS denied,
  ${firstTime('1')} AS first_seen,
  ${lastTime('1')} AS last_seen,
  ${lastEvent('1')} AS last_event
FROM ${finalsOfPeriod(scope)}
WHERE is_secret AND env = 'production' AND actor_env NOT IN ('production', 'unknown', '')
GROUP BY identity, secret
HAVING reads + writes + denied > 0
ORDER BY reads DESC, writes DESC, denied DESC, identity, secret`,
  };
}
