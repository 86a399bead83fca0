import { expect, test } from 'vitest';
import { brokers, describeKafka } from '../support/kafka.ts';
import { runStoreFaults } from './store.ts';

describeKafka('what a store does to a service', () => {
  test('away, read-only, answers lost, answers late: one after another', async () => {
    const names = ['down', 'read-only', 'applied, and no answer', 'applied after the time-out'];
    const at = { addresses: await brokers(), pauseMs: 2_000 };
    expect(await runStoreFaults({ names, seed: 1, ...at })).toEqual([]);
  }, 400_000);
});
