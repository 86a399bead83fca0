import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import type { Intake } from '../../src/intake/intake.ts';
import { startKafka } from '../../src/intake/kafka.ts';
import { chosenTopics } from '../../src/intake/kafkaTopics.ts';
import { capture } from '../support/capture.ts';
import { brokers, createTopic, describeKafka, freshTopic, produce, withAdmin } from '../support/kafka.ts';
import { MemorySink } from '../support/memorySink.ts';
import { until } from '../support/wait.ts';

const running: Intake[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((intake) => intake.stop()));
});

function start(addresses: string[], names: string[], patterns: RegExp[]) {
  const sink = new MemorySink();
  const log = capture();
  const group = `g-${randomUUID()}`;
  const intake = startKafka(
    { cluster: 'c', brokers: addresses, topics: { names, patterns }, group },
    sink,
    log.telemetry,
  );
  intake.ended.catch(() => {});
  running.push(intake);
  return { sink, log };
}

describe('which topics a pattern means', () => {
  const existing = [
    'vault-b',
    'vault-a',
    '__consumer_offsets',
    '__transaction_state',
    'keywitness.control',
    'other',
  ];

  test('those that match, sorted; never those of Kafka itself nor our own control topic', () => {
    expect(chosenTopics({ names: [], patterns: [/^(?:.*)$/u] }, existing)).toEqual({
      topics: ['other', 'vault-a', 'vault-b'],
      missing: [],
    });
  });

  test('and those that are named, once each; a name that is not there is missing', () => {
    const selection = { names: ['vault-b', 'late'], patterns: [/^(?:vault-.)$/u] };
    expect(chosenTopics(selection, existing)).toEqual({ topics: ['vault-a', 'vault-b'], missing: ['late'] });
  });
});

describeKafka('a pattern of topics', () => {
  test('reads what matches the whole name, and within seconds a topic that is made later', async () => {
    const addresses = await brokers();
    const prefix = `p${randomUUID().slice(0, 8)}`;
    for (const name of ['a', 'b', 'b-more']) {
      await freshTopic(addresses, 1, `${prefix}-${name}`);
      await produce(addresses, `${prefix}-${name}`, [{ value: name }]);
    }
    const { sink, log } = start(addresses, [], [new RegExp(`^(?:${prefix}-[a-z])$`, 'u')]);
    await until('both are read', () => sink.stored.length === 2);
    expect(sink.values().sort()).toEqual(['a', 'b']);
    await createTopic(addresses, `${prefix}-c`, 2);
    await produce(addresses, `${prefix}-c`, [{ value: 'c' }], { partition: 1 });
    const before = Date.now();
    await until('the new one is read', () => sink.values().includes('c'));
    expect(Date.now() - before).toBeLessThan(9_000);
    await produce(addresses, `${prefix}-a`, [{ value: 'a2' }]);
    await until('the old one is read on', () => sink.values().includes('a2'));
    expect(sink.values().sort()).toEqual(['a', 'a2', 'b', 'c']);
    expect(sink.stored.find((r) => String(r.value) === 'c')).toMatchObject({
      stream: `c.${prefix}-c`,
      partition: 1,
    });
    expect(log.lines().filter((line) => ['error', 'warn'].includes(String(line.level)))).toEqual([]);
  });

  test('that matches nothing yet waits, and tells nobody', async () => {
    const addresses = await brokers();
    const prefix = `p${randomUUID().slice(0, 8)}`;
    const { sink, log } = start(addresses, [], [new RegExp(`^(?:${prefix}.*)$`, 'u')]);
    await freshTopic(addresses, 1, `${prefix}-late`);
    await produce(addresses, `${prefix}-late`, [{ value: 'x' }]);
    await until('it is read', () => sink.stored.length === 1);
    expect(log.lines().filter((line) => ['error', 'warn'].includes(String(line.level)))).toEqual([]);
  });
});

describeKafka('a topic that is named and not there', () => {
  test('is told once, keeps nobody waiting, and is read when it comes', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    const absent = `${topic}-absent`;
    await produce(addresses, topic, [{ value: 'here' }]);
    const { sink, log } = start(addresses, [topic, absent], []);
    await until('the other one is read', () => sink.stored.length === 1);
    const told = () => log.lines().filter((line) => /^topics_/.test(String(line.event)));
    expect(told()).toMatchObject([{ event: 'topics_missing', level: 'error', topics: [absent] }]);
    await createTopic(addresses, absent, 1);
    await produce(addresses, absent, [{ value: 'late' }]);
    await until('it is read', () => sink.stored.length === 2);
    expect(told().map((line) => line.event)).toEqual(['topics_missing', 'topics_found']);
  });

  test('any more leaves the others as they are', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    const gone = await freshTopic(addresses);
    const { sink, log } = start(addresses, [topic, gone], []);
    await produce(addresses, topic, [{ value: '1' }]);
    await produce(addresses, gone, [{ value: '2' }]);
    await until('both are read', () => sink.stored.length === 2);
    await withAdmin(addresses, (admin) => admin.deleteTopics({ topics: [gone] }));
    await until('that is told', () => log.lines().some((line) => line.event === 'topics_missing'));
    await produce(addresses, topic, [{ value: '3' }]);
    await until('the other one is read on', () => sink.values().includes('3'));
    expect(sink.values()).toHaveLength(3);
  });
});
