/**
 * The connection to a cluster. The one file that knows kafkajs; what it really does when things go wrong is in
 * docs/kafka.md.
 */
import { createRequire } from 'node:module';
import kafkajs, { type Admin, type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs';
import type { Secret } from '../core/secret.ts';
import { lz4Codec, snappyCodec, zstdCodec } from './kafkaCodecs.ts';
import { keepHeadersExact } from './kafkaRecord.ts';
import { type MetadataDefinition, teachTopicIds } from './kafkaTopicId.ts';

export interface KafkaConnection {
  readonly brokers: readonly string[];
  readonly tls?: boolean | { readonly ca: string };
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: Secret;
  };
}

/** kafkajs gives up early and ends the session; beginning anew is ours, so that one place waits and tells. */
export const retryPolicy = { retries: 8, initialRetryTime: 100, maxRetryTime: 1_000 };

const { CompressionCodecs, CompressionTypes, logLevel } = kafkajs;
CompressionCodecs[CompressionTypes.Snappy] = snappyCodec;
CompressionCodecs[CompressionTypes.LZ4] = lz4Codec;
CompressionCodecs[CompressionTypes.ZSTD] = zstdCodec;
const ofKafkajs = createRequire(import.meta.url);
keepHeadersExact(ofKafkajs('kafkajs/src/protocol/decoder.js').prototype);
teachTopicIds(ofKafkajs('kafkajs/src/protocol/requests/metadata/index.js') as MetadataDefinition);

/** What kafkajs logs as an error goes to `onError`, a line each. */
export function newKafka(connection: KafkaConnection, onError: (line: string) => void): Kafka {
  return new kafkajs.Kafka(clientConfig(connection, onError));
}

/** Its errors reach the caller; only the consumer's fetches say something that no error or event says. */
export function newAdmin(connection: KafkaConnection): Admin {
  return newKafka(connection, () => {}).admin();
}

function clientConfig({ brokers, tls, sasl }: KafkaConnection, onError: (line: string) => void): KafkaConfig {
  return {
    clientId: 'keywitness',
    brokers: [...brokers],
    retry: retryPolicy,
    logLevel: logLevel.ERROR,
    // kafkajs writes a line for each attempt: ours say it once.
    logCreator:
      () =>
      ({ log, namespace }) =>
        onError(`${namespace} ${log.message} ${String(log.error ?? '')}`),
    ...(tls ? { ssl: tls === true ? true : { ca: [tls.ca] } } : {}),
    ...(sasl ? { sasl: saslOptions(sasl) } : {}),
  };
}

function saslOptions({ mechanism, username, password }: NonNullable<KafkaConnection['sasl']>): SASLOptions {
  return { mechanism, username, password: password.reveal() } as SASLOptions;
}
