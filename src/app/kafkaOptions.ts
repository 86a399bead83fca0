import type { Config } from '../config/config.ts';
import type { KafkaOptions } from '../intake/kafka.ts';
import { readPem } from '../intake/listen.ts';

/** What the configuration says of the cluster, as the intake takes it; the authority's file is read. @throws KW_CONFIG */
export function kafkaOptions(cluster: string, kafka: NonNullable<Config['kafka']>): KafkaOptions {
  const { ssl, sasl } = kafka;
  const tls = typeof ssl === 'object' ? { ca: readPem(ssl.ca) } : ssl;
  return {
    cluster,
    brokers: kafka.brokers,
    topics: { names: kafka.topics.map((t) => t.name), patterns: kafka.patterns.map((p) => p.pattern) },
    group: kafka.groupId,
    ...(tls === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}
