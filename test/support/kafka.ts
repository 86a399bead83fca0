import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, CompressionTypes, Kafka, logLevel, type Message } from 'kafkajs';
import { describe, inject } from 'vitest';
import { sharedBroker } from './broker.ts';
import { kafkaMissing } from './kafkaHome.ts';

const missing = kafkaMissing();
const given = process.env.KAFKA_BROKERS;

/**
 * A suite that needs a real broker. Without Java or Maven it is reported as skipped with one loud line,
 * and fails where CI=true: a promise that was not tested must not look like one that was.
 */
export function describeKafka(name: string, suite: () => void, options = { ownBroker: false }): void {
  const reason = given && !options.ownBroker ? '' : missing;
  if (reason && process.env.CI === 'true') {
    throw new Error(`CI=true and ${reason}: the Kafka tests cannot run`);
  }
  if (reason) process.stderr.write(`\n*** KAFKA TESTS SKIPPED: ${reason}. "${name}" was NOT tested. ***\n`);
  describe.skipIf(reason !== '')(name, suite);
}

/** The brokers of this run: `KAFKA_BROKERS` when given, else the one all test files share. */
export async function brokers(): Promise<string[]> {
  if (given) return given.split(',');
  return [await sharedBroker(inject('kafkaRunDir'))];
}

export function kafkaClient(addresses: readonly string[]): Kafka {
  return new Kafka({
    clientId: 'keywitness-test',
    brokers: [...addresses],
    logLevel: logLevel.NOTHING,
    retry: { retries: 20, initialRetryTime: 100, maxRetryTime: 1_000 },
  });
}

export async function withAdmin<T>(
  addresses: readonly string[],
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = kafkaClient(addresses).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

/** An open port is not yet a broker that can create topics: wait for a controller. */
async function waitForController(addresses: readonly string[], timeoutMs = 30_000): Promise<void> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const cluster = await withAdmin(addresses, (admin) => admin.describeCluster()).catch(() => undefined);
    if (cluster && cluster.controller !== null && cluster.brokers.length > 0) return;
    if (Date.now() > until) throw new Error(`no controller at ${addresses.join(',')} within ${timeoutMs} ms`);
    await sleep(100);
  }
}

/** A topic nobody else uses. */
export async function freshTopic(
  addresses: readonly string[],
  partitions = 1,
  name?: string,
): Promise<string> {
  await waitForController(addresses);
  const topic = name ?? `t-${randomUUID().slice(0, 8)}`;
  await createTopic(addresses, topic, partitions);
  return topic;
}

export async function createTopic(
  addresses: readonly string[],
  topic: string,
  partitions: number,
  configEntries: { name: string; value: string }[] = [],
): Promise<void> {
  await withAdmin(addresses, (admin) =>
    admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic, numPartitions: partitions, configEntries }],
    }),
  );
}

/** Takes every member out of a group, as an expired session would: each finds out at its next heartbeat. */
export async function evictMembers(addresses: readonly string[], group: string): Promise<number> {
  const { groups } = await withAdmin(addresses, (admin) => admin.describeGroups([group]));
  const members = groups.flatMap((g) => g.members.map((m) => m.memberId));
  await withCoordinator(addresses, group, async (coordinator) => {
    for (const memberId of members) await coordinator.leaveGroup({ groupId: group, memberId });
  });
  return members.length;
}

/** Commits an offset of a group that has no members. (`admin.setOffsets` joins it first, which takes 5 s.) */
export async function commitFor(
  addresses: readonly string[],
  group: string,
  at: { topic: string; partition: number; offset: string },
): Promise<void> {
  const { topic, partition, offset } = at;
  const topics = [{ topic, partitions: [{ partition, offset }] }];
  await withCoordinator(addresses, group, (coordinator) =>
    coordinator.offsetCommit({ groupId: group, groupGenerationId: -1, memberId: '', topics }),
  );
}

interface Coordinator {
  leaveGroup(who: { groupId: string; memberId: string }): Promise<unknown>;
  offsetCommit(what: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: readonly object[];
  }): Promise<unknown>;
}

interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  findGroupCoordinator(of: { groupId: string }): Promise<Coordinator>;
}

async function withCoordinator(
  addresses: readonly string[],
  groupId: string,
  ask: (coordinator: Coordinator) => Promise<unknown>,
): Promise<void> {
  const cluster = clusterOf(kafkaClient(addresses));
  await cluster.connect();
  try {
    await cluster.refreshMetadata();
    await ask(await cluster.findGroupCoordinator({ groupId }));
  } finally {
    await cluster.disconnect();
  }
}

/** What kafkajs asks a coordinator for its own members, its inside asks for anybody. */
function clusterOf(client: Kafka): Cluster {
  const symbols = Object.getOwnPropertySymbols(client);
  const create = symbols.find((s) => s.description === 'private:Kafka:createCluster');
  if (create === undefined) throw new Error('kafkajs is not the version it was');
  return (client as unknown as Record<symbol, (options: object) => Cluster>)[create]?.({}) as Cluster;
}

/** kafkajs makes one batch of one `send`, and a broker refuses one over 1 MiB: stay well below. */
const sendBytes = 400_000;

/** Sends to one partition, in order. */
export async function produce(
  addresses: readonly string[],
  topic: string,
  messages: readonly Message[],
  options: { partition?: number; compression?: CompressionTypes } = {},
): Promise<void> {
  const producer = kafkaClient(addresses).producer({ allowAutoTopicCreation: false });
  await producer.connect();
  try {
    for (const chunk of chunks(messages)) {
      await producer.send({
        topic,
        compression: options.compression ?? CompressionTypes.None,
        messages: chunk.map((message) => ({ partition: options.partition ?? 0, ...message })),
      });
    }
  } finally {
    await producer.disconnect();
  }
}

function* chunks(messages: readonly Message[]): Generator<Message[]> {
  let chunk: Message[] = [];
  let bytes = 0;
  for (const message of messages) {
    chunk.push(message);
    bytes += message.value?.length ?? 0;
    if (bytes < sendBytes) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}

/** Makes the topic over which instances agree; once a broker. */
export async function withControlTopic(addresses: readonly string[]): Promise<void> {
  await withAdmin(addresses, async (admin) => {
    if ((await admin.listTopics()).includes('keywitness.control')) return;
    // Another test file may be making it.
    await admin
      .createTopics({ waitForLeaders: true, topics: [{ topic: 'keywitness.control', numPartitions: 1 }] })
      .catch(() => {});
  });
}
