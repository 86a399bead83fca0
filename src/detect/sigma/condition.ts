/** A rule's condition as a tree; offsets point into the condition's text. */
export type Condition =
  | { readonly op: 'name'; readonly name: string; readonly offset: number }
  | { readonly op: 'of'; readonly all: boolean; readonly pattern: string; readonly offset: number }
  | { readonly op: 'not'; readonly child: Condition }
  | { readonly op: 'and' | 'or'; readonly children: readonly Condition[] };

export interface ConditionProblem {
  readonly message: string;
  readonly offset: number;
}

interface Token {
  readonly text: string;
  readonly offset: number;
}

/** Deeper nesting than this is not written by people; it keeps the recursion bounded. */
const depthMax = 100;

/** `or` binds least, then `and`, `not`, `x of`, parentheses (rules specification, "Condition"). */
export function parseCondition(text: string): Condition | ConditionProblem {
  const pipe = text.indexOf('|');
  if (pipe >= 0) {
    return {
      message:
        'the `| count()` pipe of Sigma v1 is not supported: write a correlation (event_count, value_count, …)',
      offset: pipe,
    };
  }
  const tokens: Token[] = [...text.matchAll(/[()]|[^\s()]+/g)].map((m) => ({ text: m[0], offset: m.index }));
  const state = { tokens, next: 0, end: text.length, problem: undefined as ConditionProblem | undefined };
  const tree = parseOr(state, 0);
  const rest = state.tokens[state.next];
  if (!state.problem && rest) state.problem = { message: `unexpected '${rest.text}'`, offset: rest.offset };
  return state.problem ?? (tree as Condition);
}

export function isProblem(c: Condition | ConditionProblem): c is ConditionProblem {
  return 'message' in c;
}

interface State {
  readonly tokens: readonly Token[];
  next: number;
  readonly end: number;
  problem: ConditionProblem | undefined;
}

function fail(state: State, message: string, offset?: number): undefined {
  state.problem ??= { message, offset: offset ?? state.tokens[state.next]?.offset ?? state.end };
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.text.toLowerCase() === word;
}

function parseOr(state: State, depth: number): Condition | undefined {
  return parseChain(state, 'or', () => parseChain(state, 'and', () => parseNot(state, depth)));
}

function parseChain(
  state: State,
  op: 'and' | 'or',
  operand: () => Condition | undefined,
): Condition | undefined {
  const first = operand();
  if (!first) return undefined;
  const children = [first];
  while (isWord(state.tokens[state.next], op)) {
    state.next += 1;
    const child = operand();
    if (!child) return undefined;
    children.push(child);
  }
  return children.length === 1 ? first : { op, children };
}

function parseNot(state: State, depth: number): Condition | undefined {
  if (depth > depthMax) return fail(state, 'nested too deeply');
  const token = state.tokens[state.next];
  if (!isWord(token, 'not')) return parseOperand(state, depth);
  state.next += 1;
  const child = parseNot(state, depth + 1);
  return child && { op: 'not', child };
}

function parseOperand(state: State, depth: number): Condition | undefined {
  const token = state.tokens[state.next];
  if (!token)
    return fail(state, state.tokens.length === 0 ? 'the condition is empty' : 'the condition ends too early');
  if (token.text === '(') {
    state.next += 1;
    const inner = parseOr(state, depth + 1);
    if (!inner) return undefined;
    if (state.tokens[state.next]?.text !== ')') return fail(state, "a ')' is missing");
    state.next += 1;
    return inner;
  }
  if (token.text === ')' || isWord(token, 'and') || isWord(token, 'or')) {
    return fail(state, `unexpected '${token.text}'`);
  }
  if (isWord(state.tokens[state.next + 1], 'of')) return parseOf(state, token);
  state.next += 1;
  return { op: 'name', name: token.text, offset: token.offset };
}

function parseOf(state: State, quantifier: Token): Condition | undefined {
  const word = quantifier.text.toLowerCase();
  if (word !== '1' && word !== 'any' && word !== 'all') {
    return fail(state, `'${quantifier.text} of' is not possible: write '1 of', 'any of' or 'all of'`);
  }
  state.next += 2;
  const pattern = state.tokens[state.next];
  if (!pattern || pattern.text === '(' || pattern.text === ')') return fail(state, "a name must follow 'of'");
  state.next += 1;
  return { op: 'of', all: word === 'all', pattern: pattern.text, offset: quantifier.offset };
}

/** The names a selector means: `them` and patterns leave out names that begin with `_` unless the pattern does. */
export function selectNames(pattern: string, names: readonly string[]): string[] {
  if (pattern === 'them') return names.filter((n) => !n.startsWith('_'));
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  const wanted = new RegExp(`^${source}$`, 's');
  return names.filter((n) => wanted.test(n) && (pattern.startsWith('_') || !n.startsWith('_')));
}
