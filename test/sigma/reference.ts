/**
 * A second, slow evaluator written from the specification alone: no index, no memo, nothing shared with src.
 * Comparison is by Unicode simple folding through RegExp's `iu`.
 */
type Json = unknown;

export function reference(detection: Record<string, Json>, event: Json): boolean {
  const conditions = [detection.condition].flat() as string[];
  return conditions.some((c) => expression(tokens(c), detection, event));
}

function tokens(text: string): string[] {
  return text.match(/[()]|[^\s()]+/g) ?? [];
}

function expression(words: string[], detection: Record<string, Json>, event: Json): boolean {
  let result = conjunction(words, detection, event);
  while (words[0] === 'or') {
    words.shift();
    const right = conjunction(words, detection, event);
    result = result || right;
  }
  return result;
}

function conjunction(words: string[], detection: Record<string, Json>, event: Json): boolean {
  let result = negation(words, detection, event);
  while (words[0] === 'and') {
    words.shift();
    const right = negation(words, detection, event);
    result = result && right;
  }
  return result;
}

function negation(words: string[], detection: Record<string, Json>, event: Json): boolean {
  const word = words.shift() as string;
  if (word === 'not') return !negation(words, detection, event);
  if (word === '(') {
    const inner = expression(words, detection, event);
    words.shift();
    return inner;
  }
  if (words[0] !== 'of') return selection(detection[word], event);
  words.shift();
  const pattern = words.shift() as string;
  const names = Object.keys(detection).filter(
    (n) =>
      n !== 'condition' && !n.startsWith('_') && (pattern === 'them' || n.startsWith(pattern.slice(0, -1))),
  );
  return word === 'all'
    ? names.every((n) => selection(detection[n], event))
    : names.some((n) => selection(detection[n], event));
}

function selection(value: Json, event: Json): boolean {
  if (Array.isArray(value)) return value.some((v) => (isMap(v) ? map(v, event) : keyword(v, event)));
  return isMap(value) ? map(value, event) : keyword(value, event);
}

function isMap(value: Json): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function map(value: Record<string, Json>, event: Json): boolean {
  return Object.entries(value).every(([key, values]) => item(key, [values].flat(), event));
}

function keyword(value: Json, event: Json): boolean {
  return leaves(event).some((leaf) => like(`*${value}*`, String(leaf), false));
}

function leaves(node: Json): Json[] {
  if (Array.isArray(node)) return node.flatMap(leaves);
  if (isMap(node)) return Object.values(node).flatMap(leaves);
  return node === null ? [] : [node];
}

function item(key: string, values: Json[], event: Json): boolean {
  const [field = '', ...mods] = key.split('|');
  const one = (value: Json): boolean => {
    const found = lookUp(event, field);
    if (mods.includes('exists')) return found.present === value;
    if (value === null) return !found.present || found.values.includes(null);
    const texts = found.values.filter((v) => v !== null);
    if (mods.includes('gt')) return texts.some((v) => numeric(v) && Number(v) > Number(value));
    if (mods.includes('lte')) return texts.some((v) => numeric(v) && Number(v) <= Number(value));
    let pattern = String(value);
    if (mods.includes('contains')) pattern = `*${pattern}*`;
    if (mods.includes('startswith')) pattern = `${pattern}*`;
    if (mods.includes('endswith')) pattern = `*${pattern}`;
    return texts.some((v) => like(pattern, String(v), mods.includes('cased')));
  };
  const result = mods.includes('all') ? values.every(one) : values.some(one);
  return mods.includes('neq') ? !result : result;
}

function numeric(value: Json): boolean {
  return typeof value === 'number' || (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value));
}

function lookUp(event: Json, field: string): { present: boolean; values: Json[] } {
  const out = { present: false, values: [] as Json[] };
  const emit = (value: Json): void => {
    out.present = true;
    if (Array.isArray(value)) value.forEach(emit);
    else out.values.push(isMap(value) ? JSON.stringify(value) : value);
  };
  const walk = (node: Json, rest: string[]): void => {
    if (Array.isArray(node)) {
      for (const element of node) walk(element, rest);
    } else if (isMap(node)) {
      for (let n = 1; n <= rest.length; n += 1) {
        const name = rest.slice(0, n).join('.');
        if (!Object.hasOwn(node, name)) continue;
        if (n === rest.length) emit(node[name]);
        else walk(node[name], rest.slice(n));
      }
    }
  };
  walk(event, field.split('.'));
  return out;
}

/** Backtracking over pattern and text, as the definition reads. */
function like(pattern: string, text: string, isCased: boolean): boolean {
  const p = parse(pattern);
  const t = [...text];
  const go = (i: number, j: number): boolean => {
    const want = p[i];
    if (want === undefined) return j === t.length;
    if (want.kind === 'any') return go(i + 1, j) || (j < t.length && go(i, j + 1));
    if (j >= t.length) return false;
    return (want.kind === 'one' || same(want.char, t[j] as string, isCased)) && go(i + 1, j + 1);
  };
  return go(0, 0);
}

type Want = { kind: 'any' } | { kind: 'one' } | { kind: 'char'; char: string };

function parse(pattern: string): Want[] {
  const out: Want[] = [];
  const chars = [...pattern];
  for (let i = 0; i < chars.length; i += 1) {
    const char = chars[i] as string;
    if (char === '\\' && ['*', '?', '\\'].includes(chars[i + 1] ?? '')) {
      i += 1;
      out.push({ kind: 'char', char: chars[i] as string });
    } else if (char === '*') out.push({ kind: 'any' });
    else if (char === '?') out.push({ kind: 'one' });
    else out.push({ kind: 'char', char });
  }
  return out;
}

function same(a: string, b: string, isCased: boolean): boolean {
  if (isCased || a === b) return a === b;
  return new RegExp(`^${a.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$`, 'iu').test(b);
}
