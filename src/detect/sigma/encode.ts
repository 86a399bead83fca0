import { type Pattern, plainText, type Token, textPattern } from './pattern.ts';

/** The dashes a Windows command line takes for one another (modifiers appendix, `windash`). */
const dashes = '-/\u2013\u2014\u2015';
const isWordChar = /\w/;

/**
 * `windash`: a dash that begins an option (no word character before it, one behind it) stands for all five.
 * A set inside the pattern instead of 5^n patterns: the same meaning, no explosion.
 */
export function windash(pattern: Pattern): Pattern {
  const tokens: Token[] = [];
  for (const token of pattern.tokens) {
    if (token.kind !== 'text') {
      tokens.push(token);
      continue;
    }
    let text = '';
    for (let i = 0; i < token.text.length; i += 1) {
      const char = token.text[i] as string;
      const before = token.text[i - 1] ?? ' ';
      const after = token.text[i + 1] ?? ' ';
      if (dashes.includes(char) && !isWordChar.test(before) && isWordChar.test(after)) {
        if (text !== '') tokens.push({ kind: 'text', text });
        tokens.push({ kind: 'set', chars: dashes });
        text = '';
      } else text += char;
    }
    if (text !== '') tokens.push({ kind: 'text', text });
  }
  return { ...pattern, tokens };
}

/** More dashes than this in one value would give more than 625 encoded texts. */
const setsExpandedMax = 4;

/** Every pattern without sets that the pattern stands for; undefined when there are too many. */
export function expandSets(pattern: Pattern): Pattern[] | undefined {
  if (pattern.tokens.filter((t) => t.kind === 'set').length > setsExpandedMax) return undefined;
  let all: Token[][] = [[]];
  for (const token of pattern.tokens) {
    const choices: Token[] =
      token.kind === 'set' ? Array.from(token.chars, (text) => ({ kind: 'text', text })) : [token];
    all = all.flatMap((head) => choices.map((choice) => [...head, choice]));
  }
  return all.map((tokens) => ({ ...pattern, tokens: joinTexts(tokens) }));
}

function joinTexts(tokens: readonly Token[]): Token[] {
  const out: Token[] = [];
  for (const token of tokens) {
    const last = out.at(-1);
    if (token.kind === 'text' && last?.kind === 'text') {
      out[out.length - 1] = { kind: 'text', text: last.text + token.text };
    } else out.push(token);
  }
  return out;
}

export type Utf16 = 'utf16le' | 'utf16be' | 'utf16';

/** Texts become bytes, wildcards stay between them; `utf16` puts the byte order mark FF FE in front. */
export function utf16(pattern: Pattern, how: Utf16): Pattern {
  const tokens = pattern.tokens.map((token): Token => {
    if (token.kind !== 'text') return token;
    const bytes = Buffer.from(token.text, 'utf16le');
    if (how === 'utf16be') bytes.swap16();
    return { kind: 'text', text: bytes.toString('latin1') };
  });
  if (how === 'utf16') tokens.unshift({ kind: 'text', text: '\xff\xfe' });
  return { tokens: joinTexts(tokens), isBytes: true };
}

/** Bytes that are to be matched as text: NUL between ASCII letters, U+FEFF for the mark; others have no text. */
export function bytesAsText(pattern: Pattern): Pattern | undefined {
  if (!pattern.isBytes) return pattern;
  const tokens = pattern.tokens.map((token, i): Token => {
    if (token.kind !== 'text') return token;
    const marked = i === 0 && token.text.startsWith('\xff\xfe');
    return { kind: 'text', text: marked ? `\ufeff${token.text.slice(2)}` : token.text };
  });
  const isAscii = tokens.every((t) => t.kind !== 'text' || /^\ufeff?[\x00-\x7f]*$/.test(t.text));
  return isAscii ? { tokens, isBytes: false } : undefined;
}

function bytesOf(pattern: Pattern): Buffer | undefined {
  const text = plainText(pattern);
  return text === undefined ? undefined : Buffer.from(text, pattern.isBytes ? 'latin1' : 'utf8');
}

/** Undefined when the pattern has wildcards: they have no Base64. */
export function base64(pattern: Pattern): Pattern | undefined {
  const bytes = bytesOf(pattern);
  return bytes && textPattern(bytes.toString('base64'));
}

/**
 * `base64offset`: the value may begin at any of three places inside a group of three bytes; what its neighbours
 * change is cut off at both ends.
 */
export function base64offset(pattern: Pattern): Pattern[] | undefined {
  const bytes = bytesOf(pattern);
  if (!bytes) return undefined;
  const startCut = [0, 2, 3];
  const endCut = [undefined, -3, -2];
  return [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift, ' '), bytes]).toString('base64');
    return textPattern(encoded.slice(startCut[shift], endCut[(bytes.length + shift) % 3]));
  });
}
