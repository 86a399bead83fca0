import type { KafkaOptions } from '../../intake/kafka.ts';
import { lookAtCluster, type TopicFacts } from '../../intake/kafkaProbe.ts';
import { controlTopic } from '../../intake/membership.ts';
import { errorText } from '../../telemetry/telemetry.ts';
import { type Finding, ok } from './finding.ts';

/** How long Keywitness may be away without a loss, at the least. */
const retentionMsMin = 86_400_000;

/** The cluster, and whether its topics keep what is to be read. `isShared`: instances agree over the control topic. */
export async function brokerFindings(options: KafkaOptions, isShared: boolean): Promise<Finding[]> {
  const where = options.brokers.join(', ');
  try {
    const { topics, missing } = await lookAtCluster(options, options.topics, isShared ? [controlTopic] : []);
    const found = [
      ...(isShared ? controlFindings(topics, options.brokers[0] ?? '') : []),
      ...missing.map(
        (name): Finding => ({
          check: 'kafka',
          state: 'missing',
          detail: `${where} has no topic ${name}`,
          fix: `kafka-topics.sh --bootstrap-server ${options.brokers[0]} --create --topic ${name}`,
        }),
      ),
      ...topics.flatMap((topic) => topicFindings(topic, options.brokers[0] ?? '')),
    ];
    return found.length > 0 ? found : [ok('kafka', `${where}, ${topics.length} topics`)];
  } catch (error) {
    const fix = 'Start it, or correct `kafka:` (brokers, ssl, sasl); records wait in the topic meanwhile';
    return [
      { check: 'kafka', state: 'missing', detail: `${where} does not answer: ${errorText(error)}`, fix },
    ];
  }
}

function controlFindings(topics: readonly TopicFacts[], broker: string): Finding[] {
  const topic = topics.find(({ name }) => name === controlTopic);
  if (topic?.partitions === 1) return [];
  const create = `kafka-topics.sh --bootstrap-server ${broker} --create --topic ${controlTopic} --partitions 1 --config cleanup.policy=delete --config retention.ms=604800000`;
  if (topic === undefined) {
    const detail = `there is no topic ${controlTopic}: instances on a server agree over it, and none starts without`;
    return [{ check: 'kafka', state: 'missing', detail, fix: create }];
  }
  const detail = `topic ${controlTopic} has ${topic.partitions} partitions and must have one`;
  const fix = `kafka-topics.sh --bootstrap-server ${broker} --delete --topic ${controlTopic}, then ${create}`;
  return [{ check: 'kafka', state: 'wrong', detail, fix }];
}

function topicFindings({ name, cleanup, retentionMs }: TopicFacts, broker: string): Finding[] {
  const alter = `kafka-configs.sh --bootstrap-server ${broker} --alter --entity-type topics --entity-name ${name} --add-config`;
  const found: Finding[] = [];
  if (cleanup.includes('compact')) {
    const detail = `topic ${name} is compacted: the broker removes records before they are read`;
    found.push({ check: 'kafka', state: 'wrong', detail, fix: `${alter} cleanup.policy=delete` });
  }
  if (retentionMs !== undefined && retentionMs >= 0 && retentionMs < retentionMsMin) {
    const detail = `topic ${name} keeps records for ${Math.floor(retentionMs / 60_000)} minutes: whoever is away longer loses them`;
    found.push({ check: 'kafka', state: 'wrong', detail, fix: `${alter} retention.ms=604800000` });
  }
  return found;
}
