import type { SectionDefinition } from '../section.ts';
import { define, distinct, finalsOfPeriod, firstTime, lastEvent, lastTime, type Scope } from '../sql.ts';

/** Use of powers that should be rare: root, break-glass, seal and the audit trail itself. */
export function privileged(scope: Scope): SectionDefinition {
  return {
    id: 'privileged',
    title: 'Root, break-glass and the audit trail itself',
    lead: [
      'Acts of root, of identities the catalog marks as break-glass, and acts that seal a store or change what it audits. Each line should have a reason somebody can name.',
    ],
    // biome-ignore format: one column a line
    columns: [
      { key: 'why', label: 'Power', kind: 'text' },
      { key: 'identity', label: 'Identity', kind: 'id', under: ['names'] },
      { key: 'names', label: 'Names', kind: 'list', isFileOnly: true },
      { key: 'acts', label: 'Acts', kind: 'count' },
      { key: 'reads', label: 'Reads', kind: 'count' },
      { key: 'denied', label: 'Denied', kind: 'count' },
      { key: 'actions', label: 'Actions', kind: 'list' },
      { key: 'objects_total', label: 'Objects', kind: 'count' },
      { key: 'first_seen', label: 'First', kind: 'time' },
      { key: 'last_seen', label: 'Last', kind: 'time' },
      { key: 'addresses', label: 'Addresses', kind: 'list' },
      { key: 'last_event', label: 'Last event', kind: 'event' },
    ],
    sql: `${define('returned_value', 'refused', 'event', 'address')}
SELECT
  multiIf(actor_kind = 'root', 'root', has(marks, 'break_glass'), 'break-glass', action = 'seal', 'seal', 'audit trail') AS why,
  identity,
  ${distinct('actor_name')} AS names,
  uniqExact(dup_key) AS acts,
  uniqExactIf(dup_key, returned_value) AS reads,
  uniqExactIf(dup_key, refused) AS denied,
  ${distinct('action')} AS actions,
  uniqExactIf(secret, secret <> '') AS objects_total,
  ${firstTime('1')} AS first_seen,
  ${lastTime('1')} AS last_seen,
  arraySlice(${distinct('address')}, 1, 8) AS addresses,
  ${lastEvent('1')} AS last_event
FROM ${finalsOfPeriod(scope)}
WHERE actor_kind = 'root' OR has(marks, 'break_glass') OR action IN ('seal', 'config-audit')
GROUP BY why, identity
ORDER BY indexOf(['root', 'break-glass', 'seal', 'audit trail'], why), acts DESC, identity`,
  };
}
