import type { SectionDefinition } from '../section.ts';
import { define, distinct, finalsOfPeriod, firstTime, lastEvent, lastTime, type Scope } from '../sql.ts';

/** Refusals and failures, by who, what and why. */
export function denied(scope: Scope): SectionDefinition {
  return {
    id: 'denied',
    title: 'Denied and failed',
    lead: [
      'What was refused (denied) or went wrong (error), by identity, object and action. Requests that found nothing are not here. Failed logins often name nobody; then the object is the login path that was tried.',
    ],
    // biome-ignore format: one column a line
    columns: [
      { key: 'identity', label: 'Identity', kind: 'id', under: ['names'] },
      { key: 'names', label: 'Names', kind: 'list', isFileOnly: true },
      { key: 'object', label: 'Object', kind: 'id' },
      { key: 'action', label: 'Action', kind: 'text' },
      { key: 'outcome', label: 'Outcome', kind: 'verdict' },
      { key: 'reasons', label: 'Reason', kind: 'list' },
      { key: 'acts', label: 'Acts', kind: 'count' },
      { key: 'first_seen', label: 'First', kind: 'time' },
      { key: 'last_seen', label: 'Last', kind: 'time' },
      { key: 'addresses', label: 'Addresses', kind: 'list', isFileOnly: true },
      { key: 'last_event', label: 'Last event', kind: 'event' },
    ],
    sql: `${define('refused', 'failed', 'event', 'address')}
SELECT
  identity,
  ${distinct('actor_name')} AS names,
  secret AS object,
  action,
  outcome,
  arraySlice(${distinct('outcome_reason')}, 1, 5) AS reasons,
  uniqExact(dup_key) AS acts,
  ${firstTime('1')} AS first_seen,
  ${lastTime('1')} AS last_seen,
  arraySlice(${distinct('address')}, 1, 8) AS addresses,
  ${lastEvent('1')} AS last_event
FROM ${finalsOfPeriod(scope)}
WHERE refused OR failed
GROUP BY identity, object, action, outcome
ORDER BY acts DESC, identity, object, action, outcome`,
  };
}
