import { expect, test } from 'vitest';
import { watchFaults } from '../../src/app/lastingFaults.ts';

test('a broker that is away for a minute is told once, and again when it was back in between', () => {
  let now = 1_000;
  const faults = new Map<string, string>();
  const look = watchFaults(faults, () => now);
  const told: [number, string][] = [];
  const pass = (ms: number) => {
    for (const end = now + ms; now < end; now += 1_000) {
      for (const { fault } of look()) told.push([now, fault]);
    }
  };
  pass(10_000);
  faults.set('broker', 'Kafka cannot be read');
  pass(200_000);
  expect(told).toEqual([[71_000, 'broker']]);
  faults.delete('broker');
  pass(1_000);
  faults.set('broker', 'Kafka cannot be read');
  pass(59_000);
  faults.delete('broker');
  pass(5_000);
  expect(told).toHaveLength(1);
  faults.set('broker', 'Kafka cannot be read');
  pass(61_000);
  expect(told).toHaveLength(2);
});

test('what tells by itself, or cannot be stored, is not told here', () => {
  let now = 0;
  const faults = new Map([
    ['store', 'takes no records'],
    ['topics', 'not there: a'],
    ['slack', 'messages wait'],
  ]);
  const look = watchFaults(faults, () => now);
  look();
  now = 60_000;
  expect(look()).toEqual([{ kind: 'away', fault: 'topics', sentence: 'not there: a', since: 0 }]);
});
