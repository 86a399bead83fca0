import { type Level, levels } from '../../core/signal.ts';
import type { Position, Report } from './diagnostic.ts';
import type { Entry, Located, LocatedMap } from './document.ts';
import { type RuleHead, type Status, statuses } from './rule.ts';
import { readTests } from './ruleTest.ts';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const titleCharsMax = 256;
const descriptionCharsMax = 65_535;
const relations = ['derived', 'obsolete', 'merged', 'renamed', 'similar'];

/** A rule without a level is of the middle: it was written to be seen, and says no more. */
const defaultLevel: Level = 'medium';

/** Reads what rules, correlations and filters have in common and says all that is wrong with it. */
export function readHead(map: LocatedMap, report: Report): RuleHead {
  const reader = createReader(map, report);
  const title = reader.text('title', titleCharsMax);
  if (!map.entries.has('title')) report.error('title', map.at, "'title' is missing");
  else if (title === '') report.error('title', reader.at('title'), 'the title is empty');
  const id = reader.text('id');
  if (id !== '' && !uuid.test(id)) report.error('id', reader.at('id'), `'${id}' is no UUID`);
  checkDates(reader, report);
  for (const key of ['author', 'license', 'taxonomy']) reader.text(key);
  for (const key of ['fields', 'scope']) strictList(map, key, report);
  const taxonomy = reader.text('taxonomy') || 'sigma';
  if (taxonomy !== 'sigma') {
    report.warn(
      'taxonomy',
      reader.at('taxonomy'),
      `the taxonomy '${taxonomy}' is not known: read as 'sigma'`,
    );
  }
  const tags = strictList(map, 'tags', report);
  checkTags(map, report);
  checkRelated(map, report);
  const ours = map.entries.get('keywitness');
  const own = createReader(ours?.value.kind === 'map' ? ours.value : emptyMap(map.at), report);
  if (ours && ours.value.kind !== 'map') report.error('keywitness', ours.at, "'keywitness' is a map");
  return {
    id: id || reader.text('name') || title,
    name: reader.text('name', titleCharsMax),
    title,
    description: reader.text('description', descriptionCharsMax),
    status: reader.choice<Status>('status', statuses) ?? '',
    level: reader.choice<Level>('level', levels) ?? defaultLevel,
    tags,
    falsepositives: reader.list('falsepositives'),
    references: strictList(map, 'references', report),
    advice: own.text('advice'),
    group: own.list('group'),
    tests: readTests(map.entries.get('tests'), report),
    file: report.file,
    line: map.at.line,
    column: map.at.column,
    alerts: true,
  };
}

interface Reader {
  text(key: string, charsMax?: number): string;
  list(key: string): string[];
  choice<T extends string>(key: string, allowed: readonly T[]): T | undefined;
  at(key: string): Position;
}

/** Reads each key once, however often it is asked for: a complaint must not stand twice. */
export function createReader(map: LocatedMap, report: Report): Reader {
  const seen = new Map<string, string>();
  const at = (key: string): Position => map.entries.get(key)?.value.at ?? map.at;
  const text = (key: string, charsMax = descriptionCharsMax): string => {
    const known = seen.get(key);
    if (known !== undefined) return known;
    const value = map.entries.get(key)?.value;
    let out = '';
    if (value?.kind === 'scalar' && typeof value.value === 'string') out = value.value.trim();
    else if (value && !(value.kind === 'scalar' && value.value === null)) {
      report.error(key, value.at, `'${key}' is a text`);
    }
    if (out.length > charsMax) report.error(key, at(key), `'${key}' has more than ${charsMax} characters`);
    seen.set(key, out);
    return out;
  };
  return {
    text,
    at,
    list(key) {
      const entry = map.entries.get(key);
      return entry ? textList(entry, report) : [];
    },
    choice(key, allowed) {
      const value = text(key);
      if (!map.entries.has(key)) return undefined;
      const found = allowed.find((a) => a === value);
      if (!found) report.error(key, at(key), `'${value}' is no ${key}: one of ${allowed.join(', ')}`);
      return found;
    },
  };
}

/** One text stands for a list of one (the JSON schema allows it for falsepositives). */
function textList(entry: Entry, report: Report): string[] {
  const value = entry.value;
  if (value.kind === 'scalar' && value.value === null) return [];
  const items: readonly Located[] = value.kind === 'seq' ? value.items : [value];
  const out: string[] = [];
  for (const item of items) {
    if (item.kind === 'scalar' && item.value !== null) out.push(String(item.value));
    else report.error(entry.key, item.at, `'${entry.key}' is a list of texts`);
  }
  return out;
}

function checkDates(reader: Reader, report: Report): void {
  for (const key of ['date', 'modified']) {
    const text = reader.text(key);
    if (text === '') continue;
    const slashes = /^\d{4}\/\d{1,2}\/\d{1,2}$/.test(text);
    const [year = 0, month = 0, day = 0] = text.split(/[-/]/).map(Number);
    const date = new Date(Date.UTC(year, month - 1, day));
    const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
    if (!exists || !(slashes || /^\d{4}-\d{2}-\d{2}$/.test(text))) {
      report.error(key, reader.at(key), `'${text}' is no date: write YYYY-MM-DD`);
    } else if (slashes) report.warn(key, reader.at(key), 'dates are written YYYY-MM-DD since Sigma v2');
  }
  const [date, modified] = [reader.text('date'), reader.text('modified')];
  if (date !== '' && modified !== '' && modified.replaceAll('/', '-') < date.replaceAll('/', '-')) {
    report.warn('modified', reader.at('modified'), "'modified' lies before 'date'");
  }
}

/** A list and nothing else: `"type": "array", "uniqueItems": true` in the JSON schema of rules. */
function strictList(map: LocatedMap, key: string, report: Report): string[] {
  const value = map.entries.get(key)?.value;
  if (!value || (value.kind === 'scalar' && value.value === null)) return [];
  if (value.kind !== 'seq') {
    report.error(key, value.at, `'${key}' is a list of texts`);
    return [];
  }
  const out = new Set<string>();
  for (const item of value.items) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') {
      report.error(key, item.at, `'${key}' is a list of texts`);
    } else if (out.has(item.value)) report.warn(key, item.at, `'${item.value}' stands twice`);
    else out.add(item.value);
  }
  return [...out];
}

function checkTags(map: LocatedMap, report: Report): void {
  const value = map.entries.get('tags')?.value;
  if (value?.kind !== 'seq') return;
  for (const item of value.items) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') continue;
    const tag = item.value;
    if (!tag.includes('.')) report.error('tags', item.at, `the tag '${tag}' has no namespace`);
    else if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/.test(tag)) {
      report.warn('tags', item.at, `'${tag}': a tag has lower-case letters, digits, '-', '_' and dots`);
    }
  }
}

function checkRelated(map: LocatedMap, report: Report): void {
  const entry = map.entries.get('related');
  if (!entry) return;
  if (entry.value.kind !== 'seq') {
    report.error('related', entry.at, "'related' is a list of {id, type}");
    return;
  }
  for (const item of entry.value.items) {
    const id = item.kind === 'map' ? item.entries.get('id')?.value : undefined;
    const type = item.kind === 'map' ? item.entries.get('type')?.value : undefined;
    if (id?.kind !== 'scalar' || !uuid.test(String(id.value))) {
      report.error('related', id?.at ?? item.at, "'id' of a related rule is a UUID");
    }
    if (type?.kind !== 'scalar' || !relations.includes(String(type.value))) {
      report.error('related', type?.at ?? item.at, `'type' is one of ${relations.join(', ')}`);
    }
  }
}

function emptyMap(at: Position): LocatedMap {
  return { kind: 'map', entries: new Map(), at };
}
