import { expect, test } from 'vitest';
import { brokers, describeKafka } from '../support/kafka.ts';
import { runFaults } from './broker.ts';

describeKafka('what a broker does to a service', () => {
  test('rebalances, records deleted unread, partitions added, a record over the limit, the topic re-created: one after another', async () => {
    const names = [
      'rebalances',
      'retention past our offset',
      'partitions added',
      'record over the limit',
      'topic re-created',
    ];
    const at = { addresses: await brokers(), brokers: [], pauseMs: 0, rebalances: 6 };
    expect(await runFaults({ names, seed: 1, ...at })).toEqual([]);
  }, 120_000);
});
