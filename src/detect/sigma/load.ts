import { levelRank } from '../../core/signal.ts';
import { readCorrelation, type UnlinkedCorrelation } from './correlation.ts';
import { readDetection } from './detection.ts';
import { createReport, type Diagnostic, type Report } from './diagnostic.ts';
import { type LocatedMap, readDocuments } from './document.ts';
import { appliesTo, type Filter, readFilter } from './filter.ts';
import { readLogsource } from './logsource.ts';
import { readHead } from './metadata.ts';
import type { Node } from './node.ts';
import type { Correlation, LoadedRule, Rule, RuleHead } from './rule.ts';
import { type Fields, ownCategory } from './view.ts';

export interface RuleFile {
  readonly path: string;
  readonly text: string;
}

/** Everything of the files that load, references resolved. */
export interface Loaded {
  readonly rules: readonly LoadedRule[];
  readonly correlations: readonly Correlation[];
  readonly files: readonly RuleFile[];
}

interface ParsedFile {
  readonly file: RuleFile;
  readonly report: Report;
  readonly diagnostics: Diagnostic[];
  readonly rules: LoadedRule[];
  readonly correlations: UnlinkedCorrelation[];
  readonly filters: Filter[];
  /** Documents with an id or a name of their own, for duplicates. */
  readonly heads: RuleHead[];
}

/** Reads all files. One with an error is left out whole, and so is one whose correlation refers to it. */
export function loadFiles(files: readonly RuleFile[], fields: Fields, diagnostics: Diagnostic[]): Loaded {
  const titles = new Map<string, number>();
  const parsed = files.map((file) => parseFile(file, fields, titles));
  sayDuplicates(parsed);
  let good = parsed.filter(isGood);
  for (;;) {
    linkAll(good);
    const next = good.filter(isGood);
    if (next.length === good.length) break;
    good = next;
  }
  sayIdleFilters(good);
  for (const file of parsed) {
    file.diagnostics.sort((a, b) => a.line - b.line || a.column - b.column);
    diagnostics.push(...file.diagnostics);
  }
  return assemble(good);
}

function isGood(file: ParsedFile): boolean {
  return !file.diagnostics.some((d) => d.severity === 'error');
}

function parseFile(file: RuleFile, fields: Fields, titles: Map<string, number>): ParsedFile {
  const diagnostics: Diagnostic[] = [];
  const report = createReport(file.path, diagnostics);
  const out: ParsedFile = { file, report, diagnostics, rules: [], correlations: [], filters: [], heads: [] };
  for (const map of readDocuments(file.text, report)) {
    if (isBaseline(map)) continue;
    if (map.entries.has('correlation')) {
      const correlation = readCorrelation(map, report);
      if (!correlation) continue;
      const head = distinct(correlation.head, titles, report);
      out.correlations.push({ ...correlation, head });
      out.heads.push(head);
    } else if (map.entries.has('filter')) {
      const filter = readFilter(map, report, fields);
      if (filter) out.filters.push(filter);
    } else {
      const loaded = readRule(map, report, fields);
      if (!loaded) continue;
      const rule = distinct(loaded.rule, titles, report);
      out.rules.push({ ...loaded, rule });
      out.heads.push(rule);
    }
  }
  return out;
}

/** Titles need not be unique: rules that have nothing else to be told apart by are numbered. */
function distinct<T extends RuleHead>(head: T, titles: Map<string, number>, report: Report): T {
  if (head.id !== head.title || head.title === '') return head;
  const count = (titles.get(head.title) ?? 0) + 1;
  titles.set(head.title, count);
  if (count === 1) return head;
  report.warn('id', head, `other rules have the title '${head.title}', too, and this one has no id`);
  return { ...head, id: `${head.title} #${count}` };
}

/** Baselines lie in the same folder and have a reader of their own (detect/baseline). */
function isBaseline(map: LocatedMap): boolean {
  return map.entries.has('kind') && map.entries.has('parameters') && !map.entries.has('detection');
}

function readRule(map: LocatedMap, report: Report, fields: Fields): LoadedRule | undefined {
  const head = readHead(map, report);
  const logsource = readLogsource(map, report);
  const vocabulary = logsource?.category === ownCategory ? 'event' : 'native';
  const entry = map.entries.get('detection');
  let node: Node | undefined;
  if (!entry) report.error('detection', map.at, "'detection' is missing");
  else if (entry.value.kind !== 'map') report.error('detection', entry.value.at, "'detection' is a map");
  else node = readDetection(entry.value, { report, fields, vocabulary });
  if (!logsource || !node) return undefined;
  return { rule: { ...head, kind: 'rule', logsource }, node, vocabulary };
}

function sayDuplicates(files: readonly ParsedFile[]): void {
  const ids = new Map<string, RuleHead>();
  const names = new Map<string, RuleHead>();
  for (const file of files) {
    for (const head of file.heads) {
      const first = ids.get(head.id);
      if (first)
        file.report.error('duplicate-id', head, `'${head.id}' is also in ${first.file}:${first.line}`);
      else ids.set(head.id, head);
      const named = head.name === '' ? undefined : names.get(head.name);
      if (named) {
        file.report.error('duplicate-name', head, `'${head.name}' is also in ${named.file}:${named.line}`);
      } else names.set(head.name, head);
    }
  }
}

function sayIdleFilters(files: readonly ParsedFile[]): void {
  const rules = files.flatMap((f) => f.rules.map((r) => r.rule));
  for (const file of files) {
    for (const filter of file.filters) {
      if (!rules.some((rule) => appliesTo(filter, rule))) {
        file.report.warn('filter', filter, 'no rule that loads is meant by its rules and its log source');
      }
    }
  }
}

function headsOf(files: readonly ParsedFile[]): Map<string, RuleHead> {
  const out = new Map<string, RuleHead>();
  for (const file of files) {
    for (const head of file.heads) {
      if (head.name !== '') out.set(head.name, head);
      out.set(head.id, head);
    }
  }
  return out;
}

function linkAll(files: readonly ParsedFile[]): void {
  const heads = headsOf(files);
  const below = new Map<string, string[]>();
  for (const { head, references } of files.flatMap((f) => f.correlations)) {
    below.set(
      head.id,
      references.flatMap((r) => heads.get(r.text)?.id ?? []),
    );
  }
  for (const file of files) {
    for (const { references, head } of file.correlations) {
      for (const reference of references) {
        if (!heads.has(reference.text)) {
          file.report.error(
            'reference',
            reference,
            `no rule that loads has the id or name '${reference.text}'`,
          );
        }
      }
      if (reaches(head.id, head.id, below, new Set())) {
        file.report.error('reference', head, 'the correlation refers to itself');
      }
    }
  }
}

function reaches(from: string, to: string, below: ReadonlyMap<string, string[]>, seen: Set<string>): boolean {
  return (below.get(from) ?? []).some((next) => {
    if (seen.has(next)) return false;
    seen.add(next);
    return next === to || reaches(next, to, below, seen);
  });
}

function assemble(files: readonly ParsedFile[]): Loaded {
  const heads = headsOf(files);
  const idOf = (text: string) => heads.get(text)?.id ?? text;
  const silent = new Set<string>();
  const correlations = files.flatMap((file) =>
    file.correlations.map(({ head, references, hasLevel }): Correlation => {
      const rules = [...new Set(references.map((r) => idOf(r.text)))];
      if (!head.generate) for (const rule of rules) silent.add(rule);
      const aliases = new Map(
        [...head.aliases].map(([alias, of]) => [alias, new Map([...of].map(([rule, f]) => [idOf(rule), f]))]),
      );
      return { ...head, rules, aliases, level: hasLevel ? head.level : highest(rules, heads) };
    }),
  );
  const filters = files.flatMap((f) => f.filters);
  const rules = files.flatMap((file) =>
    file.rules.map((loaded): LoadedRule => {
      const rule: Rule = { ...loaded.rule, alerts: !silent.has(loaded.rule.id) };
      const extra = filters.filter((f) => appliesTo(f, rule)).map((f) => f.node(loaded.vocabulary) as Node);
      if (extra.length === 0) return { ...loaded, rule };
      return { ...loaded, rule, node: { op: 'and', children: [loaded.node, ...extra] } };
    }),
  );
  return {
    rules,
    correlations: correlations.map((c) => ({ ...c, alerts: !silent.has(c.id) })),
    files: files.map((f) => f.file),
  };
}

/** "Defines a severity level adjustment": without one it speaks as loud as the loudest it joins. */
function highest(rules: readonly string[], heads: ReadonlyMap<string, RuleHead>): RuleHead['level'] {
  const found = rules.map((id) => heads.get(id)?.level ?? 'informational');
  return found.reduce((a, b) => (levelRank(b) > levelRank(a) ? b : a), 'informational');
}
