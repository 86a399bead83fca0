import { expect, test } from 'vitest';
import { Broker } from '../support/broker.ts';
import { brokers, describeKafka, freshTopic, kafkaClient, produce, withAdmin } from '../support/kafka.ts';
import { isAlive } from '../support/kafkaProcess.ts';

describeKafka('the test broker', () => {
  test('is a real broker: what is produced is at the offsets it says', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses, 2);
    await produce(addresses, topic, [{ value: 'a' }, { value: null }, { value: '' }], { partition: 1 });
    const offsets = await withAdmin(addresses, (admin) => admin.fetchTopicOffsets(topic));
    expect(offsets.map((o) => [o.partition, o.low, o.high]).sort()).toEqual([
      [0, '0', '0'],
      [1, '0', '3'],
    ]);
  });
});

describeKafka(
  'a broker of one’s own',
  () => {
    test('keeps its records and its address over a stop and a start', async () => {
      const broker = await Broker.start();
      try {
        const topic = await freshTopic([broker.address]);
        await produce([broker.address], topic, [{ value: 'kept' }]);
        const before = broker.pid;
        await broker.stop();
        expect(isAlive(before)).toBe(false);
        await broker.start();
        const consumer = kafkaClient([broker.address]).consumer({ groupId: topic });
        await consumer.connect();
        await consumer.subscribe({ topic, fromBeginning: true });
        const value = await new Promise<string>((resolve) => {
          void consumer.run({ eachMessage: async ({ message }) => resolve(String(message.value)) });
        });
        await consumer.disconnect();
        expect(value).toBe('kept');
      } finally {
        await broker.remove();
      }
    });
  },
  { ownBroker: true },
);
