import { acts, define, finalsOfPeriod, instant, type Scope } from '../sql.ts';

/** One number of the summary: what it counts, in words. */
export interface Figure {
  readonly key: string;
  readonly label: string;
  readonly note: string;
}

// biome-ignore format: one figure a line
export const figures: readonly Figure[] = [
  { key: 'value_returned', label: 'secret values returned', note: 'allowed read, use or issue of a secret that returned a value' },
  { key: 'secrets', label: 'secrets whose value was returned', note: 'distinct secrets; one secret under several names counts once' },
  { key: 'identities', label: 'identities seen', note: 'distinct, of any act; acts without an actor in the record are not among them' },
  { key: 'pairs', label: 'identity × secret pairs', note: 'who got the value of what, each pair once' },
  { key: 'acts', label: 'acts in all', note: 'answers of the audited systems, each act once, of whatever kind' },
  { key: 'browsed_acts', label: 'listings', note: 'names or metadata, no value' },
  { key: 'no_data_acts', label: 'asked for, nothing there', note: 'no error and no data, or not found: no value left the store' },
  { key: 'denied', label: 'denied', note: 'refused by the system, failed logins included' },
  { key: 'errors', label: 'failed otherwise', note: 'neither allowed nor denied' },
  { key: 'logins', label: 'logins', note: 'successful' },
  { key: 'logins_failed', label: 'failed logins', note: 'part of the denied' },
  { key: 'values_unnamed', label: 'values returned to nobody named', note: 'the record has no actor at all' },
  { key: 'unanswered', label: 'requests without an answer', note: 'a request is in the log and its answer is not; not counted above' },
];

/** The summary's numbers, all in one row. */
export function figuresSql(scope: Scope): string {
  return `${define('returned_value', 'browsed', 'nothing_there', 'refused', 'failed', 'logged_in', 'login_failed')}
SELECT
  ${acts('returned_value')} AS value_returned,
  uniqExactIf(secret, returned_value) AS secrets,
  uniqExactIf(identity, identity <> '') AS identities,
  uniqExactIf((identity, secret), returned_value) AS pairs,
  uniqExact(dup_key) AS acts,
  ${acts('browsed')} AS browsed_acts,
  ${acts('nothing_there')} AS no_data_acts,
  ${acts('refused')} AS denied,
  ${acts('failed')} AS errors,
  ${acts('logged_in')} AS logins,
  ${acts('login_failed')} AS logins_failed,
  ${acts("returned_value AND identity = ''")} AS values_unnamed,
  (
    SELECT uniqExact(dup_key) FROM kw.events
    WHERE phase = 'attempt' AND time >= ${instant(scope.from)} AND time < ${instant(scope.to)}
      AND ${scope.under}
      AND dup_key NOT IN (SELECT dup_key FROM kw.events WHERE phase = 'final' AND ${scope.under})
  ) AS unanswered
FROM ${finalsOfPeriod(scope)}`;
}
