/**
 * Roots of a topic, computed from docs/ledger.md alone: another consumer, `node:crypto`, and the recursive
 * definition of RFC 6962 section 2.1. Nothing of the product is used, so it runs in a process of its own: the
 * product changes how kafkajs reads headers.
 */
import { createHash } from 'node:crypto';
import type { KafkaMessage } from 'kafkajs';
import { kafkaClient } from '../support/kafka.ts';
import { until } from '../support/wait.ts';

const sha = (...parts: (string | Buffer)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
const hexOf = (bytes: Buffer | null) => sha(bytes ?? '').toString('hex');

function leaf(cluster: string, topic: string, partition: number, message: KafkaMessage): Buffer {
  const headers: Buffer[] = [];
  const add = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    headers.push(length, bytes);
  };
  for (const [name, values] of Object.entries(message.headers ?? {})) {
    for (const value of [values ?? ''].flat()) {
      add(Buffer.from(name));
      add(Buffer.from(value));
    }
  }
  const flags = (message.key === null ? 1 : 0) + (message.value === null ? 2 : 0);
  const hashes = [hexOf(message.key), hexOf(Buffer.concat(headers)), hexOf(message.value)];
  const at = [cluster, topic, partition, 0, message.offset, message.timestamp];
  return sha(Buffer.of(0), ['keywitness-leaf/v1', ...at, ...hashes, flags, ''].join('\n'));
}

/** The Merkle tree hash of these leaves. */
function independentRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length < 2) return leaves[0] ?? sha('');
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  return sha(Buffer.of(1), independentRoot(leaves.slice(0, half)), independentRoot(leaves.slice(half)));
}

export interface ReplayedRoot {
  readonly partition: number;
  readonly records: number;
  /** Base64. */
  readonly root: string;
}

/** Number of records and root (base64) of each partition of a topic of `total` records, epoch 0. */
async function replayedRoots(
  addresses: readonly string[],
  topic: string,
  total: number,
): Promise<ReplayedRoot[]> {
  const leaves = new Map<number, Buffer[]>();
  let count = 0;
  const consumer = kafkaClient(addresses).consumer({ groupId: `replay-${topic}-${total}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      const list = leaves.get(partition) ?? [];
      leaves.set(partition, list);
      list.push(leaf('main', topic, partition, message));
      count++;
    },
  });
  await until('the topic is read', () => count === total, 60_000);
  await consumer.disconnect();
  return [...leaves].map(([partition, list]) => ({
    partition,
    records: list.length,
    root: independentRoot(list).toString('base64'),
  }));
}

const [addresses = '', topic = '', total = ''] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await replayedRoots(addresses.split(','), topic, Number(total))));
