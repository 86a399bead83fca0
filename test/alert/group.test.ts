import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupSignals } from '../../src/alert/group.ts';
import { createGrouper } from '../../src/alert/grouper.ts';
import { levels, type Signal } from '../../src/core/signal.ts';
import { day0, hour, signal } from './signals.ts';

const severities = (signals: readonly Signal[]) => groupSignals(signals).map((g) => g.alert.severity);

describe('strong signals', () => {
  test('one rule about one entity is one alert for 24 h of event time, and a new one after', () => {
    const alerts = groupSignals([
      signal('a', 0, 'root-used', 'high'),
      signal('b', 23.9, 'root-used', 'high'),
      signal('c', 24, 'root-used', 'high'),
    ]).map((g) => g.alert);
    expect(alerts.map((a) => a.requests)).toEqual([['req-a', 'req-b'], ['req-c']]);
    expect(alerts[0]?.eventsTotal).toBe(2);
    expect(alerts[0]?.first).toBe('2026-07-15T00:00:00.000Z');
    expect(alerts[0]?.last).toBe('2026-07-15T23:54:00.000Z');
  });

  test('of a baseline that spoke again as it grew, the fullest word is the one shown', () => {
    const word = (id: string, at: number, seen: number, p: number) =>
      signal(id, at, 'new-secret', 'medium', {
        kind: 'baseline',
        unusual: { seen, p, sentence: `${seen} new.` },
      });
    const [only] = groupSignals([
      word('a', 1, 4, 1e-4),
      word('b', 1.1, 126, 1e-40),
      word('c', 5, 127, 1e-39),
    ]);
    expect(only?.alert.summary).toBe('126 new (one of 3).');
  });

  test('a rule that hits 200,000 times in a day, and as many weak signs beside it, are one alert', () => {
    const many = (level: Signal['level']) =>
      Array.from({ length: 200_000 }, (_, i) => signal(`${level}${i}`, i / 10_000, level, level));
    const [only, ...others] = groupSignals([...many('medium'), ...many('low')]).map((g) => g.alert);
    expect(others).toEqual([]);
    expect([only?.eventsTotal, only?.first, only?.last]).toEqual([
      400_000,
      '2026-07-15T00:00:00.000Z',
      '2026-07-15T19:59:59.640Z',
    ]);
  });

  test('another entity and another rule are other alerts', () => {
    const signals = [
      signal('a', 1, 'root-used', 'high'),
      signal('b', 2, 'audit-off', 'critical'),
      signal('c', 3, 'root-used', 'high', { group: 'human:bo', identity: 'human:bo' }),
    ];
    expect(severities(signals)).toEqual(['high', 'critical', 'high']);
  });

  test('an alert carries the parts strongest first, and the strongest gives title and advice', () => {
    const [only] = groupSignals([
      signal('w', 1, 'first-read', 'low', { kind: 'baseline' }),
      signal('s', 2, 'root-used', 'high'),
    ]);
    expect(only?.alert.title).toBe('Title of root-used');
    expect(only?.alert.parts.map((p) => p.rule)).toEqual(['root-used', 'first-read']);
    expect(only?.alert.summary).toBe('Sentence of s. Also: Title of first-read.');
  });
});

describe('weak signals', () => {
  const first = (id: string, at: number, rule = 'first-read', more: Partial<Signal> = {}) =>
    signal(id, at, rule, 'low', { kind: 'baseline', ...more });

  test('a lone first-seen stays low, however often it repeats', () => {
    expect(severities([first('a', 1)])).toEqual(['low']);
    expect(severities(Array.from({ length: 50 }, (_, i) => first(`a${i}`, i / 10)))).toEqual(['low']);
  });

  test('two kinds of one identity on one UTC day are medium, four are high', () => {
    expect(severities([first('a', 1), first('b', 22, 'first-address')])).toEqual(['medium']);
    expect(severities(['a', 'b', 'c', 'd'].map((id, i) => first(id, i, `kind-${id}`)))).toEqual(['high']);
  });

  test('two kinds on two days, or of two identities, stay low', () => {
    expect(severities([first('a', 23), first('b', 25, 'first-address')])).toEqual(['low', 'low']);
    const other = first('b', 23, 'first-address', { group: 'human:bo', identity: 'human:bo' });
    expect(severities([first('a', 23), other])).toEqual(['low', 'low']);
  });

  test('no sum and no baseline is critical: only a named rule wakes a person', () => {
    const many = Array.from({ length: 30 }, (_, i) =>
      signal(`k${i}`, 1, `kind-${i}`, 'critical', { kind: 'baseline' }),
    );
    expect(severities(many)).toEqual(['high']);
  });

  test('a baseline that is improbable by itself is medium by itself', () => {
    expect(severities([signal('a', 1, 'rate', 'medium', { kind: 'baseline' })])).toEqual(['medium']);
  });

  test('where people hear of the identity that day anyway, they join instead of a second alert', () => {
    const alerts = groupSignals([
      first('a', 1),
      first('b', 5, 'first-address'),
      signal('s', 9, 'mass-read', 'medium'),
    ]);
    expect(alerts).toHaveLength(1);
    expect(alerts[0]?.alert.parts.map((p) => p.rule)).toEqual(['mass-read', 'first-read', 'first-address']);
    expect(alerts[0]?.alert.severity).toBe('high');
    expect(severities([first('a', -1), signal('s', 9, 'mass-read', 'medium')])).toEqual(['low', 'medium']);
  });
});

describe('announcements', () => {
  const planned = { explained: ['change 17: database move'] };

  test('damp a soft rule to low, and two damped kinds do not make an alert', () => {
    expect(severities([signal('a', 1, 'mass-read', 'medium', planned)])).toEqual(['low']);
    expect(
      severities([
        signal('a', 1, 'mass-read', 'medium', planned),
        signal('b', 1, 'off-hours', 'medium', planned),
      ]),
    ).toEqual(['low']);
  });

  test('never damp a hard rule: a change window is no hiding place', () => {
    const [only] = groupSignals([signal('a', 1, 'audit-off', 'critical', planned)]);
    expect(only?.alert.severity).toBe('critical');
    expect(only?.alert.summary).toContain('change 17: database move (this rule is never damped)');
    const hard = { isHard: (s: Signal) => s.rule === 'left' };
    expect(groupSignals([signal('a', 1, 'left', 'medium', planned)], hard)[0]?.alert.severity).toBe('medium');
  });
});

const anySignal = fc
  .record({
    n: fc.nat(10_000),
    at: fc.integer({ min: 0, max: 200 * 4 }),
    rule: fc.constantFrom('r1', 'r2', 'r3', 'r4'),
    level: fc.constantFrom(...levels),
    who: fc.constantFrom('human:ana', 'service:ci'),
    kind: fc.constantFrom('rule' as const, 'baseline' as const),
  })
  .map(({ n, at, rule, level, who, kind }) =>
    signal(`${n}-${at}-${rule}-${who}-${level}-${kind}`, at / 4, rule, level, {
      kind,
      group: who,
      identity: who,
    }),
  );

describe('the same set of signals gives the same alerts', () => {
  const told = (signals: readonly Signal[]) => groupSignals(signals).map((g) => g.alert);

  test('in any order and however often they are given', () => {
    fc.assert(
      fc.property(fc.array(anySignal, { maxLength: 40 }), fc.infiniteStream(fc.nat()), (signals, random) => {
        const shuffled = [...signals, ...signals.slice(0, 5)]
          .map((s) => ({ s, key: random.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ s }) => s);
        expect(told(shuffled)).toEqual(told(signals));
      }),
    );
  });

  test('when they arrive one by one, shuffled within the lateness, while the store fails now and then', () => {
    const latenessMs = 20 * 60_000;
    const law = (signals: readonly Signal[], jitter: readonly number[], past: number) => {
      const arrival = signals
        .map((s, i) => ({ s, key: s.time + (jitter[i % jitter.length] ?? 0) * latenessMs }))
        .sort((a, b) => a.key - b.key)
        .map(({ s }) => s);
      const grouper = createGrouper({ past: arrival.slice(0, past) });
      const live = new Map(told(arrival.slice(0, past)).map((a) => [a.id, a]));
      let seen = 0;
      const rounds = [...arrival.slice(past).map((s) => [s]), []];
      for (const [i, round] of rounds.entries()) {
        const change = grouper.add(round);
        expect(change.late).toBe(0);
        const isStoreDown = i < rounds.length - 1 && (jitter[i % jitter.length] ?? 0) > 0.6;
        if (isStoreDown) continue;
        for (const { alert } of change.changed) live.set(alert.id, alert);
        for (const { id, by } of change.replaced) {
          expect(live.has(by)).toBe(true);
          live.delete(id);
        }
        grouper.confirm();
        seen = Math.max(seen, ...round.map((s) => s.time));
        grouper.settle(seen - latenessMs);
      }
      const byId = (alerts: Iterable<{ id: string }>) => [...alerts].sort((a, b) => (a.id < b.id ? -1 : 1));
      expect(byId(live.values())).toEqual(byId(told(signals)));
    };
    fc.assert(
      fc.property(
        fc.uniqueArray(anySignal, { maxLength: 40, selector: (s) => s.id }),
        fc.array(fc.double({ min: 0, max: 0.99, noNaN: true }), { minLength: 1, maxLength: 40 }),
        fc.nat(10),
        law,
      ),
      { numRuns: 400 },
    );
  });

  test('a restart in the middle of an episode keeps its name by the stored anchor', () => {
    const all = [signal('a', 0, 'r', 'high'), signal('b', 20, 'r', 'high'), signal('c', 25, 'r', 'high')];
    const [one, two] = groupSignals(all);
    const anchors = [one?.anchor, two?.anchor].flatMap((a) => (a ? [a] : []));
    expect(groupSignals(all.slice(1), { anchors }).map((g) => g.alert.id)).toEqual([
      one?.alert.id,
      two?.alert.id,
    ]);
    expect(groupSignals(all.slice(1)).map((g) => g.alert.id)).not.toContain(one?.alert.id);
  });

  test('a rule that floods one entity is told with its first thousand signals, and held with no more', () => {
    const grouper = createGrouper();
    const flood = Array.from({ length: 3_000 }, (_, i) => signal(`s${i}`, i / 1_000, 'r', 'high'));
    const { changed } = grouper.add(flood);
    expect(changed).toHaveLength(1);
    expect(changed[0]?.alert.parts[0]?.count).toBe(1_000);
    grouper.confirm();
    expect(grouper.settle(day0)).toBe(1_000);
  });

  test('what ended long ago is forgotten once it is stored, and what comes after that is counted as late', () => {
    const grouper = createGrouper();
    grouper.add([signal('a', 0, 'r', 'high')]);
    expect(grouper.settle(day0 + 80 * hour)).toBe(1);
    grouper.confirm();
    expect(grouper.settle(day0 + 80 * hour)).toBe(0);
    expect(grouper.add([signal('b', 1, 'r', 'high')]).late).toBe(1);
  });
});
