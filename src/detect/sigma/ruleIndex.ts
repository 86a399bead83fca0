import { type Automaton, buildAutomaton } from './automaton.ts';
import { fold } from './fold.ts';
import type { Node } from './node.ts';
import { cellOf, textsOf, type View } from './view.ts';

/**
 * One of a set of facts of which at least one holds whenever the rule matches: an event that shows none of a rule's
 * probes need not be asked. Which child of an AND gives the probes is a guess about speed, never about hits.
 */
interface Probe {
  readonly field: number;
  /** `equals`: the folded value is `text`; `holds`: it contains it; `present`: the field is there. */
  readonly kind: 'equals' | 'holds' | 'present';
  readonly text: string;
}

/** Finds the rules an event could match. Numbers are positions in the list the index was built from. */
export interface RuleIndex {
  candidates(view: View, found: (rule: number) => void): void;
}

/** How often a probe is expected to be true: an equal value seldom, a short part of a text often, presence nearly always. */
const weight = { equals: 1, holds: 4, holdsShort: 40, present: 400 };
const shortChars = 3;

export function buildIndex(nodes: readonly Node[]): RuleIndex {
  const shared = new Map<string, number>();
  for (const node of nodes) countProbes(node, shared);
  const always: number[] = [];
  const fields = new Map<number, FieldEntries>();
  nodes.forEach((node, rule) => {
    const witness = witnessOf(node, shared);
    if (!witness) always.push(rule);
    for (const probe of witness?.probes ?? []) {
      let entries = fields.get(probe.field);
      if (!entries) {
        entries = { equals: new Map(), holds: new Map(), present: [] };
        fields.set(probe.field, entries);
      }
      if (probe.kind === 'present') entries.present.push(rule);
      else addTo(entries[probe.kind], probe.text, rule);
    }
  });
  const lookups = [...fields].map(([field, entries]) => createLookup(field, entries));
  return {
    candidates(view, found) {
      for (let i = 0; i < always.length; i += 1) found(always[i] as number);
      for (let i = 0; i < lookups.length; i += 1) (lookups[i] as Lookup)(view, found);
    },
  };
}

interface FieldEntries {
  readonly equals: Map<string, number[]>;
  readonly holds: Map<string, number[]>;
  readonly present: number[];
}

function addTo(map: Map<string, number[]>, text: string, rule: number): void {
  const rules = map.get(text);
  if (rules) rules.push(rule);
  else map.set(text, [rule]);
}

type Lookup = (view: View, found: (rule: number) => void) => void;

/** Audit logs repeat their values: what one raw text leads to is remembered, up to this many texts a field. */
const memoTextsMax = 4_096;
/** Longer texts are rare and unlike each other. */
const memoCharsMax = 512;

function createLookup(field: number, entries: FieldEntries): Lookup {
  const words = [...entries.holds.keys()];
  const rulesOfWord = [...entries.holds.values()];
  const automaton: Automaton | undefined = words.length > 0 ? buildAutomaton(words) : undefined;
  const memo = new Map<string, readonly number[]>();
  const search = (text: string): readonly number[] => {
    const folded = fold(text);
    const rules = new Set<number>(entries.equals.get(folded));
    automaton?.search(folded, (word) => {
      for (const rule of rulesOfWord[word] as number[]) rules.add(rule);
    });
    return rules.size === 0 ? none : [...rules];
  };
  const remembered = (text: string): readonly number[] => {
    if (text.length > memoCharsMax) return search(text);
    let rules = memo.get(text);
    if (!rules) {
      rules = search(text);
      if (memo.size >= memoTextsMax) memo.clear();
      memo.set(text, rules);
    }
    return rules;
  };
  const asksTexts = entries.equals.size > 0 || words.length > 0;
  return (view, found) => {
    const cell = cellOf(view, field);
    if (!cell.present) return;
    for (let i = 0; i < entries.present.length; i += 1) found(entries.present[i] as number);
    if (!asksTexts) return;
    const texts = textsOf(view, field);
    for (let t = 0; t < texts.length; t += 1) {
      const rules = remembered(texts[t] as string);
      for (let i = 0; i < rules.length; i += 1) found(rules[i] as number);
    }
  };
}

const none: readonly number[] = [];

interface Witness {
  readonly probes: readonly Probe[];
  readonly cost: number;
}

/** AND: its cheapest child; OR: all children together; NOT, null, keywords: none, the rule is always asked. */
function witnessOf(node: Node, shared: ReadonlyMap<string, number>): Witness | undefined {
  if (node.op === 'field') {
    const probes = probesOf(node);
    return probes && { probes, cost: probes.reduce((sum, p) => sum + costOf(p, shared), 0) };
  }
  if (node.op === 'not' || node.op === 'keyword') return undefined;
  const children = node.children.map((child) => witnessOf(child, shared));
  if (node.op === 'and') {
    return children.reduce((best, w) => (w && (!best || w.cost < best.cost) ? w : best), undefined);
  }
  if (children.includes(undefined)) return undefined;
  const all = children as Witness[];
  return { probes: all.flatMap((w) => w.probes), cost: all.reduce((sum, w) => sum + w.cost, 0) };
}

function probesOf(node: Extract<Node, { op: 'field' }>): Probe[] | undefined {
  const { field, ask } = node;
  switch (ask.ask) {
    case 'equals':
      return [...ask.texts].map((text) => ({ field, kind: 'equals', text: fold(text) }));
    case 'pattern':
    case 'regex':
      return [{ field, kind: ask.sure === '' ? 'present' : 'holds', text: ask.sure }];
    case 'null':
      return undefined;
    case 'exists':
      return ask.wanted ? [{ field, kind: 'present', text: '' }] : undefined;
    default:
      return [{ field, kind: 'present', text: '' }];
  }
}

/** A value many rules ask for (`type: response`) tells little: it makes candidates of them all. */
function costOf(probe: Probe, shared: ReadonlyMap<string, number>): number {
  const kind = probe.kind === 'holds' && probe.text.length <= shortChars ? 'holdsShort' : probe.kind;
  return weight[kind] * (shared.get(keyOf(probe)) ?? 1);
}

function keyOf(probe: Probe): string {
  return `${probe.field} ${probe.kind} ${probe.text}`;
}

function countProbes(node: Node, shared: Map<string, number>): void {
  if (node.op === 'field') {
    for (const probe of probesOf(node) ?? []) shared.set(keyOf(probe), (shared.get(keyOf(probe)) ?? 0) + 1);
  } else if (node.op === 'and' || node.op === 'or') {
    for (const child of node.children) countProbes(child, shared);
  }
}
