import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Message } from 'kafkajs';
import { afterEach, expect, test } from 'vitest';
import type { Intake } from '../../src/intake/intake.ts';
import { startKafka } from '../../src/intake/kafka.ts';
import { capture } from '../support/capture.ts';
import {
  brokers,
  commitFor,
  createTopic,
  describeKafka,
  evictMembers,
  freshTopic,
  kafkaClient,
  produce,
  withAdmin,
} from '../support/kafka.ts';
import { MemorySink } from '../support/memorySink.ts';
import { until } from '../support/wait.ts';

const running: Intake[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((intake) => intake.stop()));
});

function start(addresses: string[], topic: string, sink = new MemorySink(), log = capture()) {
  const intake = startKafka(
    { cluster: 'c', brokers: addresses, topics: { names: [topic], patterns: [] }, group: `g-${topic}` },
    sink,
    log.telemetry,
  );
  intake.ended.catch(() => {});
  running.push(intake);
  return { sink, log, intake };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));
/** Some 2,000 in one answer of the broker. */
const padded = (from: number, to: number) => numbers(from, to).map((n) => ({ value: n.padEnd(500) }));
const trimmed = (sink: MemorySink) => sink.values().map((v) => v.trim());
const unwanted = (log: ReturnType<typeof capture>) =>
  log.lines().filter((line) => ['error', 'warn'].includes(String(line.level)));

/** A store that is asked and does not answer until it is let go. */
function heldStore(sink: MemorySink): { asked: () => boolean; release: () => void } {
  let asked = false;
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  sink.before = () => {
    asked = true;
    return held;
  };
  return { asked: () => asked, release: () => release() };
}

async function queued(log: ReturnType<typeof capture>): Promise<number> {
  const { values } = await log.telemetry.metrics.queue.get();
  return values.find((v) => v.labels.intake === 'kafka')?.value ?? 0;
}

async function deleteRecords(addresses: string[], topic: string, offset: string): Promise<void> {
  await withAdmin(addresses, async (admin) => {
    await admin.fetchTopicMetadata({ topics: [topic] });
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
  });
}

describeKafka('records the broker deletes before they are read', () => {
  test('while we consume: a gap with its ends and one line, never a silent jump', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    await produce(addresses, topic, padded(0, 40_000));
    const { sink, log } = start(addresses, topic);
    const store = heldStore(sink);
    await until('reading waits for the store', async () => (await queued(log)) >= 5_000);
    await deleteRecords(addresses, topic, '39500');
    // OFFSET_OUT_OF_RANGE comes with the next fetch; kafkajs then commits -2 by itself and goes to the beginning.
    store.release();
    await until('the last one is stored', () => trimmed(sink).at(-1) === '39999');
    const gap = sink.gaps[0];
    expect(sink.gaps).toHaveLength(1);
    expect(gap?.last).toBe(39_499n);
    const lost = Number(gap?.first);
    expect(trimmed(sink)).toEqual([...numbers(0, lost), ...numbers(39_500, 40_000)]);
    expect(log.lines().filter((line) => line.event === 'records_lost')).toMatchObject([
      { level: 'error', first: String(gap?.first), last: '39499' },
    ]);
    expect(sink.epochs).toEqual([]);
  });

  test('and the group’s offset beyond all of them, or none at all: still a gap with its ends', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    await produce(addresses, topic, padded(0, 100));
    const first = start(addresses, topic);
    await until('100 records are stored', () => first.sink.stored.length === 100);
    await first.intake.stop();
    await produce(addresses, topic, padded(100, 200));
    await deleteRecords(addresses, topic, '150');
    await commitFor(addresses, `g-${topic}`, { topic, partition: 0, offset: '100000' });
    const { sink } = start(addresses, topic, first.sink);
    await until('the rest is stored', () => sink.stored.length >= 150);
    expect(trimmed(sink)).toEqual([...numbers(0, 100), ...numbers(150, 200)]);
    expect(sink.gaps.map((g) => [g.first, g.last])).toEqual([[100n, 149n]]);
  });
});

describeKafka('a membership that is lost', () => {
  test('during a slow insert: what is under way is stored once, and reading goes on behind it', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    await produce(addresses, topic, padded(0, 4_000));
    const { sink, log } = start(addresses, topic);
    const store = heldStore(sink);
    await until('the insert is under way', store.asked);
    expect(await evictMembers(addresses, `g-${topic}`)).toBe(1);
    const assigned = () => log.lines().filter((line) => line.event === 'partitions_assigned').length;
    await until('it has joined again', () => assigned() >= 2);
    // Long enough that reading could have begun again at what is stored now: at nothing.
    await sleep(1_000);
    store.release();
    await produce(addresses, topic, padded(4_000, 5_000));
    await until('all are stored', () => trimmed(sink).at(-1) === '4999');
    expect(trimmed(sink)).toEqual(numbers(0, 5_000));
    expect(sink.epochs).toEqual([]);
    expect(sink.gaps).toEqual([]);
  });

  test('again and again: each record is stored once', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses, 2);
    const { sink } = start(addresses, topic);
    for (let i = 0; i < 8; i++) {
      for (const partition of [0, 1]) {
        await produce(addresses, topic, padded(i * 200, (i + 1) * 200), { partition });
      }
      await evictMembers(addresses, `g-${topic}`);
    }
    await until('3,200 records are stored', () => sink.stored.length >= 3_200);
    for (const partition of [0, 1]) {
      const mine = sink.stored.filter((r) => r.partition === partition);
      expect(mine.map((r) => String(r.value).trim())).toEqual(numbers(0, 1_600));
    }
  });
});

describeKafka('holes that are no losses', () => {
  async function transactions(addresses: string[], topic: string, what: readonly [string, boolean][]) {
    const producer = kafkaClient(addresses).producer({
      transactionalId: `t-${topic}-${Date.now()}`,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    for (const [value, isKept] of what) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ value, partition: 0 }] });
      await (isKept ? transaction.commit() : transaction.abort());
    }
    await producer.disconnect();
  }

  test('a stretch of only aborted data at the end never arrives, is no gap, and what follows is read', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    await transactions(addresses, topic, [['a', true]]);
    const first = start(addresses, topic);
    await until('the first is stored', () => first.sink.stored.length === 1);
    await transactions(addresses, topic, [
      ['x', false],
      ['y', false],
    ]);
    const high = await withAdmin(addresses, (admin) => admin.fetchTopicOffsets(topic));
    // The record, its marker, and two records with theirs: offsets 0 to 5.
    expect(high[0]?.high).toBe('6');
    await first.intake.stop();
    const second = start(addresses, topic, first.sink);
    await sleep(1_500);
    expect(second.sink.values()).toEqual(['a']);
    await produce(addresses, topic, [{ value: 'b' }]);
    await until('the next is stored', () => second.sink.stored.length === 2);
    expect(second.sink.stored.map((r) => [r.offset, String(r.value)])).toEqual([
      [0n, 'a'],
      [6n, 'b'],
    ]);
    expect(second.sink.gaps).toEqual([]);
    expect(second.sink.epochs).toEqual([]);
    expect(unwanted(first.log).concat(unwanted(second.log))).toEqual([]);
  });

  test('what compaction removed: before we read it, and behind us, our last record included', async () => {
    const addresses = await brokers();
    const topic = `compacted-${Date.now()}`;
    await createTopic(addresses, topic, 1, [
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'segment.ms', value: '100' },
      { name: 'min.cleanable.dirty.ratio', value: '0.01' },
      { name: 'max.compaction.lag.ms', value: '100' },
    ]);
    const keyed = (from: number, to: number): Message[] =>
      numbers(from, to).map((value) => ({ key: String(Number(value) % 3), value }));
    await produce(addresses, topic, keyed(0, 30));
    await compacted(addresses, topic, ['27', '28', '29']);
    const { sink, intake, log } = start(addresses, topic);
    await until('what is left is stored', () => sink.values().includes('28'));
    await until('the roll is stored', () => sink.values().some((v) => v.startsWith('roll')));
    const left = sink.values();
    expect(left.filter((v) => /^\d+$/.test(v))).toEqual(['27', '28', '29']);
    await intake.stop();
    const last = sink.stored.at(-1);
    await produce(addresses, topic, keyed(30, 60));
    // The record that is to be compared at the start is not there any more.
    await compacted(addresses, topic, ['57', '58', '59'], String(last?.offset));
    const again = start(addresses, topic, sink, log);
    await until('the new ones are stored', () => sink.values().includes('59'));
    expect(sink.values().filter((v) => /^\d+$/.test(v))).toEqual(['27', '28', '29', '57', '58', '59']);
    expect([sink.gaps, sink.epochs]).toEqual([[], []]);
    expect(unwanted(again.log)).toEqual([]);
  });

  /** Rolls the segment until nothing but `values` and the newest roll is left. */
  async function compacted(addresses: string[], topic: string, values: string[], gone = ''): Promise<void> {
    await until('the topic is compacted', async () => {
      await sleep(150);
      await produce(addresses, topic, [{ key: 'roll', value: `roll ${Date.now()}` }]);
      const left = await recordsOf(addresses, topic);
      if (left.some((m) => m.offset === gone)) return false;
      const mine = left.map((m) => String(m.value)).filter((v) => /^\d+$/.test(v));
      return mine.length === values.length && mine.every((v, i) => v === values[i]);
    });
  }
});

/** Everything a topic has, by a consumer of its own. */
async function recordsOf(
  addresses: string[],
  topic: string,
): Promise<{ offset: string; value: Buffer | null }[]> {
  const [marks] = await withAdmin(addresses, (admin) => admin.fetchTopicOffsets(topic));
  const consumer = kafkaClient(addresses).consumer({ groupId: `look-${topic}-${Math.random()}` });
  const found: { offset: string; value: Buffer | null }[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          found.push({ offset: message.offset, value: message.value });
          if (BigInt(message.offset) >= BigInt(marks?.high ?? 0) - 1n) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return found;
}

describeKafka('a record’s bytes', () => {
  test('headers: null, empty, not UTF-8 in name and value, repeated and in order', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    const raw = [0xff, 0xfe, 0x00, 0x80];
    await withRawHeaders(() =>
      produce(addresses, topic, [
        {
          key: Buffer.from(raw),
          value: Buffer.from(raw),
          headers: Object.fromEntries([
            [rawName.text, [Buffer.from(raw), Buffer.alloc(0), Buffer.from(raw)]],
            ['', 'no name'],
            ['null', nullValue],
            ['long', Buffer.alloc(40_000, 7)],
          ]),
        },
      ]),
    );
    const { sink } = start(addresses, topic);
    await until('it is stored', () => sink.stored.length === 1);
    const hex = (b: Buffer | string) => Buffer.from(b).toString('hex');
    const headers = sink.stored[0]?.headers.map(([n, v]) => [hex(n), hex(v)]);
    expect(headers).toEqual([
      ['e900ff', 'fffe0080'],
      ['e900ff', ''],
      ['e900ff', 'fffe0080'],
      ['', hex('no name')],
      [hex('null'), ''],
      [hex('long'), '07'.repeat(40_000)],
    ]);
    expect(sink.stored[0]?.value?.equals(Buffer.from(raw))).toBe(true);
  });

  /** kafkajs writes names as UTF-8 and no null; a producer in another language writes what it likes. */
  const rawName = { text: '#7#', bytes: Buffer.from([0xe9, 0x00, 0xff]) };
  const nullValue = Buffer.alloc(0);
  async function withRawHeaders(run: () => Promise<void>): Promise<void> {
    const encoder = createRequire(import.meta.url)('kafkajs/src/protocol/encoder.js').prototype;
    const { writeVarIntString, writeVarIntBytes } = encoder;
    encoder.writeVarIntString = function (text: string) {
      return text === rawName.text
        ? writeVarIntBytes.call(this, rawName.bytes)
        : writeVarIntString.call(this, text);
    };
    encoder.writeVarIntBytes = function (bytes: Buffer | null) {
      return writeVarIntBytes.call(this, bytes === nullValue ? null : bytes);
    };
    try {
      await run();
    } finally {
      Object.assign(encoder, { writeVarIntString, writeVarIntBytes });
    }
  }

  test('over the broker’s limit never arrive: the producer hears of it, and the next record follows without a hole', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    const { sink, log } = start(addresses, topic);
    await produce(addresses, topic, [{ value: 'before' }]);
    const tooLarge = produce(addresses, topic, [{ value: Buffer.alloc(34 * 1024 * 1024) }]);
    await expect(tooLarge).rejects.toThrow(/larger than the max message size|MESSAGE_TOO_LARGE/i);
    await produce(addresses, topic, [{ value: 'after' }]);
    await until('both are stored', () => sink.stored.length === 2);
    expect(sink.stored.map((r) => r.offset)).toEqual([0n, 1n]);
    expect(unwanted(log)).toEqual([]);
  });

  test('compressed in a way nobody can read end the intake: one clear error, nothing stored, nothing moved', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    await produce(addresses, topic, padded(0, 10), { compression: kafkajs.CompressionTypes.LZ4 });
    const { CompressionCodecs, CompressionTypes } = kafkajs;
    // Declared without the message that it is thrown with.
    const NotImplemented = kafkajs.KafkaJSNotImplemented as unknown as new (message: string) => Error;
    const codec = CompressionCodecs[CompressionTypes.LZ4];
    CompressionCodecs[CompressionTypes.LZ4] = () => {
      throw new NotImplemented('LZ4 compression not implemented');
    };
    const { sink, intake } = start(addresses, topic);
    try {
      await expect(intake.ended).rejects.toThrow(
        'KW_BROKER: Kafka did not answer, or cannot be read. A batch is compressed in a way that this version does ' +
          'not know (LZ4 compression not implemented). Nothing is lost: it waits in its topic.',
      );
    } finally {
      CompressionCodecs[CompressionTypes.LZ4] = codec;
    }
    expect(sink.stored).toEqual([]);
    const again = start(addresses, topic, sink);
    await until('they are stored by one that can', () => again.sink.stored.length === 10);
  });
});

describeKafka('partitions that are added', () => {
  test('are read from their beginning, within seconds, without a restart', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses, 1);
    const { sink, log } = start(addresses, topic);
    await produce(addresses, topic, padded(0, 10));
    await until('the first are stored', () => sink.stored.length === 10);
    await withAdmin(addresses, (admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] }));
    const before = Date.now();
    await produce(addresses, topic, padded(0, 10), { partition: 2 });
    await until('the new ones are stored', () => sink.stored.length === 20);
    expect(Date.now() - before).toBeLessThan(9_000);
    expect(sink.stored.slice(10).every((r) => r.partition === 2 && r.epoch === 0)).toBe(true);
    expect([sink.gaps, sink.epochs, unwanted(log)]).toEqual([[], [], []]);
  });
});
