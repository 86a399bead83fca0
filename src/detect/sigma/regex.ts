import { RE2JS } from 're2js';

export interface CompiledRegex {
  readonly test: (text: string) => boolean;
  /** A folded text every match holds, '' when none is sure: lets the index skip the rule. */
  readonly sure: string;
}

/** RE2 semantics: linear time whatever the pattern, so a rule file cannot stop the line. Text of the error, if one. */
export function compileRegex(source: string, flags: ReadonlySet<'i' | 'm' | 's'>): CompiledRegex | string {
  let bits = 0;
  if (flags.has('i')) bits |= RE2JS.CASE_INSENSITIVE;
  if (flags.has('m')) bits |= RE2JS.MULTILINE;
  if (flags.has('s')) bits |= RE2JS.DOTALL;
  try {
    const regex = RE2JS.compile(source, bits);
    return { test: (text) => regex.test(text), sure: sureLiteral(source) };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * The longest run of plain ASCII characters at the top level that every match must hold, folded.
 * Gives up ('') at anything it does not know: too little costs speed, too much would cost a match.
 */
function sureLiteral(source: string): string {
  if (/[|]|\(\?|\\[QEpPxuU0-9]|\{(?!\d)/.test(source)) return '';
  let best = '';
  let run = '';
  const end = () => {
    if (run.length > best.length) best = run;
    run = '';
  };
  for (let i = 0; i < source.length; i += 1) {
    const char = source[i] as string;
    if (char === '(' || char === '[') {
      end();
      i = skipGroup(source, i);
    } else if (char === '\\') {
      i += 1;
      const next = source[i] ?? '';
      if (/[A-Za-z]/.test(next) || next === '') end();
      else run += next;
    } else if ('*?{'.includes(char)) {
      // Zero times is possible: what it repeats is not sure.
      run = run.slice(0, -1);
      end();
      if (char === '{') i = Math.max(i, source.indexOf('}', i));
    } else if (char === '+' || '^$.)]'.includes(char)) end();
    else if (char >= ' ' && char <= '~') run += char;
    else end();
  }
  end();
  return best.toLowerCase();
}

/** The index of the bracket that closes the one at `at`. */
function skipGroup(source: string, at: number): number {
  let depth = 0;
  for (let i = at; i < source.length; i += 1) {
    const char = source[i];
    if (char === '\\') i += 1;
    else if (char === '[') i = classEnd(source, i);
    else if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    if (depth <= 0) return i;
  }
  return source.length;
}

/** A `]` directly behind `[` or `[^` is a member of the class. */
function classEnd(source: string, at: number): number {
  let i = at + (source[at + 1] === '^' ? 2 : 1);
  if (source[i] === ']') i += 1;
  while (i < source.length && source[i] !== ']') {
    if (source[i] === '\\') i += 1;
    else if (source.startsWith('[:', i)) i = Math.max(i, source.indexOf(':]', i) + 1);
    i += 1;
  }
  return i;
}
