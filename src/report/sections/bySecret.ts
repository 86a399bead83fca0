import type { SectionDefinition } from '../section.ts';
import { acts, define, distinct, finalsOfPeriod, lastEvent, lastTime, type Scope } from '../sql.ts';

/** The second view: what was done with each secret. Rows without any answer but "nothing there" have a section of their own. */
export function bySecret(scope: Scope): SectionDefinition {
  return {
    id: 'by-secret',
    title: 'Access by secret',
    lead: [
      'One line for each secret that was read, written or refused in the period. Readers are distinct identities that got the value.',
      'A secret that only shows refusals may or may not exist. One that nobody touched is not here: the log shows acts, not inventories.',
    ],
    // biome-ignore format: one column a line
    columns: [
      { key: 'secret', label: 'Secret', kind: 'id' },
      { key: 'kinds', label: 'Kind', kind: 'list', isFileOnly: true },
      { key: 'crown_jewel', label: 'Crown jewel', kind: 'flag' },
      { key: 'environments', label: 'Environment', kind: 'list' },
      { key: 'owners', label: 'Owner', kind: 'list' },
      { key: 'data_classes', label: 'Data', kind: 'list', isFileOnly: true },
      { key: 'readers', label: 'Readers', kind: 'count' },
      { key: 'reads', label: 'Reads', kind: 'count' },
      { key: 'writes', label: 'Writes', kind: 'count' },
      { key: 'removals', label: 'Deletes', kind: 'count' },
      { key: 'denied', label: 'Denied', kind: 'count' },
      { key: 'last_read', label: 'Last read', kind: 'time' },
      { key: 'last_changed', label: 'Last changed', kind: 'time' },
      { key: 'last_read_event', label: 'Last read event', kind: 'event', isFileOnly: true },
    ],
    sql: `${define('is_secret', 'returned_value', 'changed', 'removed', 'refused', 'no_data', 'event')}
SELECT
  secret,
  ${distinct('object_kind')} AS kinds,
  max(has(marks, 'crown_jewel')) = 1 AS crown_jewel,
  ${distinct('env')} AS environments,
  ${distinct('owner')} AS owners,
  arraySort(groupUniqArrayArray(arrayMap(m -> substring(m, 6), arrayFilter(m -> startsWith(m, 'data:'), marks)))) AS data_classes,
  uniqExactIf(identity, returned_value) AS readers,
  ${acts('returned_value')} AS reads,
  ${acts('changed')} AS writes,
  ${acts('removed')} AS removals,
  ${acts('refused')} AS denied,
  ${lastTime('returned_value')} AS last_read,
  ${lastTime('changed')} AS last_changed,
  ${lastEvent('returned_value')} AS last_read_event
FROM ${finalsOfPeriod(scope)}
WHERE is_secret AND secret <> ''
GROUP BY secret
HAVING countIf(outcome = 'allowed' AND action <> 'list' AND NOT no_data) > 0 OR denied > 0
ORDER BY reads DESC, secret`,
    eventsSql: `SELECT time, identity, operation, action, outcome, src_ip, stream, partition, epoch, offset, idx
FROM ${finalsOfPeriod(scope)}
WHERE secret = 'SECRET'
ORDER BY time`,
  };
}

/** Names that were asked for and never returned anything: mistyped paths, removed secrets, probing. */
export function notFound(scope: Scope): SectionDefinition {
  return {
    id: 'nothing-there',
    title: 'Asked for, nothing there',
    lead: [
      'Names that were requested without being refused and never returned a value, were written or were denied in the period: mistyped paths, secrets that are gone, somebody trying names. They are in no other count of secrets.',
    ],
    // biome-ignore format: one column a line
    columns: [
      { key: 'secret', label: 'Name asked for', kind: 'id' },
      { key: 'environments', label: 'Environment', kind: 'list' },
      { key: 'requests', label: 'Requests', kind: 'count' },
      { key: 'identities', label: 'Identities', kind: 'count' },
      { key: 'who', label: 'Who', kind: 'list' },
      { key: 'last_asked', label: 'Last asked', kind: 'time' },
      { key: 'last_event', label: 'Last event', kind: 'event' },
    ],
    sql: `${define('is_secret', 'nothing_there', 'event')}
SELECT
  secret,
  ${distinct('env')} AS environments,
  ${acts('nothing_there')} AS requests,
  uniqExactIf(identity, nothing_there) AS identities,
  arraySlice(${distinct('identity', 'nothing_there')}, 1, 10) AS who,
  ${lastTime('nothing_there')} AS last_asked,
  ${lastEvent('nothing_there')} AS last_event
FROM ${finalsOfPeriod(scope)}
WHERE is_secret AND secret <> ''
GROUP BY secret
HAVING requests > 0 AND countIf(outcome = 'allowed' AND action <> 'list' AND NOT no_data) = 0 AND countIf(outcome = 'denied') = 0
ORDER BY requests DESC, secret`,
  };
}
