import { fold } from './fold.ts';

/** One piece of a Sigma string: plain text, any run (`*`), one character (`?`), one of a set (windash). */
export type Token =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  | { readonly kind: 'set'; readonly chars: string };

export interface Pattern {
  readonly tokens: readonly Token[];
  /** True after an encoding modifier: each UTF-16 unit of the texts is one byte. */
  readonly isBytes: boolean;
}

/** `*` and `?` are wildcards; `\*`, `\?`, `\\` stand for themselves; another lone backslash stays as it is. */
export function parsePattern(source: string): Pattern {
  const tokens: Token[] = [];
  let text = '';
  const flush = () => {
    if (text !== '') tokens.push({ kind: 'text', text });
    text = '';
  };
  for (let i = 0; i < source.length; i += 1) {
    const char = source[i] as string;
    const next = source[i + 1];
    if (char === '\\' && (next === '*' || next === '?' || next === '\\')) {
      text += next;
      i += 1;
    } else if (char === '*') {
      flush();
      if (tokens.at(-1)?.kind !== 'any') tokens.push({ kind: 'any' });
    } else if (char === '?') {
      flush();
      tokens.push({ kind: 'one' });
    } else text += char;
  }
  flush();
  return { tokens, isBytes: false };
}

export function textPattern(text: string): Pattern {
  return { tokens: text === '' ? [] : [{ kind: 'text', text }], isBytes: false };
}

export function withAny(pattern: Pattern, where: 'contains' | 'startswith' | 'endswith'): Pattern {
  const tokens = [...pattern.tokens];
  if (where !== 'startswith' && tokens[0]?.kind !== 'any') tokens.unshift({ kind: 'any' });
  if (where !== 'endswith' && (tokens.length === 0 || tokens.at(-1)?.kind !== 'any'))
    tokens.push({ kind: 'any' });
  return { ...pattern, tokens };
}

/** The text when the pattern has no wildcard. */
export function plainText(pattern: Pattern): string | undefined {
  if (pattern.tokens.length === 0) return '';
  const first = pattern.tokens[0];
  return pattern.tokens.length === 1 && first?.kind === 'text' ? first.text : undefined;
}

/** The longest text that every match must hold; '' when there is none. */
export function sureText(pattern: Pattern): string {
  let best = '';
  for (const token of pattern.tokens) {
    if (token.kind === 'text' && token.text.length > best.length) best = token.text;
  }
  return best;
}

/** A test of text against the pattern; the caller hands folded text unless `isCased`. */
export function compilePattern(pattern: Pattern, isCased: boolean): (text: string) => boolean {
  const casing = isCased ? (t: string) => t : fold;
  const tokens = pattern.tokens.map((t) => (t.kind === 'text' ? { ...t, text: casing(t.text) } : t));
  if (tokens.some((t) => t.kind === 'one' || t.kind === 'set')) return compileByCharacter(tokens);
  const parts = splitAtAny(tokens).map((part) => part.map((t) => (t as { text: string }).text).join(''));
  if (parts.length === 1) {
    const whole = parts[0] as string;
    return (text) => text === whole;
  }
  const head = parts[0] as string;
  const tail = parts.at(-1) as string;
  const middle = parts.slice(1, -1);
  if (middle.length === 0 && tail === '') return (text) => text.startsWith(head);
  if (middle.length === 0 && head === '') return (text) => text.endsWith(tail);
  if (head === '' && tail === '' && middle.length === 1) {
    const inner = middle[0] as string;
    return (text) => text.includes(inner);
  }
  return (text) => matchParts(text, head, middle, tail);
}

/** Leftmost is enough: taking a middle part earlier never takes room away from those behind it. */
function matchParts(text: string, head: string, middle: readonly string[], tail: string): boolean {
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  let from = head.length;
  for (const part of middle) {
    const found = text.indexOf(part, from);
    if (found < 0) return false;
    from = found + part.length;
  }
  return from <= text.length - tail.length;
}

function splitAtAny(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of tokens) {
    if (token.kind === 'any') parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

type Unit = (char: string) => boolean;

/** With `?` or sets: over code points, so that one character is one character outside the BMP as well. */
function compileByCharacter(tokens: readonly Token[]): (text: string) => boolean {
  const parts = splitAtAny(tokens).map((part) => part.flatMap(unitsOf));
  const head = parts[0] as Unit[];
  if (parts.length === 1) {
    return (text) => {
      const chars = Array.from(text);
      return chars.length === head.length && matchesAt(chars, head, 0);
    };
  }
  const tail = parts.at(-1) as Unit[];
  const middle = parts.slice(1, -1);
  return (text) => {
    const chars = Array.from(text);
    const tailAt = chars.length - tail.length;
    if (tailAt < head.length || !matchesAt(chars, head, 0) || !matchesAt(chars, tail, tailAt)) return false;
    let from = head.length;
    for (const part of middle) {
      while (from + part.length <= tailAt && !matchesAt(chars, part, from)) from += 1;
      if (from + part.length > tailAt) return false;
      from += part.length;
    }
    return true;
  };
}

function unitsOf(token: Token): Unit[] {
  if (token.kind === 'text') return Array.from(token.text, (wanted) => (char: string) => char === wanted);
  if (token.kind === 'set') return [(char) => token.chars.includes(char)];
  return [() => true];
}

function matchesAt(chars: readonly string[], units: readonly Unit[], at: number): boolean {
  for (let i = 0; i < units.length; i += 1) {
    if (!units[i]?.(chars[at + i] as string)) return false;
  }
  return true;
}
