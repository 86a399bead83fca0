import { KeywitnessError } from '../core/errors.ts';
import type { Engine, ReadFormat, ReadLimits } from './client.ts';
import { refuse } from './lexer.ts';
import { checkResolvedTree, checkSyntaxTree, namedInTree } from './queryTree.ts';
import { readStatement } from './statement.ts';

/** For a person's question: long enough for a year of events, small enough to leave room for the rest. */
export const defaultReadLimits: ReadLimits = {
  maxExecutionSeconds: 60,
  maxResultRows: 1_000_000,
  maxResultBytes: 256 * 1024 * 1024,
  maxMemoryBytes: 600 * 1024 * 1024,
};

export interface ReadOptions {
  readonly format: ReadFormat;
  /** Raw bytes, keys and headers of records too: the caller writes down that they were read. */
  readonly isRawAllowed?: boolean;
  readonly limits?: ReadLimits;
}

/**
 * Answers one reading query, and nothing else: its words are checked before the engine sees it (statement.ts),
 * its functions in the engine's tree before anything is looked up, its tables and columns after that, and it
 * runs on a session of its own under limits and `readonly = 1`. docs/store.md says why each is needed.
 * @throws KW_QUERY_REFUSED what was refused and why
 * @throws KW_QUERY_FAILED what the engine said
 */
export async function readOnlyQuery(engine: Engine, text: string, options: ReadOptions): Promise<string> {
  const limits = options.limits ?? defaultReadLimits;
  const isRawAllowed = options.isRawAllowed === true;
  const statement = readStatement(text);
  if (statement.select !== undefined) await inspect(engine, statement.select, isRawAllowed, limits);
  try {
    return await engine.readOnly(`${statement.sql}\n`, options.format, limits);
  } catch (error) {
    throw failed(error, () => true);
  }
}

/** Views name what they read only in their own text: they are looked at in turn, to this depth. */
const viewDepthMax = 8;

async function inspect(
  engine: Engine,
  select: string,
  isRawAllowed: boolean,
  limits: ReadLimits,
  depth = 0,
): Promise<void> {
  if (depth > viewDepthMax) refuse('Its views are nested too deep to be looked at.');
  const ask = async (sql: string) => {
    try {
      return await engine.readOnly(sql, 'TabSeparatedRaw', limits);
    } catch (error) {
      throw failed(error, (type) => isRawAllowed || namesOnly.has(type));
    }
  };
  const tableFunctions = await ask(
    'SELECT lower(name) FROM system.table_functions WHERE name NOT IN (SELECT name FROM system.functions)',
  );
  const syntax = namedInTree(await ask(`EXPLAIN QUERY TREE run_passes = 0 ${select}\n`));
  checkSyntaxTree(syntax, new Set(tableFunctions.split('\n').filter((name) => name !== '')));
  const resolved = namedInTree(await ask(`EXPLAIN QUERY TREE ${select}\n`));
  checkResolvedTree(resolved, isRawAllowed);
  for (const table of resolved.tables) {
    if (!table.startsWith('kw.')) continue;
    const view = await viewText(ask, table.slice(3));
    if (view !== undefined) await inspect(engine, view, isRawAllowed, limits, depth + 1);
  }
}

/** The SELECT of a view; undefined for a table that holds its own rows. Every other engine is refused. */
async function viewText(ask: (sql: string) => Promise<string>, table: string): Promise<string | undefined> {
  const found = await ask(
    `SELECT engine, as_select FROM system.tables WHERE database = 'kw' AND name = '${table.replace(/[\\']/g, '\\$&')}'`,
  );
  const tab = found.indexOf('\t');
  const kind = found.slice(0, tab);
  if (kind.endsWith('MergeTree')) return undefined;
  if (kind === 'View') return found.slice(tab + 1).trimEnd();
  return refuse(`The table kw.${table} is of the engine ${kind || '?'}, which can read outside the store.`);
}

/**
 * Errors about names and types say nothing of the rows. Every other message may quote one: while a query is only
 * looked at, the engine already evaluates its scalar subqueries, raw columns included.
 */
const namesOnly = new Set(
  (
    'SYNTAX_ERROR UNKNOWN_IDENTIFIER UNKNOWN_TABLE UNKNOWN_DATABASE UNKNOWN_FUNCTION UNKNOWN_AGGREGATE_FUNCTION AMBIGUOUS_IDENTIFIER ' +
    'NUMBER_OF_ARGUMENTS_DOESNT_MATCH NOT_AN_AGGREGATE ILLEGAL_AGGREGATION NO_COMMON_TYPE ILLEGAL_TYPE_OF_ARGUMENT TIMEOUT_EXCEEDED ' +
    'MEMORY_LIMIT_EXCEEDED TOO_MANY_ROWS_OR_BYTES READONLY UNKNOWN_QUERY_PARAMETER MULTIPLE_EXPRESSIONS_FOR_ALIAS'
  ).split(' '),
);

function failed(error: unknown, isSpoken: (type: string) => boolean): unknown {
  if (!(error instanceof KeywitnessError) || error.code !== 'KW_STORE') return error;
  const cause = error.cause;
  if (!(cause instanceof Error) || !('type' in cause)) return error;
  const type = String(cause.type);
  const said = isSpoken(type) ? `: ${cause.message.split('\n')[0]?.slice(0, 400) ?? ''}` : '.';
  return new KeywitnessError('KW_QUERY_FAILED', `The engine answered ${type}${said}`);
}
