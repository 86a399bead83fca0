/**
 * What a ClickHouse account may do to the evidence, read from the answer to SHOW GRANTS
 * (https://clickhouse.com/docs/sql-reference/statements/grant). Names of privileges as in `system.privileges`.
 */

/** A line of SHOW GRANTS about privileges. A partial revoke is printed as REVOKE. */
interface Grant {
  readonly isRevoke: boolean;
  readonly privileges: readonly Privilege[];
  /** As printed: `kw.*`, `*.*`, `kw.records`. */
  readonly on: string;
  readonly database: string;
  readonly table: string;
  /** As printed, quotes included. */
  readonly account: string;
  readonly hasGrantOption: boolean;
}

interface Privilege {
  readonly name: string;
  readonly isOfColumns: boolean;
}

/** Something an account may do that it need not: why it matters, and the statement that takes it away. */
export interface Excess {
  readonly privilege: string;
  readonly on: string;
  readonly why: string;
  readonly fix: string;
}

const database = 'kw';

/** The first that matches says why. What is not listed changes nothing that was stored. */
const dangers: readonly (readonly [RegExp, string])[] = [
  [/^ALL( PRIVILEGES)?$/, 'it may change, delete and drop whatever is stored'],
  [
    /^(ACCESS MANAGEMENT|ROLE ADMIN|IMPERSONATE|EXECUTE AS|SET DEFINER|ALLOW SQL SECURITY NONE|(CREATE|ALTER|DROP) (USER|ROLE|SETTINGS PROFILE|PROFILE))$/,
    'it may give itself every other right',
  ],
  [/^(CREATE|ALTER|DROP) ((ROW|MASKING) )?POLICY$/, 'it may hide stored rows from readers'],
  [/^(ALTER DELETE|DELETE|ALTER UPDATE|UPDATE)$/, 'it may delete or change stored rows'],
  [/^(DROP|TRUNCATE|UNDROP)\b/, 'it may remove what is stored'],
  [/^(ALTER|MODIFY|MOVE|FETCH|MATERIALIZE|RESET)\b/, 'it may change tables and drop their partitions'],
  [/^OPTIMIZE\b/, 'OPTIMIZE … DEDUPLICATE removes rows that are evidence of a double'],
  [
    /^SYSTEM( (SHUTDOWN|KILL|DROP REPLICA|RESTORE REPLICA|RELOAD USERS))?$/,
    'it may stop or damage the server',
  ],
];

/** What an account may do that evidence does not need. Lines that name no privileges (roles) are not looked at. */
export function excessOf(lines: readonly string[]): Excess[] {
  const grants = lines.map(parseGrant).filter((g) => g !== undefined);
  return grants
    .filter((g) => !g.isRevoke && isAbout(g))
    .flatMap((grant) => [
      ...grant.privileges.flatMap(({ name }) => {
        const why = dangers.find(([pattern]) => pattern.test(name))?.[1];
        if (why === undefined || isTakenBack(grants, name)) return [];
        return [
          { privilege: name, on: grant.on, why, fix: `REVOKE ${name} ON ${grant.on} FROM ${grant.account}` },
        ];
      }),
      ...optionExcess(grant),
    ]);
}

/** Which of SELECT and INSERT an account lacks, as the statements that give it. */
export function missingOf(lines: readonly string[], tables: readonly string[], account: string): string[] {
  const grants = lines.map(parseGrant).filter((g) => g !== undefined);
  const may = (privilege: string, table: string) => {
    const about = grants.filter((g) => covers(g.database, database) && covers(g.table, table));
    const has = (isRevoke: boolean, names: readonly string[]) =>
      about.some(
        (g) => g.isRevoke === isRevoke && g.privileges.some((p) => !p.isOfColumns && names.includes(p.name)),
      );
    return has(false, [privilege, 'ALL', 'ALL PRIVILEGES']) && !has(true, [privilege]);
  };
  return tables.flatMap((table) => {
    const lacking = ['SELECT', 'INSERT'].filter((privilege) => !may(privilege, table));
    return lacking.length === 0 ? [] : [`GRANT ${lacking.join(', ')} ON ${database}.${table} TO ${account}`];
  });
}

/** Roles an account has: what it may do comes with them too. As printed. */
export function rolesOf(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const found = /^GRANT (.+) TO (?:`(?:[^`\\]|\\.)*`|\S+)(?: WITH ADMIN OPTION)?$/.exec(line);
    return found === null || parseGrant(line) !== undefined ? [] : splitOutside(found[1] ?? '');
  });
}

function parseGrant(line: string): Grant | undefined {
  const name = '(?:`(?:[^`\\\\]|\\\\.)*`|[^\\s.`]+)';
  const found = new RegExp(
    `^(GRANT|REVOKE) (.+) ON (${name})\\.(${name}) (?:TO|FROM) (.+?)( WITH GRANT OPTION)?$`,
  ).exec(line.trim());
  if (found === null) return undefined;
  const [, verb, list = '', db = '', table = '', account = '', option] = found;
  return {
    isRevoke: verb === 'REVOKE',
    privileges: splitOutside(list).map((text) => ({
      name: text
        .replace(/\(.*\)$/s, '')
        .trim()
        .toUpperCase(),
      isOfColumns: text.includes('('),
    })),
    on: `${db}.${table}`,
    database: unquoted(db),
    table: unquoted(table),
    account,
    hasGrantOption: option !== undefined,
  };
}

/** At commas that stand in no parentheses and no quotes. */
function splitOutside(list: string): string[] {
  return (list.match(/(?:\([^)]*\)|`(?:[^`\\]|\\.)*`|[^,(`])+/g) ?? []).map((part) => part.trim());
}

function unquoted(name: string): string {
  return name.startsWith('`') ? name.slice(1, -1).replace(/\\(.)/g, '$1') : name;
}

/** `*` is everything, `ab*` whatever begins so. */
function covers(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

/** About our database, wholly or in part. A right on one table of it counts as much. */
function isAbout(grant: Grant): boolean {
  return covers(grant.database, database);
}

/** A revoke of a part leaves the rest: only one of the whole database takes a right back. */
function isTakenBack(grants: readonly Grant[], privilege: string): boolean {
  return grants.some(
    (g) =>
      g.isRevoke &&
      covers(g.database, database) &&
      g.table === '*' &&
      g.privileges.some((p) => p.name === privilege),
  );
}

function optionExcess(grant: Grant): Excess[] {
  if (!grant.hasGrantOption) return [];
  const names = grant.privileges.map((p) => p.name).join(', ');
  return [
    {
      privilege: 'GRANT OPTION',
      on: grant.on,
      why: 'it may pass its rights on',
      fix: `REVOKE GRANT OPTION FOR ${names} ON ${grant.on} FROM ${grant.account}`,
    },
  ];
}
