import { type KafkaConnection, newAdmin } from './kafkaClient.ts';
import { chosenTopics, type TopicSelection } from './kafkaTopics.ts';

export interface TopicFacts {
  readonly name: string;
  readonly partitions: number;
  /** `delete`, `compact` or both; '' when the broker does not tell us. */
  readonly cleanup: string;
  /** Milliseconds; −1 = for ever; undefined when the broker does not tell us. */
  readonly retentionMs: number | undefined;
}

export interface ClusterFacts {
  readonly topics: readonly TopicFacts[];
  /** Named in the configuration, and not there. */
  readonly missing: readonly string[];
}

/** kafkajs names resource types by number: 2 is a topic. */
const topicResource = 2;

/** What a cluster says of the topics that are to be read, and of some others. Rejects when it does not answer. */
export async function lookAtCluster(
  connection: KafkaConnection,
  selection: TopicSelection,
  others: readonly string[] = [],
): Promise<ClusterFacts> {
  const admin = newAdmin(connection);
  await admin.connect();
  try {
    const existing = await admin.listTopics();
    const { topics, missing } = chosenTopics(selection, existing);
    const names = [...topics, ...others.filter((name) => existing.includes(name))];
    if (names.length === 0) return { topics: [], missing };
    const { topics: metadata } = await admin.fetchTopicMetadata({ topics: names });
    const resources = names.map((name) => ({
      type: topicResource,
      name,
      configNames: ['cleanup.policy', 'retention.ms'],
    }));
    // A user may read a topic and not its settings.
    const told = await admin.describeConfigs({ resources, includeSynonyms: false }).catch(() => undefined);
    const settingOf = (topic: string, name: string) =>
      told?.resources.find((r) => r.resourceName === topic)?.configEntries.find((e) => e.configName === name)
        ?.configValue;
    return {
      topics: names.map((name) => ({
        name,
        partitions: metadata.find((m) => m.name === name)?.partitions.length ?? 0,
        cleanup: settingOf(name, 'cleanup.policy') ?? '',
        retentionMs: numberOf(settingOf(name, 'retention.ms')),
      })),
      missing,
    };
  } finally {
    await admin.disconnect();
  }
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
