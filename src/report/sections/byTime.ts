import type { SectionDefinition } from '../section.ts';
import { acts, define, finals, finalsOfPeriod, instant, type Scope, text } from '../sql.ts';

/** The third view, week by week. Weeks begin on Monday in the review's zone; the first and last may be cut. */
export function byWeek(scope: Scope): SectionDefinition {
  return {
    ...timeTable(scope, `toString(toMonday(time, ${text(scope.zone)}))`),
    id: 'by-time',
    title: 'Access by week',
    lead: [
      `Weeks begin on Monday in ${scope.zone}; the first and the last are cut at the period's edges. A week without any act has no line.`,
    ],
  };
}

/** The same by month. */
export function byMonth(scope: Scope): SectionDefinition {
  return {
    ...timeTable(scope, `formatDateTime(time, '%Y-%m', ${text(scope.zone)})`),
    id: 'by-month',
    title: 'Access by month',
    lead: [`Calendar months in ${scope.zone}.`],
  };
}

function timeTable(scope: Scope, bucket: string): Pick<SectionDefinition, 'columns' | 'sql'> {
  return {
    // biome-ignore format: one column a line
    columns: [
      { key: 'begins', label: 'Begins', kind: 'text' },
      { key: 'reads', label: 'Reads', kind: 'count' },
      { key: 'secrets', label: 'Secrets read', kind: 'count' },
      { key: 'identities', label: 'Identities', kind: 'count' },
      { key: 'writes', label: 'Writes', kind: 'count' },
      { key: 'listings', label: 'Listings', kind: 'count' },
      { key: 'nothing_found', label: 'Nothing there', kind: 'count' },
      { key: 'denied', label: 'Denied', kind: 'count' },
      { key: 'errors', label: 'Errors', kind: 'count' },
      { key: 'logins', label: 'Logins', kind: 'count' },
      { key: 'acts', label: 'All acts', kind: 'count' },
      { key: 'denied_share', label: 'Denied share', kind: 'share' },
    ],
    sql: `${define('returned_value', 'browsed', 'changed', 'removed', 'nothing_there', 'refused', 'failed', 'logged_in')}
SELECT
  ${bucket} AS begins,
  ${acts('returned_value')} AS reads,
  uniqExactIf(secret, returned_value) AS secrets,
  uniqExactIf(identity, identity <> '') AS identities,
  ${acts('changed OR removed')} AS writes,
  ${acts('browsed')} AS listings,
  ${acts('nothing_there')} AS nothing_found,
  ${acts('refused')} AS denied,
  ${acts('failed')} AS errors,
  ${acts('logged_in')} AS logins,
  uniqExact(dup_key) AS acts,
  round(denied / acts, 4) AS denied_share
FROM ${finalsOfPeriod(scope)}
GROUP BY begins
ORDER BY begins`,
  };
}

/** The most read secrets of the period, and how often each was read in the period before. */
export function mostRead(
  scope: Scope,
  before: { readonly from: number; readonly to: number },
  limit: number,
): string {
  return `${define('returned_value')}
SELECT
  secret,
  uniqExactIf(dup_key, returned_value AND time >= ${instant(scope.from)}) AS reads,
  uniqExactIf(dup_key, returned_value AND time < ${instant(before.to)}) AS reads_before
FROM ${finals(scope, before.from, scope.to)}
WHERE secret <> ''
GROUP BY secret
HAVING reads > 0
ORDER BY reads DESC, secret
LIMIT ${limit}`;
}
