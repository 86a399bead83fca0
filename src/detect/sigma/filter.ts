import { readDetection } from './detection.ts';
import type { Position, Report } from './diagnostic.ts';
import type { Entry, LocatedMap } from './document.ts';
import { readLogsource } from './logsource.ts';
import { createReader, readHead } from './metadata.ts';
import type { Node } from './node.ts';
import type { Logsource, Rule } from './rule.ts';
import type { Fields, Vocabulary } from './view.ts';

/** A Sigma filter: what it says is added to the rules it names. */
export interface Filter extends Position {
  readonly logsource: Logsource;
  /** undefined = any rule of the log source. */
  readonly rules: readonly string[] | undefined;
  /** What is added to a rule, read with that rule's own vocabulary. */
  readonly node: (vocabulary: Vocabulary) => Node | undefined;
}

export function readFilter(map: LocatedMap, report: Report, fields: Fields): Filter | undefined {
  readHead(map, report);
  const logsource = readLogsource(map, report);
  const entry = map.entries.get('filter') as Entry;
  if (entry.value.kind !== 'map') return report.error('filter', entry.at, "'filter' is a map");
  const body = entry.value;
  const rules = createReader(body, report).list('rules');
  if (rules.length === 0) return report.error('filter', body.at, "'rules' names no rule: ids, names, or any");
  const excludes = !isNegated(body);
  if (!excludes) {
    report.info(
      'filter',
      body.entries.get('condition')?.at ?? body.at,
      "read as pySigma does: 'not' keeps the rest",
    );
  }
  // Complaints once, whatever number of rules it is added to.
  if (!readDetection(body, { report, fields, vocabulary: 'native' }, ['rules']) || !logsource)
    return undefined;
  const quiet: Report = { file: report.file, error: silence, warn: silence, info: silence };
  return {
    ...(body.entries.get('rules') as Entry).at,
    logsource,
    rules: rules.some((r) => r.toLowerCase() === 'any') ? undefined : rules,
    node(vocabulary) {
      const tree = readDetection(body, { report: quiet, fields, vocabulary }, ['rules']);
      return tree && excludes ? { op: 'not', child: tree } : tree;
    },
  };
}

function silence(): undefined {}

/**
 * The specification's example selects what to suppress (`condition: selection`), pySigma joins the condition to the
 * rule with AND (`condition: not selection`). Both mean the same: a condition that begins with `not` is pySigma's.
 */
function isNegated(body: LocatedMap): boolean {
  const value = body.entries.get('condition')?.value;
  return value?.kind === 'scalar' && /^\s*not\b/i.test(String(value.value));
}

export function appliesTo(filter: Filter, rule: Rule): boolean {
  if (
    filter.rules &&
    !filter.rules.includes(rule.id) &&
    !(rule.name !== '' && filter.rules.includes(rule.name))
  ) {
    return false;
  }
  const parts = ['product', 'service', 'category'] as const;
  return parts.every((p) => filter.logsource[p] === undefined || filter.logsource[p] === rule.logsource[p]);
}
