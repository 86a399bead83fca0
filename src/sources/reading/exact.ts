import { failed, type Read } from './text.ts';

/** Deeper than any audit format goes; recursion over parsed values stays within it. */
export const depthMax = 64;

/**
 * The slow, exact JSON parser (RFC 8259) for the rare suspect: integers beyond 2^53 come out as their digits,
 * and what JSON.parse passes over in silence is named: duplicate keys, NUL, lone surrogates, `__proto__`.
 */
export function parseExactly(text: string): Read<unknown> {
  const parser = new ExactParser(text);
  try {
    return { isOk: true, value: parser.document() };
  } catch (error) {
    if (error instanceof Refused) return failed(error.reason, error.detail);
    throw error;
  }
}

type Reason = 'invalid_json' | 'too_deep' | 'duplicate_key' | 'nul' | 'lone_surrogate' | 'proto_key';

/** Leaves the recursion; never leaves this file. */
class Refused extends Error {
  readonly reason: Reason;
  readonly detail: string;
  constructor(reason: Reason, at: number) {
    super(reason);
    this.reason = reason;
    this.detail = `at character ${at}`;
  }
}

const numberShape = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const wordShape = /true|false|null/y;
const blanks = /[ \t\n\r]*/y;

class ExactParser {
  private at = 0;
  private readonly text: string;
  constructor(text: string) {
    this.text = text;
  }

  document(): unknown {
    this.skipBlanks();
    const value = this.value(0);
    this.skipBlanks();
    if (this.at !== this.text.length) this.refuse('invalid_json');
    return value;
  }

  private value(depth: number): unknown {
    const c = this.text[this.at];
    if (c === '{') return this.object(depth + 1);
    if (c === '[') return this.array(depth + 1);
    if (c === '"') return this.string();
    const word = this.match(wordShape);
    if (word !== undefined) return word === 'null' ? null : word === 'true';
    const digits = this.match(numberShape);
    if (digits === undefined) return this.refuse('invalid_json');
    const number = Number(digits);
    return /^-?\d+$/.test(digits) && !Number.isSafeInteger(number) ? digits : number;
  }

  private object(depth: number): Record<string, unknown> {
    if (depth > depthMax) this.refuse('too_deep');
    const out: Record<string, unknown> = {};
    const seen = new Set<string>();
    this.at++;
    this.skipBlanks();
    if (this.take('}')) return out;
    for (;;) {
      this.skipBlanks();
      const key = this.string();
      if (key === '__proto__') this.refuse('proto_key');
      if (seen.has(key)) this.refuse('duplicate_key');
      seen.add(key);
      this.skipBlanks();
      if (!this.take(':')) this.refuse('invalid_json');
      this.skipBlanks();
      out[key] = this.value(depth);
      this.skipBlanks();
      if (this.take('}')) return out;
      if (!this.take(',')) this.refuse('invalid_json');
    }
  }

  private array(depth: number): unknown[] {
    if (depth > depthMax) this.refuse('too_deep');
    const out: unknown[] = [];
    this.at++;
    this.skipBlanks();
    if (this.take(']')) return out;
    for (;;) {
      this.skipBlanks();
      out.push(this.value(depth));
      this.skipBlanks();
      if (this.take(']')) return out;
      if (!this.take(',')) this.refuse('invalid_json');
    }
  }

  /** No regex: one with a choice in its loop runs out of stack on a string of megabytes. */
  private string(): string {
    const start = this.at;
    if (this.text[start] !== '"') this.refuse('invalid_json');
    const end = this.closingQuote(start + 1);
    let value: string;
    try {
      value = JSON.parse(this.text.slice(start, end + 1)) as string;
    } catch {
      return this.refuse('invalid_json');
    }
    this.at = end + 1;
    if (value.includes('\0')) this.refuse('nul');
    if (isLoneSurrogate.test(value)) this.refuse('lone_surrogate');
    return value;
  }

  /** The next quote with an even number of backslashes before it. */
  private closingQuote(from: number): number {
    for (let end = this.text.indexOf('"', from); end !== -1; end = this.text.indexOf('"', end + 1)) {
      let slashes = 0;
      while (this.text[end - 1 - slashes] === '\\') slashes++;
      if (slashes % 2 === 0) return end;
    }
    return this.refuse('invalid_json');
  }

  private match(shape: RegExp): string | undefined {
    shape.lastIndex = this.at;
    const found = shape.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  private skipBlanks(): void {
    this.match(blanks);
  }

  private take(c: string): boolean {
    if (this.text[this.at] !== c) return false;
    this.at++;
    return true;
  }

  private refuse(reason: Reason): never {
    throw new Refused(reason, this.at);
  }
}

/** With the `u` flag a well-formed pair is one code point, so only halves are left to match. */
const isLoneSurrogate = /[\ud800-\udfff]/u;
