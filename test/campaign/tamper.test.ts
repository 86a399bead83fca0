import { expect, it } from 'vitest';
import { attackLogs } from './tamper.ts';

it('every attack on a log is found and placed, in memory and in a real store, and no untouched log is accused', async () => {
  const { classes, clean, falseAlarms, wrong } = await attackLogs({
    seed: 1,
    cases: 3,
    storeShare: 3,
    say: () => undefined,
  });
  expect(wrong).toEqual([]);
  expect(falseAlarms).toBe(0);
  expect(clean).toBeGreaterThanOrEqual(2);
  const counts = [...classes.values()];
  expect(counts.length).toBeGreaterThanOrEqual(20);
  for (const [name, c] of classes) {
    expect([name, c.detected, c.located]).toEqual([name, c.cases, c.cases]);
    expect(c.inStore, name).toBeGreaterThan(0);
  }
}, 240_000);
