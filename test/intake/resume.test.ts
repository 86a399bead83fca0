import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planResume } from '../../src/intake/resume.ts';

const stored = (offset: bigint, epoch = 2) => ({ stream: 'c.t', partition: 0, epoch, offset });

test('nothing stored: from the first record the broker has, and its older ones are no loss of ours', () => {
  expect(planResume(undefined, { low: 7n, high: 9n })).toEqual({
    epoch: 0,
    next: 7n,
    seek: 7n,
    verify: undefined,
    lost: undefined,
    newEpoch: '',
  });
});

test.each([
  [
    'the stored record is still there: read it again',
    10n,
    { low: 0n, high: 11n },
    [2, 11n, 10n, 10n, undefined],
  ],
  ['it just expired: read on', 10n, { low: 11n, high: 20n }, [2, 11n, 11n, undefined, undefined]],
  ['later ones expired too: a gap', 10n, { low: 15n, high: 20n }, [2, 15n, 15n, undefined, [11n, 14n]]],
  ['the topic is shorter: a new epoch', 10n, { low: 0n, high: 10n }, [3, 0n, 0n, undefined, undefined]],
  ['the topic is empty: a new epoch', 10n, { low: 0n, high: 0n }, [3, 0n, 0n, undefined, undefined]],
])('%s', (_, offset, marks, expected) => {
  const plan = planResume(stored(offset), marks);
  const lost = plan.lost === undefined ? undefined : [plan.lost.first, plan.lost.last];
  expect([plan.epoch, plan.next, plan.seek, plan.verify, lost]).toEqual(expected);
  expect(plan.newEpoch !== '').toBe(plan.epoch === 3);
});

test('in one epoch every offset is stored, lost or still to come: none is skipped, none comes twice', () => {
  const offset = fc.bigInt({ min: 0n, max: 50n });
  fc.assert(
    fc.property(offset, offset, offset, (last, a, b) => {
      const [low, high] = a < b ? [a, b] : [b, a];
      const plan = planResume(stored(last), { low, high });
      if (plan.epoch !== 2) {
        expect(high <= last).toBe(true);
        return;
      }
      const firstNotStored = plan.lost?.first ?? plan.next;
      expect(firstNotStored).toBe(last + 1n);
      if (plan.lost !== undefined) expect(plan.lost.last + 1n).toBe(plan.next);
      expect(plan.seek === plan.next || plan.seek === plan.verify).toBe(true);
    }),
  );
});
