import type { SectionDefinition } from '../section.ts';
import { distinct, finalsOfPeriod, firstTime, lastTime, type Scope } from '../sql.ts';

/** What was looked at: every system that has an act in the period, and with which adapter and catalog it was read. */
export function systems(scope: Scope): SectionDefinition {
  return {
    id: 'systems',
    title: 'Systems',
    lead: [
      'Systems that have at least one act in the period. A system that is not listed sent nothing, or is not collected: this review says nothing about it.',
    ],
    // biome-ignore format: one column a line
    columns: [
      { key: 'source', label: 'Source', kind: 'text' },
      { key: 'store', label: 'Store', kind: 'text' },
      { key: 'accounts', label: 'Accounts', kind: 'list' },
      { key: 'streams', label: 'Streams', kind: 'list' },
      { key: 'acts', label: 'Acts', kind: 'count' },
      { key: 'events', label: 'Events', kind: 'count' },
      { key: 'first_seen', label: 'First', kind: 'time' },
      { key: 'last_seen', label: 'Last', kind: 'time' },
      { key: 'adapters', label: 'Adapter', kind: 'list' },
      { key: 'catalogs', label: 'Catalog', kind: 'list' },
    ],
    sql: `SELECT
  source,
  object_store AS store,
  arraySlice(${distinct('object_account')}, 1, 10) AS accounts,
  ${distinct('stream')} AS streams,
  uniqExact(dup_key) AS acts,
  uniqExact(stream, partition, epoch, offset, idx) AS events,
  ${firstTime('1')} AS first_seen,
  ${lastTime('1')} AS last_seen,
  arraySort(groupUniqArray(toString(adapter))) AS adapters,
  arraySort(groupUniqArray(toString(catalog_version))) AS catalogs
FROM ${finalsOfPeriod(scope)}
GROUP BY source, store
ORDER BY source, store`,
  };
}
