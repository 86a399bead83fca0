import type { SectionDefinition } from '../section.ts';
import {
  activeSources,
  define,
  distinct,
  finalsUntilEnd,
  instant,
  iso,
  type Scope,
  storeBegan,
  texts,
} from '../sql.ts';

/** Secrets with a rotation policy, by the number of days within which they must change. */
export type RotationPolicies = ReadonlyMap<number, readonly string[]>;

/** Every secret that is known to exist because the log showed it until the period's end, with the object ids that mean it. */
export function shownSecretsSql(scope: Scope): string {
  return `${define('is_secret', 'no_data')}
SELECT secret, ${distinct('object_id')} AS objects
FROM ${finalsUntilEnd(scope)}
WHERE is_secret AND secret <> ''
GROUP BY secret
HAVING countIf(outcome = 'allowed' AND action <> 'list' AND NOT no_data) > 0 AND max(${storeBegan(scope)}) > 0
ORDER BY secret`;
}

/**
 * When each secret with a policy was last changed, against the policy. The policies come from the catalog and
 * stand in the statement, so that the verdict can be computed again from the store alone.
 */
export function rotation(scope: Scope, policies: RotationPolicies): SectionDefinition {
  const ageSeconds = `dateDiff('second', if(changes = 0, fromUnixTimestamp64Milli(if(max(log_began) = 0, ${latestStart(scope)}, max(log_began)), 'UTC'), toDateTime64(maxIf(at, is_change), 3, 'UTC')), ${instant(scope.asOf)})`;
  return {
    id: 'rotation',
    title: 'Secrets not rotated within policy',
    lead: [
      'Every secret with a rotation policy in the catalog: when it was last created, updated or rotated, and how old its value was at the end of the period.',
      `Where the log shows no change the age is a least one, counted from the beginning of its store's log: such a secret is overdue when that alone exceeds its policy, and undecided otherwise.`,
      'A secret that the catalog covers by a pattern only is here once the log showed that it exists: refusals and listings do not.',
    ],
    // biome-ignore format: one column a line
    columns: [
      { key: 'verdict', label: 'Verdict', kind: 'verdict' },
      { key: 'secret', label: 'Secret', kind: 'id' },
      { key: 'owners', label: 'Owner', kind: 'list' },
      { key: 'environments', label: 'Environment', kind: 'list' },
      { key: 'crown_jewel', label: 'Crown jewel', kind: 'flag' },
      { key: 'rotate_every_days', label: 'Policy (days)', kind: 'count' },
      { key: 'age_days', label: 'Age (days)', kind: 'count' },
      { key: 'age_is', label: 'Age is', kind: 'text' },
      { key: 'last_changed', label: 'Last changed', kind: 'time' },
      { key: 'changed_by', label: 'Changed by', kind: 'id' },
      { key: 'changes', label: 'Changes', kind: 'count' },
      { key: 'last_event', label: 'Change event', kind: 'event', isFileOnly: true },
    ],
    sql: `${define('changed', 'event')}
SELECT
  secret,
  max(every) AS rotate_every_days,
  ${distinct('owner_of')} AS owners,
  ${distinct('env_of')} AS environments,
  max(jewel) = 1 AS crown_jewel,
  uniqExactIf(dup_key, is_change) AS changes,
  if(changes = 0, '', ${iso('maxIf(at, is_change)')}) AS last_changed,
  argMaxIf(who, (at, event_of), is_change) AS changed_by,
  intDiv(${ageSeconds}, 86400) AS age_days,
  if(changes = 0, 'at least', 'exact') AS age_is,
  multiIf(${ageSeconds} > rotate_every_days * 86400, 'overdue', changes = 0, 'undecided', 'in time') AS verdict,
  argMaxIf(event_of, (at, event_of), is_change) AS last_event
FROM (
  SELECT secret, 0 AS every, toString(owner) AS owner_of, toString(env) AS env_of, has(marks, 'crown_jewel') AS jewel,
    changed AS is_change, time AS at, toString(identity) AS who, dup_key, event AS event_of,
    ${storeBegan(scope)} AS log_began
  FROM ${finalsUntilEnd(scope)}
  WHERE log_began > 0
  UNION ALL
  SELECT p.1, p.2, '', '', 0, 0, toDateTime64(0, 9, 'UTC'), '', '', '',
    toInt64(0)
  FROM (SELECT arrayJoin(${policyRows(policies)}) AS p)
)
GROUP BY secret
HAVING rotate_every_days > 0
ORDER BY indexOf(['overdue', 'undecided', 'in time'], verdict), crown_jewel DESC, age_days - rotate_every_days DESC, secret`,
  };
}

/** A secret that only the catalog names could be of any source: the one whose log is the shortest proves least. */
function latestStart(scope: Scope): number {
  const began = activeSources(scope).map((source) =>
    Math.min(...scope.windows.filter((w) => w.source === source).map((w) => w.began)),
  );
  return began.length === 0 ? scope.to : Math.max(...began);
}

function policyRows(policies: RotationPolicies): string {
  const groups = [...policies].sort(([a], [b]) => a - b);
  if (groups.length === 0) return "CAST([], 'Array(Tuple(String, UInt32))')";
  const arrays = groups.map(
    ([days, secrets]) => `arrayMap(s -> (s, ${days}), ${texts([...secrets].sort())})`,
  );
  return `arrayConcat(\n    ${arrays.join(',\n    ')}\n  )`;
}
