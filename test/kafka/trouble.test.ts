import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { Intake } from '../../src/intake/intake.ts';
import { startKafka } from '../../src/intake/kafka.ts';
import { Broker } from '../support/broker.ts';
import { capture } from '../support/capture.ts';
import { brokers, describeKafka, freshTopic, produce } from '../support/kafka.ts';
import { MemorySink } from '../support/memorySink.ts';
import { until } from '../support/wait.ts';

const running: Intake[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((intake) => intake.stop()));
});

function start(address: string, topic: string, sink: MemorySink, log = capture()) {
  const options = {
    cluster: 'c',
    brokers: [address],
    topics: { names: [topic], patterns: [] },
    group: `g-${topic}`,
  };
  const intake = startKafka(options, sink, log.telemetry);
  intake.ended.catch(() => {});
  running.push(intake);
  return intake;
}

const outageLines = (log: ReturnType<typeof capture>) =>
  log
    .lines()
    .filter((line) => ['error', 'warn'].includes(String(line.level)) || /recovered/.test(String(line.event)))
    .map((line) => line.event);

describeKafka(
  'a broker that is away',
  () => {
    test('at the start: one line, and reading begins by itself when it comes', async () => {
      const broker = await Broker.prepare();
      const sink = new MemorySink();
      const log = capture();
      try {
        start(broker.address, 'late', sink, log);
        await until('the outage is told', () => outageLines(log).length > 0);
        await sleep(3_000);
        expect(outageLines(log)).toEqual(['broker_unreachable']);
        await broker.start();
        await freshTopic([broker.address], 1, 'late');
        await produce([broker.address], 'late', [{ value: 'a' }]);
        await until('the record is stored', () => sink.stored.length === 1, 30_000);
        // The topic is made a moment after the broker came: that it was missing may be told, and is no outage.
        const outage = outageLines(log).filter((event) => event !== 'topics_missing');
        expect(outage).toEqual(['broker_unreachable', 'broker_recovered']);
      } finally {
        await Promise.all(running.splice(0).map((intake) => intake.stop()));
        await broker.remove();
      }
    });

    test('in the middle: one line, nothing lost, nothing twice, reading goes on by itself', async () => {
      const broker = await Broker.start();
      const sink = new MemorySink();
      const log = capture();
      const values = (from: number, to: number) =>
        Array.from({ length: to - from }, (_, i) => ({ value: String(from + i) }));
      try {
        const topic = await freshTopic([broker.address]);
        start(broker.address, topic, sink, log);
        await produce([broker.address], topic, values(0, 500));
        await until('500 records are stored', () => sink.stored.length === 500);
        await broker.stop();
        await until('the outage is told', () => outageLines(log).length > 0, 40_000);
        await broker.start();
        await produce([broker.address], topic, values(500, 1_000));
        await until('1,000 records are stored', () => sink.stored.length >= 1_000, 40_000);
        expect(sink.values()).toEqual(values(0, 1_000).map((m) => m.value));
        expect(outageLines(log)).toEqual(['broker_unreachable', 'broker_recovered']);
        expect(sink.epochs).toEqual([]);
      } finally {
        await Promise.all(running.splice(0).map((intake) => intake.stop()));
        await broker.remove();
      }
    });
  },
  { ownBroker: true },
);

describeKafka('a store that is slow', () => {
  test('holds reading back: memory stays flat while 200 MB wait in the topic', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses, 4);
    const value = randomBytes(2_000);
    for (const partition of [0, 1, 2, 3]) {
      await produce(
        addresses,
        topic,
        Array.from({ length: 25_000 }, () => ({ value })),
        { partition },
      );
    }
    let held = 0;
    let heldMax = 0;
    const sink = new MemorySink();
    let count = 0;
    // Stores nothing but the last of each partition, so that memory is the intake's own.
    sink.before = async (records) => {
      count += records.length;
      await sleep(250);
      global.gc?.();
      held = process.memoryUsage().arrayBuffers;
      heldMax = Math.max(heldMax, held);
    };
    const deliver = sink.deliver.bind(sink);
    sink.deliver = async (records) => {
      await deliver(records);
      sink.stored.splice(0, sink.stored.length, ...records.slice(-1));
    };
    start(addresses[0] as string, topic, sink);
    await until('100,000 records passed', () => count >= 100_000, 50_000);
    expect(count).toBe(100_000);
    // One flush under way and one queued (32 MiB each), one answer of the broker (10 MiB), and garbage not yet freed.
    expect(heldMax / 1024 / 1024).toBeLessThan(140);
  });
});

describeKafka('a stop', () => {
  test('stores what was read, commits it and ends within 10 s', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    const sink = new MemorySink();
    sink.before = () => sleep(500);
    await produce(
      addresses,
      topic,
      Array.from({ length: 100 }, (_, i) => ({ value: String(i) })),
    );
    const intake = start(addresses[0] as string, topic, sink);
    await until('the first flush is under way or done', async () => {
      await sleep(50);
      return (await sink.authority(`c.${topic}`, 0)) !== undefined;
    });
    await produce(addresses, topic, [{ value: 'last' }]);
    await sleep(150);
    const before = Date.now();
    await intake.stop();
    expect(Date.now() - before).toBeLessThan(10_000);
    const count = sink.stored.length;
    await sleep(500);
    expect(sink.stored.length).toBe(count);
    await intake.ended;
  });

  test('does not wait for ever for a store that hangs', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    const sink = new MemorySink();
    let asked = false;
    let release = () => {};
    sink.before = () =>
      new Promise((resolve) => {
        asked = true;
        release = resolve;
      });
    await produce(addresses, topic, [{ value: 'a' }]);
    const intake = start(addresses[0] as string, topic, sink);
    await until('the flush is asked for', () => asked);
    const before = Date.now();
    await intake.stop();
    expect(Date.now() - before).toBeLessThan(10_000);
    release();
  });
});
