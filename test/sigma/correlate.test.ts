import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCorrelator } from '../../src/detect/sigma/sigma.ts';
import { load, loaded } from './support.ts';

const base = (name: string, value = name) => `
title: ${name}
name: ${name}
logsource: {product: p}
detection: {s: {kind: ${value}}, condition: s}
`;
const correlation = (body: string, extra = '') => `
title: C
id: 0e95725d-7320-415d-80f7-004da920fc12
${extra}
correlation:
${body.replace(/^/gm, '  ')}
`;
const count = (condition: string, extra = '') =>
  correlation(
    `type: event_count\nrules: [fail]\ngroup-by: [user]\ntimespan: 10s\ncondition: ${condition}\n${extra}`,
  );

type Event = readonly [seconds: number, fields: Record<string, unknown>];
const fail = (seconds: number, user = 'ana', more: object = {}): Event => [
  seconds,
  { kind: 'fail', user, ...more },
];

/** Firings as [correlation title, group, refs, count]; a ref is the event's place in the list. */
function run(texts: string[], events: readonly Event[], limits?: Parameters<typeof createCorrelator>[1]) {
  const set = loaded(texts.join('---'));
  const correlator = createCorrelator<number>(set, limits);
  const firings = events.flatMap(([seconds, native], ref) =>
    set
      .match({ logsource: { product: 'p' }, native })
      .flatMap((rule) => correlator.push({ rule, timeMs: seconds * 1000, event: { native }, ref })),
  );
  firings.push(...correlator.finish());
  return {
    stats: correlator.stats,
    firings: firings.map((f) => [f.correlation.title, f.groupKey.join('/'), f.refs, f.count]),
  };
}

describe('event_count', () => {
  it('fires with the event that completes the count, within a window of event time', () => {
    const { firings } = run([base('fail'), count('{gte: 3}')], [fail(0), fail(5), fail(10)]);
    expect(firings).toEqual([['C', 'ana', [0, 1, 2], 3]]);
  });

  it('slides: no boundary cuts a window, and what is older than the timespan does not count', () => {
    const events = [fail(8), fail(11), fail(12)];
    expect(run([base('fail'), count('{gte: 3}')], events).firings).toHaveLength(1);
    expect(run([base('fail'), count('{gte: 3}')], [fail(0), fail(5), fail(10.001)]).firings).toEqual([]);
  });

  it('fires once for each group and window, and again for an event more than a timespan later', () => {
    // Two a second: fires at 1 s, is silent up to 11 s, and the next event has the count again.
    const events = Array.from({ length: 26 }, (_, i) => fail(i / 2));
    const { firings } = run([base('fail'), count('{gte: 3}')], events);
    expect(firings.map((f) => (f[2] as number[]).at(-1))).toEqual([2, 23]);
  });

  it('keeps groups apart, and leaves out events without a group', () => {
    const events = [
      fail(0, 'ana'),
      fail(1, 'ben'),
      fail(2, 'ana'),
      [3, { kind: 'fail' }] as Event,
      [4, { kind: 'fail' }] as Event,
    ];
    expect(run([base('fail'), count('{gte: 2}')], events).firings).toEqual([['C', 'ana', [0, 2], 2]]);
  });

  it('is one group when nothing groups', () => {
    const text = correlation('type: event_count\nrules: [fail]\ntimespan: 10s\ncondition: {gt: 1}');
    expect(run([base('fail'), text], [fail(0, 'ana'), fail(1, 'ben')]).firings).toEqual([
      ['C', '', [0, 1], 2],
    ]);
  });

  it.each([
    ['{gt: 2}', 2, false],
    ['{gt: 2}', 3, true],
    ['{gte: 2}', 2, true],
    ['{lt: 3}', 2, true],
    ['{lt: 3}', 3, false],
    ['{lte: 3}', 3, true],
    ['{eq: 3}', 3, true],
    ['{eq: 3}', 4, false],
    ['{gte: 2, lt: 4}', 3, true],
    ['{gte: 2, lt: 4}', 4, false],
  ])('%s with %i events in a window: %s', (condition, n, verdict) => {
    const events = Array.from({ length: n }, (_, i) => fail(i));
    expect(run([base('fail'), count(condition)], events).firings.length > 0).toBe(verdict);
  });

  it('decides a condition that more events can undo when its window closes, with all its events', () => {
    const { firings } = run([base('fail'), count('{lte: 2}')], [fail(0), fail(4), fail(20)]);
    expect(firings).toEqual([
      ['C', 'ana', [0, 1], 2],
      ['C', 'ana', [2], 1],
    ]);
  });

  it('fires the same whatever else is pushed between', () => {
    const events = fc.array(fc.record({ gap: fc.nat({ max: 6 }), user: fc.constantFrom('ana', 'ben') }));
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 4 }), (steps, n) => {
        let seconds = 0;
        const list = steps.map(({ gap, user }) => {
          seconds += gap;
          return fail(seconds, user);
        });
        const got = run([base('fail'), count(`{gte: ${n}}`)], list).firings;
        expect(got.map((f) => [f[1], (f[2] as number[]).at(-1)])).toEqual(byDefinition(list, n, 10));
      }),
      { numRuns: 500 },
    );
  });
});

/** The statement itself: completing events with n in [t − span, t], silent within span of the last that fired. */
function byDefinition(events: readonly Event[], n: number, span: number): [string, number][] {
  const firedAt = new Map<string, number>();
  const out: [string, number][] = [];
  events.forEach(([t, { user }], i) => {
    const inWindow = events.slice(0, i + 1).filter(([s, e]) => e.user === user && s >= t - span);
    const last = firedAt.get(user as string);
    if (inWindow.length < n || (last !== undefined && t <= last + span)) return;
    firedAt.set(user as string, t);
    out.push([user as string, i]);
  });
  return out;
}

describe('value_count', () => {
  const distinct = (field: string) =>
    correlation(
      `type: value_count\nrules: [fail]\ngroup-by: [user]\ntimespan: 10s\ncondition: {field: ${field}, gte: 3}`,
    );

  it('counts distinct values, not events', () => {
    const same = Array.from({ length: 9 }, (_, i) => fail(i, 'ana', { path: `/${i % 2}` }));
    expect(run([base('fail'), distinct('path')], same).firings).toEqual([]);
    const { firings } = run([base('fail'), distinct('path')], [...same, fail(9, 'ana', { path: '/2' })]);
    expect(firings).toEqual([['C', 'ana', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 3]]);
  });

  it('forgets values that left the window', () => {
    const events = [0, 6, 12].map((s) => fail(s, 'ana', { path: `/${s}` }));
    expect(run([base('fail'), distinct('path')], events).firings).toEqual([]);
  });

  it('counts combinations of several fields, and each element of an array', () => {
    const two = [0, 1, 2].map((s) => fail(s, 'ana', { a: s % 2, b: s < 2 }));
    expect(run([base('fail'), distinct('[a, b]')], two).firings).toHaveLength(1);
    expect(
      run([base('fail'), distinct('path')], [fail(0, 'ana', { path: ['x', 'y', 'z'] })]).firings,
    ).toHaveLength(1);
  });

  it('does not count events without the field', () => {
    expect(run([base('fail'), distinct('path')], [fail(0), fail(1), fail(2)]).firings).toEqual([]);
  });

  it('is not blinded by one value that comes without end', () => {
    const noise = Array.from({ length: 500 }, (_, i) => fail(3 + i / 1000, 'ana', { path: '/x' }));
    const events = [fail(0, 'ana', { path: '/a' }), fail(1, 'ana', { path: '/b' }), ...noise];
    const limits = { groupsMax: 10, eventsTotalMax: 10_000, eventsMax: 20 };
    const { firings, stats } = run([base('fail'), distinct('path')], [...events.slice(0, 2)], limits);
    expect([firings, stats.truncated]).toEqual([[], 0]);
    const four = correlation(
      'type: value_count\nrules: [fail]\ngroup-by: [user]\ntimespan: 10s\ncondition: {field: path, gte: 4}',
    );
    const late = run([base('fail'), four], [...events, fail(4, 'ana', { path: '/c' })], limits);
    expect(late.stats.truncated).toBeGreaterThan(0);
    expect(late.firings.map((f) => f[3])).toEqual([4]);
  });
});

describe('temporal', () => {
  const both = (type: string, extra = '') =>
    correlation(`type: ${type}\nrules: [fail, ok]\ngroup-by: [user]\ntimespan: 10s\n${extra}`);
  const ok = (seconds: number, user = 'ana'): Event => [seconds, { kind: 'ok', user }];

  it('wants all rules in any order', () => {
    expect(run([base('fail'), base('ok'), both('temporal')], [ok(0), fail(1)]).firings).toHaveLength(1);
    expect(run([base('fail'), base('ok'), both('temporal')], [ok(0), ok(1)]).firings).toEqual([]);
    expect(run([base('fail'), base('ok'), both('temporal')], [ok(0), fail(11)]).firings).toEqual([]);
  });

  it('in order wants them in order', () => {
    const texts = [base('fail'), base('ok'), both('temporal_ordered')];
    expect(run(texts, [ok(0), fail(1)]).firings).toEqual([]);
    expect(run(texts, [ok(0), fail(1), ok(2)]).firings).toEqual([['C', 'ana', [1, 2], 2]]);
  });

  it('follows aliases to the field each rule has', () => {
    const text = both('temporal', 'aliases: {who: {fail: user, ok: name}}').replace('[user]', '[who]');
    const events: Event[] = [fail(0, 'ana'), [1, { kind: 'ok', name: 'ana' }]];
    expect(run([base('fail'), base('ok'), text], events).firings).toEqual([['C', 'ana', [0, 1], 2]]);
  });

  it('takes the firing of a correlation as an event: many failures, then a success', () => {
    const many = count('{gte: 3}').replace('title: C', 'title: M\nname: many').replace('fc12', 'fc13');
    const text = both('temporal_ordered').replace('[fail, ok]', '[many, ok]');
    const texts = [base('fail'), base('ok'), many, text];
    const { firings } = run(texts, [fail(0), fail(1), fail(2), ok(3)]);
    expect(firings).toEqual([
      ['M', 'ana', [0, 1, 2], 3],
      ['C', 'ana', [0, 1, 2, 3], 2],
    ]);
    expect(run(texts, [fail(0), fail(1), ok(3)]).firings).toEqual([]);
    expect(run(texts, [fail(0), fail(1), fail(2), ok(3, 'ben')]).firings.map((f) => f[0])).toEqual(['M']);
  });
});

describe('rules a correlation refers to', () => {
  const texts = (generate: string) => [base('fail'), count('{gte: 2}', generate)].join('---');

  it('are silent, unless it says generate: true', () => {
    expect(loaded(texts('')).rules[0]?.alerts).toBe(false);
    expect(loaded(texts('generate: true')).rules[0]?.alerts).toBe(true);
    expect(loaded(texts('')).correlations[0]?.alerts).toBe(true);
  });

  it('may stand in another file of the same load', () => {
    const { rules } = load(count('{gte: 2}'), base('fail'));
    expect(rules?.correlations[0]?.rules).toEqual(['fail']);
  });

  it.each([
    ['an unknown rule', count('{gte: 2}'), '7:11 error reference'],
    ['no timespan', count('{gte: 2}').replace(/ *timespan.*\n/, ''), 'error timespan'],
    ['a timespan of 0', count('{gte: 2}').replace('10s', '0s'), 'error timespan'],
    ['a condition without criterion', count('{field: x}'), 'error correlation'],
    ['an unknown criterion', count('{more: 2}'), 'error correlation'],
    ['no condition', count('{gte: 2}').replace(/ *condition.*\n/, ''), 'error correlation'],
    ['an unknown type', count('{gte: 2}').replace('event_count', 'events'), 'error correlation'],
    [
      'value_count without field',
      count('{gte: 2}').replace('event_count', 'value_count'),
      'error correlation',
    ],
  ])('%s is an error', (_what, text, expected) => {
    const { diagnostics } = load(text);
    expect(diagnostics.map((d) => `${d.line}:${d.column} ${d.severity} ${d.check}`).join('\n')).toContain(
      expected,
    );
  });

  it('may not lead back to it', () => {
    const a = count('{gte: 2}').replace('title: C', 'title: A\nname: a').replace('[fail]', '[b]');
    const b = count('{gte: 2}')
      .replace('title: C', 'title: B\nname: b')
      .replace('[fail]', '[a]')
      .replace('fc12', 'fc13');
    expect(load(`${a}---${b}`).diagnostics.filter((d) => d.check === 'reference')).toHaveLength(2);
  });
});

describe('memory', () => {
  it('is bounded by groups and events; what goes is counted', () => {
    const events = Array.from({ length: 2_000 }, (_, i) => fail(i / 1000, `user${i}`));
    const limits = { groupsMax: 100, eventsTotalMax: 150, eventsMax: 10 };
    const { stats } = run([base('fail'), count('{gte: 3}')], events, limits);
    expect(stats.evicted).toBe(1_900);
    const one = Array.from({ length: 2_000 }, (_, i) => fail(i / 1000));
    const grown = run([base('fail'), count('{gte: 3}')], one, limits);
    expect(grown.stats.truncated).toBeGreaterThan(1_900);
  });

  it('is given back when the windows are over', () => {
    const set = loaded([base('fail'), count('{gte: 3}')].join('---'));
    const correlator = createCorrelator<number>(set);
    const rule = set.rules[0];
    if (!rule) throw new Error('no rule');
    for (let i = 0; i < 100; i += 1) {
      const native = { kind: 'fail', user: `u${i}` };
      correlator.push({ rule, timeMs: i, event: { native }, ref: i });
    }
    expect(correlator.stats).toMatchObject({ groups: 100, events: 100 });
    correlator.advance(60_000);
    expect(correlator.stats).toMatchObject({ groups: 0, events: 0 });
  });
});
