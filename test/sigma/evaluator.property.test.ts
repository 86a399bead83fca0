import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reference } from './reference.ts';
import { loaded, ruleText } from './support.ts';

// Few letters and short values: what is generated meets what is asked for often enough to say something.
const letter = fc.constantFrom('a', 'B', 'b', 'K', 'K', 'ß', '😀', '-', '.');
const plain = fc.string({ unit: letter, maxLength: 4 });
const wild = fc
  .array(fc.oneof(letter, letter, fc.constantFrom('*', '?', '\\*', '\\?', '\\\\', '\\')), { maxLength: 5 })
  .map((parts) => parts.join(''))
  // A trailing backslash before an added wildcard would escape it; the specification gives it no meaning.
  .filter((text) => !text.endsWith('\\'));
const field = fc.constantFrom('x', 'y', 'x.y', 'x.y.z');
const scalar = fc.oneof(plain, plain, fc.integer({ min: -2, max: 12 }), fc.boolean(), fc.constant(null));
const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }));
const inner = fc.dictionary(fc.constantFrom('y', 'z', 'y.z'), value, { maxKeys: 2, noNullPrototype: true });
const event = fc.dictionary(
  fc.constantFrom('x', 'y', 'x.y', 'x.y.z'),
  fc.oneof(value, inner, fc.array(inner, { maxLength: 2 }), fc.record({ y: inner })),
  { maxKeys: 3, noNullPrototype: true },
);

const number = fc.integer({ min: -2, max: 12 });
const listOf = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 3 });
const itemOf = (mods: string, values: fc.Arbitrary<unknown>) =>
  fc.tuple(field, values).map(([name, v]) => [`${name}${mods}`, v] as const);
const item = fc.oneof(
  itemOf('', fc.oneof(wild, listOf(fc.oneof(wild, number, fc.constant(null), fc.boolean())))),
  itemOf('|contains', fc.oneof(wild, listOf(wild))),
  itemOf('|startswith', fc.oneof(wild, listOf(wild))),
  itemOf('|endswith', fc.oneof(wild, listOf(wild))),
  itemOf('|contains|all', listOf(wild)),
  itemOf('|cased', fc.oneof(wild, listOf(wild))),
  itemOf('|endswith|cased', wild),
  itemOf('|neq', fc.oneof(wild, number)),
  itemOf('|exists', fc.boolean()),
  itemOf('|gt', number),
  itemOf('|lte', number),
);
const map = fc.array(item, { minLength: 1, maxLength: 2 }).map((items) => Object.fromEntries(items));
const keyword = wild.filter((text) => text !== '');
const selection = fc.oneof(
  { weight: 4, arbitrary: map },
  { weight: 1, arbitrary: listOf(fc.oneof(map, keyword)) },
);
const condition = fc.constantFrom(
  'sel_a',
  'sel_a and sel_b',
  'sel_a or sel_b',
  'sel_a and not sel_b',
  'not sel_a',
  '1 of sel_*',
  'all of them',
  'sel_a and not 1 of fil_*',
  '(sel_a or sel_b) and not fil_c',
  'sel_a or sel_b and fil_c',
);
const detection = fc.record({ sel_a: selection, sel_b: selection, fil_c: selection, condition });

describe('the engine, index and memo included', () => {
  it('says of every rule and event what the specification says', () => {
    let verdicts = 0;
    let hits = 0;
    const sets = fc.tuple(
      fc.array(detection, { minLength: 10, maxLength: 20 }),
      fc.array(event, { minLength: 12, maxLength: 20 }),
    );
    fc.assert(
      fc.property(sets, ([detections, events]) => {
        const set = loaded(...detections.map((d, i) => ruleText(d, { title: `rule ${i}` })));
        for (const native of events) {
          const got = set.match({ logsource: { product: 'p' }, native }).map((r) => r.title);
          const want = detections.flatMap((d, i) => (reference(d, native) ? [`rule ${i}`] : []));
          verdicts += detections.length;
          hits += want.length;
          expect(got).toEqual(want);
        }
      }),
      { numRuns: 450 },
    );
    // A generator that never hits, or always, would prove nothing.
    expect(verdicts).toBeGreaterThan(100_000);
    expect(hits / verdicts).toBeGreaterThan(0.1);
    expect(hits / verdicts).toBeLessThan(0.9);
  }, 120_000);
});
