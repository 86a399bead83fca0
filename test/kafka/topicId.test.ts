import { describe, expect, test } from 'vitest';
// Teaches kafkajs, once for the process.
import '../../src/intake/kafka.ts';
import { type MetadataDefinition, teachTopicIds, topicIdOf } from '../../src/intake/kafkaTopicId.ts';
import { brokers, createTopic, describeKafka, freshTopic, withAdmin } from '../support/kafka.ts';
import { until } from '../support/wait.ts';

async function idOf(addresses: string[], topic: string): Promise<string> {
  const { topics } = await withAdmin(addresses, (admin) => admin.fetchTopicMetadata({ topics: [topic] }));
  return topicIdOf(topics[0]?.partitions ?? []);
}

describeKafka('the id of a topic', () => {
  test('is its own, stays, and is another one when it was re-created', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses, 3);
    const first = await idOf(addresses, topic);
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(first).not.toBe('0'.repeat(32));
    expect(await idOf(addresses, topic)).toBe(first);
    expect(await idOf(addresses, await freshTopic(addresses))).not.toBe(first);
    await withAdmin(addresses, (admin) => admin.deleteTopics({ topics: [topic] }));
    await until('it is created again', () =>
      createTopic(addresses, topic, 3).then(
        () => true,
        () => false,
      ),
    );
    expect(await idOf(addresses, topic)).not.toBe(first);
  });

  test('comes with the rest of the metadata', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses, 3);
    const { topics } = await withAdmin(addresses, (admin) => admin.fetchTopicMetadata({ topics: [topic] }));
    const partitions = [...(topics[0]?.partitions ?? [])].sort((a, b) => a.partitionId - b.partitionId);
    expect(topics.map((t) => t.name)).toEqual([topic]);
    expect(partitions).toMatchObject(
      [0, 1, 2].map((partitionId) => ({
        partitionErrorCode: 0,
        partitionId,
        leader: 1,
        replicas: [1],
        isr: [1],
        offlineReplicas: [],
      })),
    );
    const cluster = await withAdmin(addresses, (admin) => admin.describeCluster());
    const [host = '', port] = (addresses[0] ?? '').split(':');
    expect(cluster).toMatchObject({ controller: 1, brokers: [{ nodeId: 1, host, port: Number(port) }] });
    await expect(
      withAdmin(addresses, (admin) => admin.fetchTopicMetadata({ topics: [`${topic}-not`] })),
    ).rejects.toThrow(/does not host this topic-partition/);
  });
});

describe('a broker that knows no ids of topics', () => {
  test.each([
    [6, 6],
    [8, 6],
    [9, 6],
    [3, 3],
  ])('and offers metadata up to version %i is asked in version %i', (offered, asked) => {
    const chosen: number[] = [];
    const definition: MetadataDefinition = {
      versions: ['0', '6'],
      protocol: ({ version }) => {
        chosen.push(version);
        return (() => {
          throw new Error('not asked for here');
        }) as never;
      },
    };
    teachTopicIds(definition);
    definition.protocol({ version: offered });
    expect(chosen).toEqual([asked]);
    expect(topicIdOf([{ partitionId: 0 }])).toBe('');
  });
});
