import { type Comparison, comparisons } from './compare.ts';
import type { Report } from './diagnostic.ts';
import type { Entry, Located, LocatedMap } from './document.ts';
import { createReader, readHead } from './metadata.ts';
import { type Correlation, type CorrelationType, type Criterion, correlationTypes } from './rule.ts';
import { timespanMs } from './timespan.ts';

/** A correlation as it stands in its file: it names other rules by id or name, found when all files are read. */
export interface UnlinkedCorrelation {
  readonly head: Correlation;
  readonly references: readonly Reference[];
  readonly hasLevel: boolean;
}

interface Reference {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** Kinds the specification names that are not evaluated here. */
const unsupported = ['value_sum', 'value_min', 'value_max', 'value_avg', 'value_percentile', 'value_median'];

export function readCorrelation(map: LocatedMap, report: Report): UnlinkedCorrelation | undefined {
  const head = readHead(map, report);
  const entry = map.entries.get('correlation') as Entry;
  if (map.entries.has('detection')) {
    report.error('correlation', entry.at, 'a document is a rule or a correlation, not both');
  }
  if (entry.value.kind !== 'map') return report.error('correlation', entry.at, "'correlation' is a map");
  const body = entry.value;
  const reader = createReader(body, report);
  const type = readType(body, report);
  const references = readReferences(body, report);
  const timespan = readTimespan(body, report);
  const aliases = readAliases(body, references, report);
  const condition = type && readCriteria(body, type, references.length, report);
  const groupBy = reader.list('group-by');
  if (!type || !timespan || !aliases || !condition || references.length === 0) return undefined;
  return {
    head: {
      ...head,
      kind: 'correlation',
      type,
      rules: [],
      groupBy,
      timespanMs: timespan,
      criteria: condition.criteria,
      fields: condition.fields,
      aliases,
      generate: isTrue(body.entries.get('generate'), report) || isTrue(map.entries.get('generate'), report),
    },
    references,
    hasLevel: map.entries.has('level'),
  };
}

function isTrue(entry: Entry | undefined, report: Report): boolean {
  if (!entry) return false;
  const value = entry.value.kind === 'scalar' ? entry.value.value : undefined;
  if (typeof value !== 'boolean') report.error('correlation', entry.value.at, "'generate' is true or false");
  return value === true;
}

function readType(body: LocatedMap, report: Report): CorrelationType | undefined {
  const value = body.entries.get('type')?.value;
  if (!value) return report.error('correlation', body.at, "'type' is missing");
  const text = value.kind === 'scalar' ? String(value.value) : '';
  const type = correlationTypes.find((t) => t === text);
  if (type) return type;
  const known = unsupported.includes(text) ? 'is not evaluated here yet' : 'is no type of correlation';
  return report.error('correlation', value.at, `'${text}' ${known}: one of ${correlationTypes.join(', ')}`);
}

function readReferences(body: LocatedMap, report: Report): Reference[] {
  const value = body.entries.get('rules')?.value;
  const items: readonly Located[] = value?.kind === 'seq' ? value.items : value ? [value] : [];
  const out: Reference[] = [];
  for (const item of items) {
    if (item.kind === 'scalar' && item.value !== null) out.push({ text: String(item.value), ...item.at });
    else report.error('correlation', item.at, "'rules' is a list of ids or names");
  }
  if (items.length === 0) report.error('correlation', value?.at ?? body.at, "'rules' names no rule");
  return out;
}

function readTimespan(body: LocatedMap, report: Report): number | undefined {
  const value = body.entries.get('timespan')?.value;
  if (!value) return report.error('timespan', body.at, "'timespan' is missing");
  const text = value.kind === 'scalar' ? String(value.value) : '';
  const ms = timespanMs(text);
  return (
    ms ??
    report.error('timespan', value.at, `'${text}' is no timespan: a number above 0 and s, m, h, d, w, M or y`)
  );
}

function readAliases(
  body: LocatedMap,
  references: readonly Reference[],
  report: Report,
): Map<string, Map<string, string>> | undefined {
  const out = new Map<string, Map<string, string>>();
  const entry = body.entries.get('aliases');
  if (!entry) return out;
  if (entry.value.kind !== 'map') return report.error('aliases', entry.at, "'aliases' is a map");
  for (const alias of entry.value.entries.values()) {
    if (alias.value.kind !== 'map')
      return report.error('aliases', alias.at, 'an alias is a map of rule: field');
    const fields = new Map<string, string>();
    for (const [rule, field] of alias.value.entries) {
      if (field.value.kind !== 'scalar') return report.error('aliases', field.at, 'an alias names one field');
      if (!references.some((r) => r.text === rule)) {
        report.warn('aliases', field.at, `the correlation does not name '${rule}' among its rules`);
      }
      fields.set(rule, String(field.value.value));
    }
    out.set(alias.key, fields);
  }
  return out;
}

interface Criteria {
  readonly criteria: readonly Criterion[];
  readonly fields: readonly string[];
}

/** Several criteria together are a range ("conjunction AND in the mapping"), although the text says "exactly one". */
function readCriteria(
  body: LocatedMap,
  type: CorrelationType,
  ruleCount: number,
  report: Report,
): Criteria | undefined {
  const entry = body.entries.get('condition');
  const isTemporal = type === 'temporal' || type === 'temporal_ordered';
  if (!entry) {
    // "All events defined by the rules referred by the rule field must occur."
    if (isTemporal) return { criteria: [{ op: 'gte', value: ruleCount }], fields: [] };
    return report.error('correlation', body.at, "'condition' is missing");
  }
  if (entry.value.kind !== 'map') {
    return report.error('correlation', entry.value.at, "'condition' is a map such as {gte: 10}");
  }
  const criteria: Criterion[] = [];
  let isRight = true;
  for (const [key, item] of entry.value.entries) {
    if (key === 'field') continue;
    const op = comparisons.find((c) => c === key) as Comparison | undefined;
    const value = item.value.kind === 'scalar' ? item.value.value : undefined;
    if (!op)
      report.error('correlation', item.at, `'${key}' is no criterion: ${comparisons.join(', ')} or field`);
    else if (typeof value !== 'number') report.error('correlation', item.value.at, `'${key}' takes a number`);
    else criteria.push({ op, value });
    isRight &&= op !== undefined && typeof value === 'number';
  }
  if (!isRight) return undefined;
  if (criteria.length === 0) return report.error('correlation', entry.at, 'the condition has no criterion');
  const fields = readFields(entry.value, body, type, report);
  return fields && { criteria, fields };
}

/** `field` belongs into the condition; the JSON schema also knows it beside it. */
function readFields(
  condition: LocatedMap,
  body: LocatedMap,
  type: CorrelationType,
  report: Report,
): string[] | undefined {
  const source = condition.entries.has('field') ? condition : body;
  const fields = createReader(source, report).list('field');
  if (type === 'value_count' && fields.length === 0) {
    return report.error('correlation', condition.at, "value_count needs 'field' in its condition");
  }
  if (type !== 'value_count' && fields.length > 0) {
    report.warn('correlation', condition.at, `'field' has no effect in ${type}`);
  }
  return fields;
}
