import { expect, test } from 'vitest';
import { brokers, describeKafka } from '../support/kafka.ts';
import { crashAtEveryStage } from './crash.ts';

describeKafka('kill -9 of the running service', () => {
  test('at every stage, one after another: counts, roots, verify and messages are as if nothing had happened', async () => {
    const outcome = await crashAtEveryStage(await brokers(), 1, () => {}, Number.POSITIVE_INFINITY);
    expect(outcome).toEqual({ crashes: 10, broken: [] });
  }, 180_000);
});
