import { expect, test } from 'vitest';
import { brokers, describeKafka } from '../support/kafka.ts';
import { freeze } from './freeze.ts';

describeKafka('a process that is frozen and revived', () => {
  test('goes on as if nothing had happened, and nobody else may write meanwhile', async () => {
    expect(await freeze(await brokers(), 1, 3_000)).toEqual([]);
  }, 120_000);
});
