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

/** Addresses shown for one identity: more say no more, and the total stands beside. */
const addressesMax = 8;

/** The first of the three views: what each identity did. */
export function byUser(scope: Scope): SectionDefinition {
  return {
    id: 'by-user',
    title: 'Access by user',
    lead: [
      'One line for each identity that did anything in the period. Reads are acts that returned a secret value; listings, requests that found nothing and denied requests are counted apart.',
      'A line without an id gathers acts whose records name nobody: a failed login, for example, shows only the path that was tried.',
    ],
    // biome-ignore format: one column a line
    columns: [
      { key: 'identity', label: 'Identity', kind: 'id', under: ['names', 'roles'] },
      { key: 'names', label: 'Names', kind: 'list', isFileOnly: true },
      { key: 'roles', label: 'Roles', kind: 'list', isFileOnly: true },
      { key: 'kinds', label: 'Kind', kind: 'list' },
      { key: 'teams', label: 'Team', kind: 'list' },
      { key: 'environments', label: 'Environment', kind: 'list', isFileOnly: true },
      { key: 'reads', label: 'Reads', kind: 'count' },
      { key: 'secrets', label: 'Secrets', kind: 'count' },
      { key: 'writes', label: 'Writes', kind: 'count' },
      { key: 'listings', label: 'Listings', kind: 'count', isFileOnly: true },
      { key: 'nothing_found', label: 'Nothing there', kind: 'count' },
      { key: 'denied', label: 'Denied', kind: 'count' },
      { key: 'errors', label: 'Errors', kind: 'count' },
      { key: 'logins', label: 'Logins', kind: 'count' },
      { key: 'methods', label: 'Methods', kind: 'list' },
      { key: 'first_seen', label: 'First', kind: 'time' },
      { key: 'last_seen', label: 'Last', kind: 'time' },
      { key: 'networks', label: 'Networks', kind: 'list' },
      { key: 'addresses', label: 'Addresses', kind: 'list', isFileOnly: true },
      { key: 'addresses_total', label: 'IPs', kind: 'count' },
      { key: 'last_event', label: 'Last event', kind: 'event', isFileOnly: true },
    ],
    sql: `${define('returned_value', 'browsed', 'changed', 'removed', 'nothing_there', 'refused', 'failed', 'logged_in', 'event', 'address')}
SELECT
  identity,
  ${distinct('actor_name')} AS names,
  ${distinct('actor_role')} AS roles,
  ${distinct('identity_kind')} AS kinds,
  ${distinct('team')} AS teams,
  ${distinct('actor_env')} AS environments,
  ${acts('returned_value')} AS reads,
  uniqExactIf(secret, returned_value) AS secrets,
  ${acts('changed OR removed')} AS writes,
  ${acts('browsed')} AS listings,
  ${acts('nothing_there')} AS nothing_found,
  ${acts('refused')} AS denied,
  ${acts('failed')} AS errors,
  ${acts('logged_in')} AS logins,
  ${distinct('auth_method', 'logged_in')} AS methods,
  ${firstTime('1')} AS first_seen,
  ${lastTime('1')} AS last_seen,
  ${distinct('network')} AS networks,
  arraySlice(${distinct('address')}, 1, ${addressesMax}) AS addresses,
  uniqExactIf(address, address <> '') AS addresses_total,
  ${lastEvent('1')} AS last_event
FROM ${finalsOfPeriod(scope)}
GROUP BY identity
ORDER BY reads DESC, identity`,
    eventsSql: `SELECT time, operation, action, outcome, secret, src_ip, stream, partition, epoch, offset, idx
FROM ${finalsOfPeriod(scope)}
WHERE identity = 'IDENTITY'
ORDER BY time`,
  };
}
