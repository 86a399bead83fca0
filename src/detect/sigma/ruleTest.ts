import type { Report } from './diagnostic.ts';
import type { Entry, Located, LocatedMap } from './document.ts';
import type { RuleTest, TestEvent } from './rule.ts';
import { timespanMs } from './timespan.ts';

/** More copies than any threshold in a rule needs. */
const repeatMax = 1_000;

/**
 * Reads `tests:`, our addition beside a rule: `{name, match, event}` or, for correlations, `events: [{event, kw,
 * repeat, every}, …]`. An event is a raw record, as a map or as JSON text.
 */
export function readTests(entry: Entry | undefined, report: Report): RuleTest[] {
  if (!entry) return [];
  if (entry.value.kind !== 'seq') {
    report.error('tests', entry.at, "'tests' is a list");
    return [];
  }
  const tests: RuleTest[] = [];
  for (const item of entry.value.items) {
    const test = item.kind === 'map' ? readTest(item, report) : undefined;
    if (test) tests.push(test);
    else if (item.kind !== 'map') report.error('tests', item.at, 'a test is a map with match and event');
  }
  return tests;
}

function readTest(map: LocatedMap, report: Report): RuleTest | undefined {
  const match = map.entries.get('match')?.value;
  if (match?.kind !== 'scalar' || typeof match.value !== 'boolean') {
    return report.error('tests', match?.at ?? map.at, "'match' is true or false");
  }
  const list = map.entries.get('events')?.value;
  const parts = list === undefined ? [map] : list.kind === 'seq' ? list.items : [];
  const events = parts.map((part) => readEvent(part, report));
  if (events.length === 0) return report.error('tests', map.at, "'event' or 'events' is missing");
  if (events.includes(undefined)) return undefined;
  const name = map.entries.get('name')?.value;
  return {
    name: name?.kind === 'scalar' ? String(name.value ?? '') : '',
    match: match.value,
    events: events as TestEvent[],
    line: map.at.line,
    column: map.at.column,
  };
}

function readEvent(part: Located, report: Report): TestEvent | undefined {
  const entries = part.kind === 'map' ? part.entries : undefined;
  const given = entries?.get('event')?.value;
  if (!entries || !given) return report.error('tests', part.at, "'event' is missing");
  let event: unknown = plain(given);
  if (typeof event === 'string') {
    try {
      event = JSON.parse(event);
    } catch {
      return report.error('tests', given.at, 'the event is no JSON');
    }
  }
  const kw = entries.get('kw')?.value;
  if (kw && kw.kind !== 'map') return report.error('tests', kw.at, "'kw' is a map of fields");
  const repeat = entries.get('repeat')?.value;
  const every = entries.get('every')?.value;
  const count = repeat?.kind === 'scalar' ? Number(repeat.value) : 1;
  const everyMs = every?.kind === 'scalar' ? timespanMs(String(every.value)) : 0;
  if (!Number.isInteger(count) || count < 1 || count > repeatMax) {
    return report.error('tests', repeat?.at ?? part.at, `'repeat' is 1 to ${repeatMax}`);
  }
  if (everyMs === undefined)
    return report.error('tests', every?.at ?? part.at, "'every' is a timespan such as 30s");
  return { event, kw: kw ? (plain(kw) as Record<string, unknown>) : {}, repeat: count, everyMs };
}

/** The value without its positions. No prototype is reachable from a key. */
function plain(value: Located): unknown {
  if (value.kind === 'scalar') return value.value;
  if (value.kind === 'seq') return value.items.map(plain);
  const out: Record<string, unknown> = {};
  for (const [key, entry] of value.entries) {
    Object.defineProperty(out, key, {
      value: plain(entry.value),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return out;
}
