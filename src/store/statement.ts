import { place, refuse, type Token, tokens } from './lexer.ts';

/** One statement that by its words can only read. */
export interface ReadStatement {
  /** The text without a closing semicolon. */
  readonly sql: string;
  /** The SELECT whose query tree has to be looked at; absent for SHOW and DESCRIBE, which reach no rows. */
  readonly select?: string;
}

/** What an accepted EXPLAIN may be: kinds that read no table. */
const explainKinds: readonly (readonly string[])[] = [
  ['AST'],
  ['SYNTAX'],
  ['QUERY', 'TREE'],
  ['PLAN'],
  ['PIPELINE'],
  ['ESTIMATE'],
];
// biome-ignore format: a closed list reads better in rows
const showKinds = new Set(['TABLES', 'COLUMNS', 'FIELDS', 'CREATE', 'DATABASES', 'INDEX', 'INDEXES', 'INDICES', 'KEYS', 'FUNCTIONS']);

/** Words that turn a reading statement into something else, wherever they stand. */
const refusedWords: Readonly<Record<string, string>> = {
  SETTINGS:
    'settings are not taken, at any depth: a nested `SETTINGS readonly = 0` would undo the read-only session',
  INTO: 'nothing is written: no INTO OUTFILE, no INSERT INTO',
  OUTFILE: 'nothing is written: no INTO OUTFILE',
  INFILE: 'no file is read',
  PARALLEL: 'one statement only: no PARALLEL WITH',
};

/**
 * Accepts one statement that starts with SELECT, WITH, SHOW, DESCRIBE or EXPLAIN and holds none of the words
 * that write, set or add a statement. What functions and tables it names is looked at in the engine's own tree
 * (queryTree.ts). @throws KW_QUERY_REFUSED
 */
export function readStatement(text: string): ReadStatement {
  let all = tokens(text);
  const last = all.at(-1);
  let sql = text;
  if (last !== undefined && isSymbol(last, ';')) {
    sql = text.slice(0, last.at);
    all = all.slice(0, -1);
  }
  const first = all[0];
  if (first === undefined) refuse('It is empty.');
  const second = all.find((t) => isSymbol(t, ';'));
  if (second !== undefined) refuse(`";" ${place(text, second.at)}: one statement only.`);
  for (const [i, token] of all.entries()) refuseWord(text, all, i, token);
  const start = first.text.toUpperCase();
  if (start === 'SELECT' || start === 'WITH') return { sql, select: sql };
  if (start === 'EXPLAIN') return { sql, select: explained(sql, all) };
  if (start === 'DESCRIBE' || start === 'DESC') return describe(sql, all);
  if (start === 'SHOW') return show(sql, all);
  return refuse(
    `It starts with ${first.text.slice(0, 40)}: only SELECT, WITH, SHOW, DESCRIBE and EXPLAIN read.`,
  );
}

function refuseWord(text: string, all: readonly Token[], i: number, token: Token): void {
  if (!isWord(token)) return;
  const upper = token.text.toUpperCase();
  const reason = Object.hasOwn(refusedWords, upper) ? refusedWords[upper] : undefined;
  if (reason !== undefined) refuse(`${upper} ${place(text, token.at)}: ${reason}.`);
  if (upper === 'FORMAT' && isFormatClause(all, i))
    refuse(`FORMAT ${place(text, token.at)}: the output format is chosen with --format.`);
}

/** `format` is a column too: the clause is the word and one name, then the end or a closing bracket. */
function isFormatClause(all: readonly Token[], i: number): boolean {
  const name = all[i + 1];
  const after = all[i + 2];
  if (name === undefined || (name.kind !== 'word' && name.kind !== 'quoted')) return false;
  if (after !== undefined && !isSymbol(after, ')')) return false;
  return !/^(asc|ascending|desc|descending|end)$/i.test(name.text);
}

function explained(sql: string, all: readonly Token[]): string {
  const upper = all.map((t) => (isWord(t) ? t.text.toUpperCase() : ''));
  let i = 1;
  const kind = explainKinds.find((words) => words.every((w, n) => upper[1 + n] === w));
  if (kind !== undefined) i += kind.length;
  // Options: `name = number`, divided by commas.
  while (isWord(all[i]) && isSymbol(all[i + 1], '=') && all[i + 2]?.kind === 'number') {
    i += 3;
    if (isSymbol(all[i], ',')) i++;
  }
  const body = all[i];
  if (body === undefined || (upper[i] !== 'SELECT' && upper[i] !== 'WITH'))
    refuse(
      'EXPLAIN is taken of a SELECT or WITH only, as EXPLAIN [AST|SYNTAX|QUERY TREE|PLAN|PIPELINE|ESTIMATE].',
    );
  return sql.slice(body.at);
}

function describe(sql: string, all: readonly Token[]): ReadStatement {
  const name = all.slice(isWord(all[1]) && all[1]?.text.toUpperCase() === 'TABLE' && all.length > 2 ? 2 : 1);
  if (!isTableName(name)) refuse('DESCRIBE is taken of a table of the store only: DESCRIBE kw.events.');
  return { sql };
}

function show(sql: string, all: readonly Token[]): ReadStatement {
  const kind = all
    .slice(1)
    .map((t) => t.text.toUpperCase())
    .find((t) => t !== 'FULL');
  if (kind === undefined || !showKinds.has(kind)) refuse(`SHOW is taken of ${[...showKinds].join(', ')}.`);
  for (const [i, token] of all.entries()) {
    // A condition could hold a query of its own, and a name outside the store could be a file's.
    if (token.kind === 'symbol' && token.text !== '.')
      refuse(`"${token.text}" ${place(sql, token.at)} in SHOW.`);
    if (token.kind === 'quoted' && !/^\w+$/.test(token.text))
      refuse(`The quoted name ${place(sql, token.at)} in SHOW.`);
    if (isSymbol(all[i + 1], '.') && !isStoreDatabase(token)) refuse(`Database ${token.text} in SHOW.`);
    if (isWord(token) && /^(from|in)$/i.test(token.text) && /^default$/i.test(all[i + 1]?.text ?? ''))
      refuse('Database default in SHOW.');
  }
  return { sql };
}

function isTableName(name: readonly Token[]): boolean {
  const isName = (t: Token | undefined) =>
    t !== undefined && (isWord(t) || t.kind === 'quoted') && /^\w+$/.test(t.text);
  if (name.length === 1) return isName(name[0]);
  return name.length === 3 && isStoreDatabase(name[0]) && isSymbol(name[1], '.') && isName(name[2]);
}

function isStoreDatabase(token: Token | undefined): boolean {
  return token?.text === 'kw' || token?.text === 'system';
}

function isWord(token: Token | undefined): boolean {
  return token?.kind === 'word';
}

function isSymbol(token: Token | undefined, text: string): boolean {
  return token?.kind === 'symbol' && token.text === text;
}
