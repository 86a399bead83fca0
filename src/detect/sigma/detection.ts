import { type Condition, isProblem, parseCondition, selectNames } from './condition.ts';
import type { Position, Report } from './diagnostic.ts';
import type { Entry, Located, LocatedMap, LocatedScalar } from './document.ts';
import { asksOf, type Modifiers, readModifiers } from './modifiers.ts';
import type { Ask, KeywordAsk, Node } from './node.ts';
import { compilePattern, textPattern, withAny } from './pattern.ts';
import type { Fields, Vocabulary } from './view.ts';

/** What a detection is read with. */
export interface DetectionContext {
  readonly report: Report;
  readonly fields: Fields;
  readonly vocabulary: Vocabulary;
}

/** Names of a detection that are no selection. `timeframe` is of Sigma v1 and has moved into correlations. */
const reserved = new Set(['condition', 'timeframe']);

/** Reads a `detection` (or a filter's body) into one tree; undefined after complaints. */
export function readDetection(
  map: LocatedMap,
  context: DetectionContext,
  skip: readonly string[] = [],
): Node | undefined {
  const { report } = context;
  const timeframe = map.entries.get('timeframe');
  if (timeframe)
    report.warn('detection', timeframe.at, "'timeframe' has no effect: write a correlation with timespan");
  const selections = new Map<string, Node | undefined>();
  for (const entry of map.entries.values()) {
    if (reserved.has(entry.key) || skip.includes(entry.key)) continue;
    selections.set(entry.key, readSelection(entry, context));
  }
  const condition = map.entries.get('condition');
  if (!condition) return report.error('condition', map.at, "'condition' is missing");
  if (selections.size === 0) return report.error('detection', map.at, 'there is no selection');
  const used = new Set<string>();
  const trees: (Node | undefined)[] = conditionTexts(condition, report).map((text) =>
    readCondition(text, selections, used, report),
  );
  if (trees.length === 0 || trees.includes(undefined)) return undefined;
  for (const name of selections.keys()) {
    if (!used.has(name) && !name.startsWith('_')) {
      report.warn('unused', map.entries.get(name)?.at ?? map.at, `the condition does not use '${name}'`);
    }
  }
  return trees.length === 1 ? trees[0] : { op: 'or', children: trees as Node[] };
}

function conditionTexts(entry: Entry, report: Report): LocatedScalar[] {
  const items = entry.value.kind === 'seq' ? entry.value.items : [entry.value];
  const texts: LocatedScalar[] = [];
  for (const item of items) {
    if (item.kind === 'scalar' && typeof item.value === 'string') texts.push(item);
    else report.error('condition', item.at, 'a condition is a text, or a list of texts');
  }
  if (items.length === 0) report.error('condition', entry.at, 'the condition is empty');
  return texts;
}

function readCondition(
  scalar: LocatedScalar,
  selections: ReadonlyMap<string, Node | undefined>,
  used: Set<string>,
  report: Report,
): Node | undefined {
  const text = scalar.value as string;
  const at = (offset: number): Position =>
    text.includes('\n') || scalar.source.includes('\n')
      ? scalar.at
      : { line: scalar.textAt.line, column: scalar.textAt.column + offset };
  const parsed = parseCondition(text);
  if (isProblem(parsed)) return report.error('condition', at(parsed.offset), parsed.message);
  return resolve(parsed, selections, used, (offset, message) =>
    report.error('condition', at(offset), message),
  );
}

function resolve(
  tree: Condition,
  selections: ReadonlyMap<string, Node | undefined>,
  used: Set<string>,
  wrong: (offset: number, message: string) => undefined,
): Node | undefined {
  if (tree.op === 'name') {
    if (!selections.has(tree.name)) return wrong(tree.offset, `there is no selection '${tree.name}'`);
    used.add(tree.name);
    return selections.get(tree.name);
  }
  if (tree.op === 'not') {
    const child = resolve(tree.child, selections, used, wrong);
    return child && { op: 'not', child };
  }
  if (tree.op === 'of') {
    const names = selectNames(tree.pattern, [...selections.keys()]);
    if (names.length === 0) return wrong(tree.offset, `'${tree.pattern}' matches no selection`);
    for (const name of names) used.add(name);
    return joined(
      tree.all ? 'and' : 'or',
      names.map((name) => selections.get(name)),
    );
  }
  return joined(
    tree.op,
    tree.children.map((child) => resolve(child, selections, used, wrong)),
  );
}

function joined(op: 'and' | 'or', children: readonly (Node | undefined)[]): Node | undefined {
  if (children.includes(undefined)) return undefined;
  return children.length === 1 ? children[0] : { op, children: children as Node[] };
}

/** A map is AND of its fields, a list OR of maps and keywords, a plain value a keyword. */
function readSelection(entry: Entry, context: DetectionContext): Node | undefined {
  const value = entry.value;
  if (value.kind === 'map') return readMap(value, context, entry.at);
  const items = value.kind === 'seq' ? value.items : [value];
  if (items.length === 0) return context.report.error('detection', entry.at, `'${entry.key}' is empty`);
  return joined(
    'or',
    items.map((item) => {
      if (item.kind === 'map') return readMap(item, context, item.at);
      if (item.kind === 'seq')
        return context.report.error('detection', item.at, 'a list in a list has no meaning');
      return readItem('', [item], item.at, context);
    }),
  );
}

function readMap(map: LocatedMap, context: DetectionContext, at: Position): Node | undefined {
  if (map.entries.size === 0)
    return context.report.error('detection', at, 'an empty map would match everything');
  return joined(
    'and',
    [...map.entries.values()].map((entry) => {
      const values = valuesOf(entry.value, entry, context.report);
      return values && readItem(entry.key, values, entry.at, context);
    }),
  );
}

function valuesOf(value: Located, entry: Entry, report: Report): LocatedScalar[] | undefined {
  if (value.kind === 'scalar') return [value];
  if (value.kind === 'map')
    return report.error('value', value.at, `'${entry.key}' takes a value or a list of values`);
  const wrong = value.items.find((item) => item.kind !== 'scalar');
  if (wrong) return report.error('value', wrong.at, 'a list of values holds plain values only');
  if (value.items.length > 0) return value.items as LocatedScalar[];
  report.warn('value', value.at, `the list of '${entry.key}' is empty: read as null`);
  return [{ kind: 'scalar', value: null, source: '', at: value.at, textAt: value.at }];
}

function readItem(
  key: string,
  values: readonly LocatedScalar[],
  at: Position,
  context: DetectionContext,
): Node | undefined {
  const [field = '', ...names] = key.split('|');
  const mods = readModifiers(names, at, context.report);
  if (!mods) return undefined;
  const isKeyword = field === '';
  if (mods.all && values.length === 1) {
    context.report.warn('modifier', at, "'all' with one value has no effect");
  }
  if (isKeyword && (mods.part || (mods.type && mods.type !== 're'))) {
    return context.report.error('modifier', at, `'${mods.part ?? mods.type}' needs a field`);
  }
  const intern = (name: string) => context.fields.intern(name, context.vocabulary);
  const groups = values.map((value) => asksOf(value, mods, { report: context.report, intern, isKeyword }));
  if (groups.includes(undefined)) return undefined;
  const toNode = (ask: Ask): Node =>
    isKeyword
      ? { op: 'keyword', vocabulary: context.vocabulary, ask: keywordAsk(ask) }
      : { op: 'field', field: intern(field), ask };
  const node = itemNode(groups as Ask[][], mods, toNode);
  return mods.isNegated ? { op: 'not', child: node } : node;
}

function itemNode(groups: readonly Ask[][], mods: Modifiers, toNode: (ask: Ask) => Node): Node {
  if (mods.all) {
    return joined(
      'and',
      groups.map((asks) => joined('or', asks.map(toNode))),
    ) as Node;
  }
  return joined('or', mergeEquals(groups.flat()).map(toNode)) as Node;
}

/** A list of a hundred plain values becomes one look-up. */
function mergeEquals(asks: readonly Ask[]): Ask[] {
  const equals = asks.filter((a): a is Extract<Ask, { ask: 'equals' }> => a.ask === 'equals');
  if (equals.length < 2) return [...asks];
  const texts = new Set(equals.flatMap((a) => [...a.texts]));
  const isCased = equals[0]?.isCased ?? false;
  return [{ ask: 'equals', texts, isCased }, ...asks.filter((a) => a.ask !== 'equals')];
}

/** A keyword without wildcards left is `*` alone or empty: it holds for every event with any value. */
function keywordAsk(ask: Ask): KeywordAsk {
  if (ask.ask === 'pattern' || ask.ask === 'regex') return ask;
  const text = ask.ask === 'equals' ? ([...ask.texts][0] ?? '') : '';
  const pattern = withAny(textPattern(text), 'contains');
  return { ask: 'pattern', test: compilePattern(pattern, true), isCased: false, sure: text };
}
