import { depthMax, parseExactly } from './exact.ts';
import { failed, type Read } from './text.ts';

/** JSON.parse keeps its own stack and takes depth 10,000 with ease, but a million levels cost 100 MB: look first. */
const depthScanChars = 64 * 1024;

export interface Parsed {
  readonly value: unknown;
  /** Colons that may end a key: the number of keys, or more when strings hold such. */
  readonly keyColons: number;
  /** False when the exact parser has read it: nothing left to suspect. */
  readonly isUnchecked: boolean;
}

/** Text → value. A cheap test on the text sends the suspect to the exact parser, which JSON.parse cannot replace. */
export function parseText(text: string): Read<Parsed> {
  if (text.length > depthScanChars && isDeeperThan(text, depthMax)) return failed('too_deep');
  if (isSuspect(text)) return exactly(text);
  try {
    return {
      isOk: true,
      value: { value: JSON.parse(text), keyColons: countKeyColons(text), isUnchecked: true },
    };
  } catch {
    return failed(text.includes('\0') ? 'nul' : 'invalid_json');
  }
}

/** For a text in doubt after the parse: a key said twice (or strings that look like keys), an integer beyond 2^53. */
export function exactly(text: string): Read<Parsed> {
  const read = parseExactly(text);
  return read.isOk ? { isOk: true, value: { value: read.value, keyColons: 0, isUnchecked: false } } : read;
}

/** An escaped NUL or an escaped surrogate; numbers and keys are judged after the parse. */
function isSuspect(text: string): boolean {
  return text.includes('\\u') && /\\u(?:0000|[dD][89a-fA-F])/.test(text);
}

/**
 * Every key ends with a quote, maybe blanks, and a colon, so this never counts fewer than there are keys;
 * equal to the keys that were parsed, it proves that none was said twice.
 */
function countKeyColons(text: string): number {
  let count = 0;
  for (let i = text.indexOf(':'); i !== -1; i = text.indexOf(':', i + 1)) {
    const before = text.charCodeAt(i - 1);
    if (before === 0x22 || before <= 0x20) count++;
  }
  return count;
}

function isDeeperThan(text: string, max: number): boolean {
  let depth = 0;
  let isString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (isString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) isString = false;
    } else if (c === 0x22) isString = true;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > max) return true;
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
  return false;
}
