import { randomBytes } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import type { Intake } from '../../src/intake/intake.ts';
import { startKafka } from '../../src/intake/kafka.ts';
import { capture } from '../support/capture.ts';
import {
  brokers,
  commitFor,
  createTopic,
  describeKafka,
  freshTopic,
  kafkaClient,
  produce,
  withAdmin,
} from '../support/kafka.ts';
import { MemorySink, storeRefused } from '../support/memorySink.ts';
import { until } from '../support/wait.ts';

const running: Intake[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((intake) => intake.stop()));
});

interface Setup {
  addresses: string[];
  topic: string;
  sink: MemorySink;
  log: ReturnType<typeof capture>;
  start: () => Intake;
  startOn: (topic: string) => Intake;
}

async function setup(partitions = 1): Promise<Setup> {
  const addresses = await brokers();
  const topic = await freshTopic(addresses, partitions);
  const sink = new MemorySink();
  const log = capture();
  const startOn = (name: string) => {
    const intake = startKafka(
      { cluster: 'c', brokers: addresses, topics: { names: [name], patterns: [] }, group: `g-${name}` },
      sink,
      log.telemetry,
    );
    intake.ended.catch(() => {});
    running.push(intake);
    return intake;
  };
  return { addresses, topic, sink, log, start: () => startOn(topic), startOn };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));
const messages = (from: number, to: number) => numbers(from, to).map((value) => ({ value }));

async function commit(addresses: string[], topic: string, offset: string): Promise<void> {
  await commitFor(addresses, `g-${topic}`, { topic, partition: 0, offset });
}

async function committed(addresses: string[], topic: string): Promise<string | undefined> {
  const all = await withAdmin(addresses, (admin) =>
    admin.fetchOffsets({ groupId: `g-${topic}`, topics: [topic] }),
  );
  return all[0]?.partitions[0]?.offset;
}

async function queued({ telemetry }: Setup['log']): Promise<number> {
  const { values } = await telemetry.metrics.queue.get();
  return values.find((v) => v.labels.intake === 'kafka')?.value ?? 0;
}

describeKafka('a record from Kafka', () => {
  test('arrives byte for byte, with its coordinates and time', async () => {
    const { addresses, topic, sink, start } = await setup();
    const bytes = Buffer.from([0xff, 0xfe, 0x00, 0x7b]);
    await produce(addresses, topic, [
      { key: bytes, value: bytes, timestamp: '1753401600123' },
      { key: null, value: null, timestamp: '1753401600124' },
      { key: '', value: '', timestamp: '1753401600125' },
    ]);
    start();
    await until('3 records are stored', () => sink.stored.length === 3);
    const at = { stream: `c.${topic}`, partition: 0, epoch: 0, headers: [] };
    expect(sink.stored).toEqual([
      { ...at, offset: 0n, timestamp: 1753401600123, key: bytes, value: bytes },
      { ...at, offset: 1n, timestamp: 1753401600124, key: null, value: null },
      { ...at, offset: 2n, timestamp: 1753401600125, key: Buffer.alloc(0), value: Buffer.alloc(0) },
    ]);
    expect(sink.highs.get(`c.${topic}/0/0`)).toBe(3n);
  });

  test('keeps its headers in order, repeated, named like numbers or like object internals', async () => {
    const { addresses, topic, sink, start } = await setup();
    const headers = Object.fromEntries([
      ['b', ['1', '2']],
      ['a', 'x'],
      ['7', 'seven'],
      ['constructor', 'c'],
    ]);
    await produce(addresses, topic, [{ value: 'v', headers }]);
    start();
    await until('the record is stored', () => sink.stored.length === 1);
    const got = sink.stored[0]?.headers.map(([name, value]) => `${name}=${value}`);
    // The producer's object lists '7' first: that is the order it sent.
    expect(got).toEqual(['7=seven', 'b=1', 'b=2', 'a=x', 'constructor=c']);
  });

  test.each(['gzip', 'snappy', 'lz4', 'zstd'])(
    'is read when the broker compressed it with %s',
    async (codec) => {
      const { addresses, sink, startOn } = await setup();
      const topic = `t-${codec}-${Date.now()}`;
      await createTopic(addresses, topic, 1, [{ name: 'compression.type', value: codec }]);
      await produce(addresses, topic, messages(0, 2_000));
      startOn(topic);
      await until('2,000 records are stored', () => sink.stored.length === 2_000);
      expect(sink.values()).toEqual(numbers(0, 2_000));
    },
  );

  test('of 20 MB is a record', async () => {
    const { addresses, topic, sink, start } = await setup();
    const big = randomBytes(20_000_000);
    await produce(addresses, topic, [{ value: 'a' }, { value: big }, { value: 'z' }]);
    start();
    await until('3 records are stored', () => sink.stored.length === 3);
    expect(sink.stored.map((r) => r.value?.length)).toEqual([1, 20_000_000, 1]);
    expect(sink.stored[1]?.value?.equals(big)).toBe(true);
  });
});

describeKafka('where to go on is what our own store says', () => {
  test('a second start stores nothing twice, and a group that committed too little changes nothing', async () => {
    const { addresses, topic, sink, start } = await setup();
    await produce(addresses, topic, messages(0, 300));
    await (async () => {
      const intake = start();
      await until('300 records are stored', () => sink.stored.length === 300);
      await intake.stop();
    })();
    await commit(addresses, topic, '10');
    await produce(addresses, topic, messages(300, 400));
    start();
    await until('400 records are stored', () => sink.stored.length >= 400);
    expect(sink.values()).toEqual(numbers(0, 400));
    expect(sink.epochs).toEqual([]);
  });

  test('a group that committed too much loses nothing, even when nothing new arrives', async () => {
    const { addresses, topic, sink, start } = await setup();
    await produce(addresses, topic, messages(0, 50));
    await commit(addresses, topic, '50');
    start();
    await until('50 records are stored', () => sink.stored.length >= 50);
    expect(sink.values()).toEqual(numbers(0, 50));
  });

  test('the offset is committed only after the records are durable', async () => {
    const { addresses, topic, sink, start } = await setup();
    let release: (() => void) | undefined;
    sink.before = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    await produce(addresses, topic, messages(0, 10));
    const intake = start();
    await until('the flush is asked for', () => release !== undefined);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await committed(addresses, topic)).toBe('-1');
    release?.();
    await until('10 records are stored', () => sink.stored.length === 10);
    await intake.stop();
    expect(await committed(addresses, topic)).toBe('10');
  });
});

describeKafka('when the store does not take a flush', () => {
  test('it is delivered again until it does, in order, once, and two lines tell of it', async () => {
    const { addresses, topic, sink, log, start } = await setup(3);
    for (const partition of [0, 1, 2]) await produce(addresses, topic, messages(0, 2_000), { partition });
    let refusals = 3;
    sink.before = () => {
      if (refusals-- > 0) throw storeRefused();
    };
    start();
    await until('6,000 records are stored', () => sink.stored.length >= 6_000);
    for (const partition of [0, 1, 2]) {
      const mine = sink.stored.filter((r) => r.partition === partition);
      expect(mine.map((r) => String(r.value))).toEqual(numbers(0, 2_000));
    }
    const told = log.lines().filter((line) => /flush_failed|store_recovered/.test(String(line.event)));
    expect(told.map((line) => line.event)).toEqual(['flush_failed', 'store_recovered']);
    expect(sink.recovered).toBeGreaterThanOrEqual(4);
  });

  test('a flush that was stored but not acknowledged is not stored again', async () => {
    const { addresses, topic, sink, start } = await setup();
    await produce(addresses, topic, messages(0, 1_000));
    let failures = 2;
    sink.after = () => {
      if (failures-- > 0) throw storeRefused();
    };
    start();
    await until('1,000 records are stored', () => sink.stored.length >= 1_000);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(sink.values()).toEqual(numbers(0, 1_000));
  });

  test('what is no refusal but a bug ends the intake with it', async () => {
    const { addresses, topic, sink, start } = await setup();
    sink.before = () => {
      throw new TypeError('a bug');
    };
    await produce(addresses, topic, messages(0, 1));
    await expect(start().ended).rejects.toThrow('a bug');
  });
});

describeKafka('a topic that is not the one it was', () => {
  async function recreate(addresses: string[], topic: string): Promise<void> {
    await withAdmin(addresses, (admin) => admin.deleteTopics({ topics: [topic] }));
    await until('the topic is created again', () =>
      createTopic(addresses, topic, 1).then(
        () => true,
        () => false,
      ),
    );
  }

  test.each([
    ['shorter', 5],
    ['longer', 40],
  ])('re-created %s while we were away: a new epoch holds all of it', async (_, count) => {
    const { addresses, topic, sink, log, start } = await setup();
    await produce(addresses, topic, messages(0, 20));
    const intake = start();
    await until('20 records are stored', () => sink.stored.length === 20);
    await intake.stop();
    await recreate(addresses, topic);
    await produce(addresses, topic, messages(1_000, 1_000 + count));
    start();
    await until('the new ones are stored', () => sink.stored.length >= 20 + count);
    expect(sink.values()).toEqual([...numbers(0, 20), ...numbers(1_000, 1_000 + count)]);
    const key = { stream: `c.${topic}`, partition: 0, epoch: 1 };
    expect(sink.epochs.map((e) => e.key)).toEqual([key]);
    expect(sink.stored.slice(20).every((r, i) => r.epoch === 1 && r.offset === BigInt(i))).toBe(true);
    expect(log.lines().filter((line) => line.event === 'epoch_began')).toHaveLength(1);
  });

  test.each([
    ['shorter', 5],
    ['longer', 40],
  ])('re-created %s while we consume it: a new epoch holds all of it', async (_, count) => {
    const { addresses, topic, sink, start } = await setup();
    await produce(addresses, topic, messages(0, 20));
    start();
    await until('20 records are stored', () => sink.stored.length === 20);
    await recreate(addresses, topic);
    await produce(addresses, topic, messages(1_000, 1_000 + count));
    await until('the new ones are stored', () => sink.stored.length >= 20 + count);
    expect(sink.values()).toEqual([...numbers(0, 20), ...numbers(1_000, 1_000 + count)]);
    expect(sink.stored.slice(20).every((r) => r.epoch === 1)).toBe(true);
  });

  test('re-created with fewer partitions while we consume it: what it has is read, and all is well again', async () => {
    const { addresses, topic, sink, log, start } = await setup(3);
    for (const partition of [0, 1, 2]) await produce(addresses, topic, messages(0, 20), { partition });
    start();
    await until('60 records are stored', () => sink.stored.length === 60);
    await recreate(addresses, topic);
    await produce(addresses, topic, messages(1_000, 1_040));
    await until('the new ones are stored', () => sink.stored.length >= 100);
    expect(sink.values().slice(60)).toEqual(numbers(1_000, 1_040));
    await until('all is well', () => log.telemetry.faults.size === 0);
    await produce(addresses, topic, messages(1_040, 1_050));
    await until('it goes on', () => sink.stored.length >= 110);
    expect([...log.telemetry.faults]).toEqual([]);
  });

  test('re-created and filled beyond us while reading waits for a slow store: a new epoch holds all of it', async () => {
    const { addresses, topic, sink, log, start } = await setup();
    // Some 2,000 in one answer of the broker.
    const padded = (from: number, to: number) => numbers(from, to).map((n) => ({ value: n.padEnd(500) }));
    await produce(addresses, topic, padded(0, 12_000));
    let release = () => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    sink.before = () => slow;
    start();
    // One flush is under way and one is queued: nothing asks the broker for this partition now.
    await until('reading waits', async () => (await queued(log)) >= 5_000);
    await recreate(addresses, topic);
    await produce(addresses, topic, padded(100_000, 115_000));
    release();
    const values = () => sink.values().map((v) => v.trim());
    await until('the new ones are stored', () => values().at(-1) === '114999', 30_000);
    const before = sink.stored.filter((r) => r.epoch === 0).length;
    expect(values()).toEqual([...numbers(0, before), ...numbers(100_000, 115_000)]);
    expect(sink.stored.slice(before).every((r) => r.epoch === 1)).toBe(true);
    expect(sink.epochs.map((e) => e.key.epoch)).toEqual([1]);
  });

  test('records deleted before we read them are a gap with its ends', async () => {
    const { addresses, topic, sink, start } = await setup();
    await produce(addresses, topic, messages(0, 10));
    const intake = start();
    await until('10 records are stored', () => sink.stored.length === 10);
    await intake.stop();
    await produce(addresses, topic, messages(10, 30));
    await withAdmin(addresses, async (admin) => {
      await admin.fetchTopicMetadata({ topics: [topic] });
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '25' }] });
    });
    start();
    await until('the rest is stored', () => sink.stored.length >= 15);
    expect(sink.values()).toEqual([...numbers(0, 10), ...numbers(25, 30)]);
    expect(sink.gaps).toEqual([
      { key: { stream: `c.${topic}`, partition: 0, epoch: 0 }, first: 10n, last: 24n },
    ]);
  });

  test('aborted transactions are holes, not losses', async () => {
    const { addresses, topic, sink, start } = await setup();
    const producer = kafkaClient(addresses).producer({
      transactionalId: `t-${topic}`,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    const intake = start();
    const send = async (value: string, isKept: boolean) => {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ value, partition: 0 }] });
      await (isKept ? transaction.commit() : transaction.abort());
    };
    await send('a', true);
    // Stored before the aborted one begins, so that the hole stands between two answers of the broker.
    await until('the first record is stored', () => sink.stored.length === 1);
    await send('b', false);
    await send('c', true);
    await producer.disconnect();
    await until('2 records are stored', () => sink.stored.length === 2);
    await intake.stop();
    await produce(addresses, topic, [{ value: 'd' }]);
    start();
    await until('the last one is stored', () => sink.stored.length === 3);
    expect(sink.stored.map((r) => [r.offset, String(r.value)])).toEqual([
      [0n, 'a'],
      [4n, 'c'],
      [6n, 'd'],
    ]);
    expect(sink.gaps).toEqual([]);
  });
});

describeKafka('two members of one group', () => {
  test('share the partitions; what changes hands is stored once', async () => {
    const { addresses, topic, sink, start } = await setup(4);
    start();
    for (const partition of [0, 1, 2, 3]) await produce(addresses, topic, messages(0, 500), { partition });
    await until('the first ones are stored', () => sink.stored.length > 0);
    const second = start();
    for (const partition of [0, 1, 2, 3])
      await produce(addresses, topic, messages(500, 1_000), { partition });
    await until('4,000 records are stored', () => sink.stored.length >= 4_000);
    await second.stop();
    for (const partition of [0, 1, 2, 3])
      await produce(addresses, topic, messages(1_000, 1_100), { partition });
    await until('4,400 records are stored', () => sink.stored.length >= 4_400);
    for (const partition of [0, 1, 2, 3]) {
      const mine = sink.stored.filter((r) => r.partition === partition).map((r) => String(r.value));
      expect(mine).toEqual(numbers(0, 1_100));
    }
  });
});
