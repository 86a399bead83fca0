import { KeywitnessError } from '../core/errors.ts';

/** A token of ClickHouse SQL as the read-only check sees it. Comments and white space leave none. */
export interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'symbol';
  /** As written; of a quoted name what stands between the quotes. */
  readonly text: string;
  /** Character position in the text, for messages. */
  readonly at: number;
}

/** The engine's own limit (`max_query_size`): past it the text would be cut, and something else checked than run. */
const textBytesMax = 262_144;

/** A refusal names what was refused and why: the reader has to know what to change. */
export function refuse(what: string): never {
  throw new KeywitnessError('KW_QUERY_REFUSED', what);
}

const whiteSpace = /[ \t\n\r\f\v]+/y;
const word = /[A-Za-z_][A-Za-z0-9_]*/y;
/** A sign belongs to an exponent even without digits: `1e--5` is no comment (src/Parsers/Lexer.cpp of ClickHouse). */
const number =
  /(?:0[xX][0-9A-Fa-f_]*(?:\.[0-9A-Fa-f_]*)?(?:[pP][+-]?[0-9]*)?|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)[A-Za-z0-9_]*/y;
/** x'…' and b'…' know no escapes. */
const hexString = /[xXbB]'[0-9A-Fa-f]*'/y;
const string = /'(?:[^'\\]|\\[\s\S]|'')*'/y;
const quotedName = /(["`])((?:(?!\1)[^\\])*)\1/y;
const symbol = /[()[\],.*+\-/%=<>!?:|^@;~&]/y;
/** No comma, quote, escape or line break: the engine prints names bare in the trees that are checked afterwards. */
const plainName = /^[\p{L}\p{N}_ ()+*/%.:<>=#&@!?-]*$/u;

/**
 * Splits a query as ClickHouse's lexer does. Where the engine's reading depends on its version or on what came
 * before (heredocs, `#` and `//` comments, curly quotes, names with escapes), the text is refused instead.
 * @throws KW_QUERY_REFUSED
 */
export function tokens(sql: string): Token[] {
  if (Buffer.byteLength(sql) > textBytesMax)
    refuse(`It is longer than ${textBytesMax} bytes, the engine's limit.`);
  if (sql.includes('\0')) refuse('It holds a NUL character.');
  const found: Token[] = [];
  for (let at = 0; at < sql.length; ) {
    const skipped = skipBlank(sql, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const token = tokenAt(sql, at);
    found.push(token.token);
    at = token.end;
  }
  return found;
}

function skipBlank(sql: string, at: number): number {
  const white = matchAt(whiteSpace, sql, at);
  if (white !== undefined) return at + white.length;
  if (sql.startsWith('--', at)) {
    const end = sql.indexOf('\n', at);
    return end < 0 ? sql.length : end + 1;
  }
  if (sql.startsWith('/*', at)) return blockCommentEnd(sql, at);
  return at;
}

/** Block comments nest, as in the SQL standard. */
function blockCommentEnd(sql: string, start: number): number {
  let depth = 0;
  for (let at = start; at + 2 <= sql.length; ) {
    const pair = sql.slice(at, at + 2);
    if (pair === '/*') depth++;
    else if (pair === '*/') depth--;
    at += pair === '/*' || pair === '*/' ? 2 : 1;
    if (depth === 0) return at;
  }
  return refuse(`The comment begun ${place(sql, start)} is not closed (block comments nest).`);
}

function tokenAt(sql: string, at: number): { token: Token; end: number } {
  const as = (kind: Token['kind'], text: string, length = text.length) => ({
    token: { kind, text, at },
    end: at + length,
  });
  const prefixed = matchAt(hexString, sql, at);
  if (prefixed !== undefined) return as('string', prefixed);
  const name = matchAt(word, sql, at);
  if (name !== undefined) {
    if (/^[xb]$/i.test(name) && sql[at + 1] === "'")
      refuse(`The ${name}'…' literal ${place(sql, at)} is not hexadecimal or not closed.`);
    return as('word', name);
  }
  const digits = matchAt(number, sql, at);
  if (digits !== undefined) {
    if (/[+-]$/.test(digits)) refuse(`The number ${place(sql, at)} has a sign without an exponent.`);
    return as('number', digits);
  }
  const literal = matchAt(string, sql, at);
  if (literal !== undefined) return as('string', literal);
  quotedName.lastIndex = at;
  const quoted = quotedName.exec(sql);
  if (quoted !== null) {
    const inner = quoted[2] ?? '';
    if (!plainName.test(inner))
      refuse(`The quoted name ${place(sql, at)} holds a character that is not allowed here.`);
    return as('quoted', inner, quoted[0].length);
  }
  if (sql.startsWith('//', at)) refuse(`"//" ${place(sql, at)}: write comments as -- or /* */.`);
  const sign = matchAt(symbol, sql, at);
  if (sign !== undefined) return as('symbol', sign);
  return refuse(unexpected(sql, at));
}

function unexpected(sql: string, at: number): string {
  const c = String.fromCodePoint(sql.codePointAt(at) ?? 0);
  if (c === "'" || c === '"' || c === '`') return `The quote ${place(sql, at)} is not closed.`;
  if (c === '$') return `"$" ${place(sql, at)}: heredocs are not read here; write '…'.`;
  if (c === '#') return `"#" ${place(sql, at)}: write comments as -- or /* */.`;
  if (c === '{' || c === '}') return `"${c}" ${place(sql, at)}: query parameters are not taken here.`;
  const code = (c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return `The character U+${code} ${place(sql, at)} may stand only inside quotes.`;
}

function matchAt(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0];
}

/** `at line:column`, both from 1. */
export function place(sql: string, at: number): string {
  const before = sql.slice(0, at);
  return `at ${before.split('\n').length}:${at - before.lastIndexOf('\n')}`;
}
