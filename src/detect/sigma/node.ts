import { type Comparison, compareNumbers } from './compare.ts';
import { fold } from './fold.ts';
import { type TimePart, timePart } from './timePart.ts';
import { cellOf, foldedOf, leavesOf, textsOf, type View, type Vocabulary } from './view.ts';

/** What one value of a detection item asks of its field; a field with several values matches when any does. */
export type Ask =
  /** Folded texts, or as written when `isCased`. */
  | { readonly ask: 'equals'; readonly texts: ReadonlySet<string>; readonly isCased: boolean }
  | {
      readonly ask: 'pattern';
      readonly test: (text: string) => boolean;
      readonly isCased: boolean;
      readonly sure: string;
    }
  | { readonly ask: 'regex'; readonly test: (text: string) => boolean; readonly sure: string }
  | { readonly ask: 'cidr'; readonly test: (text: string) => boolean }
  | { readonly ask: 'number'; readonly op: Comparison; readonly value: number }
  | { readonly ask: 'time'; readonly part: TimePart; readonly op: Comparison; readonly value: number }
  | { readonly ask: 'exists'; readonly wanted: boolean }
  | { readonly ask: 'null' }
  | {
      readonly ask: 'fieldref';
      readonly other: number;
      readonly how: 'equals' | 'contains' | 'startswith' | 'endswith';
      readonly isCased: boolean;
    };

export type KeywordAsk = Extract<Ask, { ask: 'pattern' | 'regex' }>;

/** A rule's condition with its selections in place. */
export type Node =
  | { readonly op: 'and' | 'or'; readonly children: readonly Node[] }
  | { readonly op: 'not'; readonly child: Node }
  | { readonly op: 'field'; readonly field: number; readonly ask: Ask }
  | { readonly op: 'keyword'; readonly vocabulary: Vocabulary; readonly ask: KeywordAsk };

/** The tree as a predicate over the event in view. */
export function compileNode(node: Node): (view: View) => boolean {
  if (node.op === 'field') return compileAsk(node.field, node.ask);
  if (node.op === 'keyword') return compileKeyword(node.vocabulary, node.ask);
  if (node.op === 'not') {
    const child = compileNode(node.child);
    return (view) => !child(view);
  }
  const children = node.children.map(compileNode);
  if (children.length === 1) return children[0] as (view: View) => boolean;
  if (node.op === 'and') {
    return (view) => {
      for (const child of children) if (!child(view)) return false;
      return true;
    };
  }
  return (view) => {
    for (const child of children) if (child(view)) return true;
    return false;
  };
}

function compileKeyword(vocabulary: Vocabulary, ask: KeywordAsk): (view: View) => boolean {
  const isCased = ask.ask === 'regex' || ask.isCased;
  return (view) => {
    const leaves = leavesOf(view, vocabulary);
    return (isCased ? leaves.texts : leaves.folded).some(ask.test);
  };
}

function compileAsk(field: number, ask: Ask): (view: View) => boolean {
  switch (ask.ask) {
    case 'equals':
      return anyText(field, ask.isCased, (text) => ask.texts.has(text));
    case 'pattern':
      return anyText(field, ask.isCased, ask.test);
    case 'regex':
    case 'cidr':
      return anyText(field, true, ask.test);
    case 'exists':
      return (view) => cellOf(view, field).present === ask.wanted;
    case 'null':
      return (view) => {
        const cell = cellOf(view, field);
        return !cell.present || cell.values.includes(null);
      };
    case 'number':
      return (view) => cellOf(view, field).values.some((v) => isNumber(v, ask.op, ask.value));
    case 'time':
      return (view) =>
        cellOf(view, field).values.some((v) => {
          if (v === null || typeof v === 'boolean') return false;
          const part = timePart(v, ask.part);
          return part !== undefined && compareNumbers(part, ask.op, ask.value);
        });
    case 'fieldref':
      return compileFieldref(field, ask);
  }
}

function anyText(field: number, isCased: boolean, test: (text: string) => boolean): (view: View) => boolean {
  return (view) => {
    for (const text of isCased ? textsOf(view, field) : foldedOf(view, field)) if (test(text)) return true;
    return false;
  };
}

function isNumber(value: unknown, op: Comparison, wanted: number): boolean {
  if (typeof value === 'number') return compareNumbers(value, op, wanted);
  if (typeof value === 'bigint') return compareNumbers(Number(value), op, wanted);
  // Number('') is 0 and Number(' ') too: only text that is written as a number is one.
  if (typeof value !== 'string' || !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(value)) return false;
  return compareNumbers(Number(value), op, wanted);
}

function compileFieldref(field: number, ask: Extract<Ask, { ask: 'fieldref' }>): (view: View) => boolean {
  const compare = {
    equals: (a: string, b: string) => a === b,
    contains: (a: string, b: string) => a.includes(b),
    startswith: (a: string, b: string) => a.startsWith(b),
    endswith: (a: string, b: string) => a.endsWith(b),
  }[ask.how];
  const casing = (value: string) => (ask.isCased ? value : fold(value));
  return (view) => {
    const mine = textsOf(view, field).map(casing);
    const others = textsOf(view, ask.other).map(casing);
    return mine.some((a) => others.some((b) => compare(a, b)));
  };
}
