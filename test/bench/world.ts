import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import kafkajs, { type Kafka } from 'kafkajs';
import { packageRoot } from '../../src/core/packageRoot.ts';

/** As many as a small production topic; all variants read the same one. */
export const partitions = 4;

export function client(brokers: readonly string[]): Kafka {
  return new kafkajs.Kafka({ clientId: 'bench', brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING });
}

/** The shipped OpenBao quarter, again and again, each call's two lines in one partition. */
export async function fillTopic(brokers: readonly string[], topic: string, count: number): Promise<number> {
  const admin = client(brokers).admin();
  await admin.connect();
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: partitions }] });
  await admin.disconnect();
  const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
    .toString('utf8')
    .trimEnd()
    .split('\n');
  const producer = client(brokers).producer({ allowAutoTopicCreation: false });
  await producer.connect();
  let bytes = 0;
  for (let sent = 0; sent < count; ) {
    const messages: { value: string; partition: number }[] = [];
    for (; messages.length < 1_000 && sent < count; sent++) {
      const value = lines[sent % lines.length] ?? '';
      messages.push({ value, partition: partitionOf(value) });
      bytes += value.length;
    }
    await producer.send({ topic, messages });
  }
  await producer.disconnect();
  return bytes / count;
}

function partitionOf(line: string): number {
  const id = /"request":\{"id":"([0-9a-f]+)/.exec(line)?.[1] ?? '0';
  return Number.parseInt(id.slice(0, 6), 16) % partitions;
}
