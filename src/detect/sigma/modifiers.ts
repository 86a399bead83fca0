import { compileCidr } from './cidr.ts';
import type { Comparison } from './compare.ts';
import type { Position, Report } from './diagnostic.ts';
import type { LocatedScalar } from './document.ts';
import { base64, base64offset, bytesAsText, expandSets, type Utf16, utf16, windash } from './encode.ts';
import { fold } from './fold.ts';
import type { Ask } from './node.ts';
import { compilePattern, type Pattern, parsePattern, plainText, sureText, withAny } from './pattern.ts';
import { compileRegex } from './regex.ts';
import { type TimePart, timeParts } from './timePart.ts';

/** Modifiers that change what kind of value it is: one value has at most one of them. */
const typeModifiers = ['re', 'cidr', 'exists', 'fieldref', 'lt', 'lte', 'gt', 'gte'] as const;
const places = ['contains', 'startswith', 'endswith'] as const;
const encodings = ['base64', 'base64offset', 'utf16le', 'utf16be', 'utf16', 'wide', 'windash'] as const;
/** pySigma's long names beside the specification's letters. */
const regexFlags: Readonly<Record<string, 'i' | 'm' | 's'>> = {
  i: 'i',
  ignorecase: 'i',
  m: 'm',
  multiline: 'm',
  s: 's',
  dotall: 's',
};

type Place = (typeof places)[number];

/** What the modifiers of one field say together, in their order where it matters. */
export interface Modifiers {
  readonly all: boolean;
  readonly isNegated: boolean;
  readonly isCased: boolean;
  readonly type: (typeof typeModifiers)[number] | undefined;
  readonly place: Place | undefined;
  readonly part: TimePart | undefined;
  readonly flags: ReadonlySet<'i' | 'm' | 's'>;
  /** Place and encodings in the order written: `wide|base64offset|contains`. */
  readonly steps: readonly string[];
  readonly names: readonly string[];
}

const known: ReadonlySet<string> = new Set([
  ...typeModifiers,
  ...places,
  ...encodings,
  ...timeParts,
  ...Object.keys(regexFlags),
  'all',
  'cased',
  'neq',
  'expand',
]);

/** Reads the names behind a field; says every unknown or contradictory one. */
export function readModifiers(names: readonly string[], at: Position, report: Report): Modifiers | undefined {
  const unknown = names.filter((n) => !known.has(n));
  for (const name of unknown) report.error('modifier', at, `unknown modifier '${name}'`);
  if (unknown.length > 0) return undefined;
  const has = (list: readonly string[]) => names.filter((n) => list.includes(n));
  const twice = names.find((n, i) => names.indexOf(n) !== i);
  if (twice) report.warn('modifier', at, `modifier '${twice}' stands twice`);
  const types = [...new Set(has(typeModifiers))];
  const part = [...new Set(has(timeParts))];
  const place = [...new Set(has(places))];
  const flags = has(Object.keys(regexFlags));
  const problem = contradiction({ names, types, place, part, flags, encoded: has(encodings) });
  if (problem) return report.error('modifier', at, problem);
  return {
    all: names.includes('all'),
    isNegated: names.includes('neq'),
    isCased: names.includes('cased'),
    type: types[0] as Modifiers['type'],
    place: place[0] as Place | undefined,
    part: part[0] as TimePart | undefined,
    flags: new Set(flags.map((f) => regexFlags[f] as 'i' | 'm' | 's')),
    steps: names.filter((n) => [...places, ...encodings, 'expand'].includes(n as Place)),
    names,
  };
}

interface Groups {
  readonly names: readonly string[];
  readonly types: readonly string[];
  readonly place: readonly string[];
  readonly part: readonly string[];
  readonly flags: readonly string[];
  readonly encoded: readonly string[];
}

function contradiction(g: Groups): string | undefined {
  const type = g.types[0];
  if (g.types.length > 1) return `'${g.types.join("' and '")}' contradict each other`;
  if (g.place.length > 1) return `'${g.place.join("' and '")}' contradict each other`;
  if (g.part.length > 1) return `'${g.part.join("' and '")}' contradict each other`;
  if (g.flags.length > 0 && type !== 're') return `'${g.flags[0]}' needs 're' before it`;
  if (type === 're' && g.flags.some((f) => g.names.indexOf(f) < g.names.indexOf('re'))) {
    return "the flags of 're' stand behind it";
  }
  const isComparison = type === 'lt' || type === 'lte' || type === 'gt' || type === 'gte';
  if (g.part.length > 0 && type && !isComparison) return `'${g.part[0]}' and '${type}' contradict each other`;
  const texts = [...g.place, ...g.encoded, ...g.names.filter((n) => n === 'cased' || n === 'expand')];
  if (type === 'fieldref') {
    const wrong = [...g.encoded, ...g.names.filter((n) => n === 'expand')][0];
    return wrong ? `'fieldref' and '${wrong}' contradict each other` : undefined;
  }
  const typed = type ?? g.part[0];
  if (typed && texts.length > 0) return `'${typed}' and '${texts[0]}' contradict each other`;
  if (type === 'exists' && g.names.length > 1) return "'exists' stands alone";
  return undefined;
}

/** What the reader of a value needs beside the value. */
export interface AskContext {
  readonly report: Report;
  /** The number of the field a fieldref names. */
  readonly intern: (name: string) => number;
  readonly isKeyword: boolean;
}

/** The asks one value stands for (several after base64offset): any of them. Undefined after a complaint. */
export function asksOf(value: LocatedScalar, mods: Modifiers, context: AskContext): Ask[] | undefined {
  const { report } = context;
  const wrong = (message: string, check = 'value') => report.error(check, value.at, message);
  if (mods.part) {
    if (typeof value.value !== 'number') return wrong(`'${mods.part}' takes a number`);
    return [{ ask: 'time', part: mods.part, op: (mods.type as Comparison) ?? 'eq', value: value.value }];
  }
  switch (mods.type) {
    case 'exists':
      if (typeof value.value !== 'boolean') return wrong("'exists' takes true or false");
      return [{ ask: 'exists', wanted: value.value }];
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      if (typeof value.value !== 'number') return wrong(`'${mods.type}' takes a number`);
      return [{ ask: 'number', op: mods.type, value: value.value }];
    case 're': {
      if (value.value === null) return wrong("'re' takes a text");
      const regex = compileRegex(sourceText(value), mods.flags);
      if (typeof regex === 'string') return wrong(`not a regular expression of RE2: ${regex}`, 'regex');
      return [{ ask: 'regex', test: regex.test, sure: regex.sure }];
    }
    case 'cidr': {
      const test = typeof value.value === 'string' ? compileCidr(value.value) : undefined;
      if (!test) return wrong(`'${value.value}' is no network in CIDR notation`, 'cidr');
      return [{ ask: 'cidr', test }];
    }
    case 'fieldref': {
      const pattern = typeof value.value === 'string' ? parsePattern(value.value) : undefined;
      const name = pattern && plainText(pattern);
      if (!name) return wrong("'fieldref' takes the name of a field, without wildcards");
      const how = mods.place ?? 'equals';
      return [{ ask: 'fieldref', other: context.intern(name), how, isCased: mods.isCased }];
    }
    default:
      return textAsks(value, mods, context);
  }
}

/** The value as text: a plain number keeps the digits it was written with when they mean the same. */
function sourceText(value: LocatedScalar): string {
  const plain = value.value;
  if (typeof plain === 'number' && /^-?(?:0|[1-9]\d*)$/.test(value.source)) return value.source;
  return String(plain);
}

function textAsks(value: LocatedScalar, mods: Modifiers, context: AskContext): Ask[] | undefined {
  if (value.value === null) {
    if (context.isKeyword || mods.steps.length > 0) {
      return context.report.error('value', value.at, 'null is no text: it stands alone behind a field');
    }
    return [{ ask: 'null' }];
  }
  const isText = typeof value.value === 'string';
  let patterns: Pattern[] | undefined = [
    isText ? parsePattern(value.value as string) : parsePattern(sourceText(value)),
  ];
  for (const step of mods.steps) {
    const next: Pattern[] = [];
    for (const pattern of patterns) {
      const result = applyStep(step, pattern, value, context);
      if (!result) return undefined;
      next.push(...result);
    }
    patterns = next;
  }
  const asks: Ask[] = [];
  for (const pattern of patterns) {
    const text = bytesAsText(pattern);
    if (!text) {
      return context.report.error(
        'value',
        value.at,
        'encoded as UTF-16 this is no text: only ASCII, or base64 behind it',
      );
    }
    asks.push(patternAsk(context.isKeyword ? withAny(text, 'contains') : text, mods.isCased));
  }
  return asks;
}

function patternAsk(pattern: Pattern, isCased: boolean): Ask {
  const whole = plainText(pattern);
  if (whole !== undefined) {
    return { ask: 'equals', texts: new Set([isCased ? whole : fold(whole)]), isCased };
  }
  return { ask: 'pattern', test: compilePattern(pattern, isCased), isCased, sure: fold(sureText(pattern)) };
}

function applyStep(
  step: string,
  pattern: Pattern,
  value: LocatedScalar,
  context: AskContext,
): Pattern[] | undefined {
  const wrong = (message: string) => context.report.error('value', value.at, message);
  switch (step) {
    case 'contains':
    case 'startswith':
    case 'endswith':
      return [withAny(pattern, step)];
    case 'windash':
      return [windash(pattern)];
    case 'wide':
      return [utf16(pattern, 'utf16le')];
    case 'utf16le':
    case 'utf16be':
    case 'utf16':
      return [utf16(pattern, step satisfies Utf16)];
    case 'expand':
      return expand(pattern, value, context);
    default: {
      const plain = expandSets(pattern);
      if (!plain) return wrong('too many dashes to encode');
      const out: Pattern[] = [];
      for (const each of plain) {
        const encoded = step === 'base64' ? [base64(each)] : base64offset(each);
        if (!encoded || encoded[0] === undefined) return wrong(`'${step}' takes no wildcards`);
        out.push(...(encoded as Pattern[]));
      }
      return out;
    }
  }
}

/** No placeholder has a meaning here, and a tool that cannot handle one "must reject the rule". */
function expand(pattern: Pattern, value: LocatedScalar, context: AskContext): Pattern[] | undefined {
  const tokens = [];
  for (const token of pattern.tokens) {
    if (token.kind !== 'text') {
      tokens.push(token);
      continue;
    }
    const placeholder = /(?<!\\)%([^%\s\\]+)(?<!\\)%/.exec(token.text);
    if (placeholder) {
      const message = `the placeholder %${placeholder[1]}% is not known: write the values, or leave the rule out`;
      return context.report.error('placeholder', value.at, message);
    }
    tokens.push({ ...token, text: token.text.replaceAll('\\%', '%') });
  }
  return [{ ...pattern, tokens }];
}
