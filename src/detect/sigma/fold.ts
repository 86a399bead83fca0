/**
 * The one case folding of the engine: Unicode simple folding, one code point to one code point.
 * Not `toLowerCase`: it looks at neighbours (a final Σ becomes ς, so a prefix no longer folds like the whole)
 * and it changes lengths (İ becomes two code points, so `?` would miss). `fold(a + b) === fold(a) + fold(b)`.
 */
export function fold(text: string): string {
  return isAscii(text) ? text.toLowerCase() : foldSlowly(text);
}

const notAscii = /[^\x00-\x7f]/;

function isAscii(text: string): boolean {
  return !notAscii.test(text);
}

function foldSlowly(text: string): string {
  let out = '';
  for (const char of text) {
    let folded = cache.get(char);
    if (folded === undefined) {
      folded = foldOne(char);
      cache.set(char, folded);
    }
    out += folded;
  }
  return out;
}

/** At most one entry a code point (about 1.1 M); real logs hold a few hundred. */
const cache = new Map<string, string>();

/** U+0130 and U+0131 fold to themselves outside Turkic languages; Cherokee folds to its capitals. */
const alone = new Set(['\u0130', '\u0131']);

function foldOne(char: string): string {
  if (alone.has(char)) return char;
  const upper = char.toUpperCase();
  const base = isOne(upper) ? upper : char;
  const lower = base.toLowerCase();
  return isOne(lower) ? lower : base;
}

function isOne(text: string): boolean {
  return text.length === 1 || (text.length === 2 && text.codePointAt(0) !== text.charCodeAt(0));
}
