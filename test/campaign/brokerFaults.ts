/** What a broker does to us, one function a fault; each says what must show. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker } from '../support/broker.ts';
import { createTopic, evictMembers, kafkaClient, withAdmin } from '../support/kafka.ts';
import { until } from '../support/wait.ts';
import type { BrokerWorld } from './brokerWorld.ts';

export interface FaultContext {
  readonly world: BrokerWorld;
  /** By node id - 1; empty where nobody may stop one. */
  readonly brokers: readonly Broker[];
  readonly random: () => number;
  readonly pauseMs: number;
  readonly rebalances: number;
}

export interface FaultOutcome {
  /** Gap leaves and alerts, high or critical, that it must have left. */
  readonly gaps: number;
  readonly alerts: readonly string[];
  /** What must have shown while it lasted and did not. */
  readonly unseen: readonly string[];
}

/** Runs with the service started and all that was produced stored. */
export type Fault = (context: FaultContext) => Promise<FaultOutcome>;

const quiet: FaultOutcome = { gaps: 0, alerts: [], unseen: [] };
const between = (random: () => number, from: number, to: number) =>
  from + Math.floor(random() * (to - from + 1));

/** Both partitions, in a few batches. */
async function load({ world, random }: FaultContext): Promise<void> {
  for (let i = 0; i < 3; i++) {
    for (const partition of [0, 1]) await world.produce(between(random, 20, 120), partition);
  }
}

/** Away, and back: `/healthz` and one line must say so, and nobody is woken. */
async function awayWhile(
  context: FaultContext,
  away: () => Promise<void> | void,
  back: () => Promise<void> | void,
  isLong: boolean,
): Promise<FaultOutcome> {
  const { world } = context;
  const lines = world.logged('broker_unreachable').length;
  await load(context);
  await away();
  const unseen: string[] = [];
  if (isLong) {
    await until(
      'it shows',
      async () => (await world.health()).startsWith('impaired\nbroker: '),
      40_000,
    ).catch(() => unseen.push('/healthz said nothing of a broker that was away'));
  }
  await back();
  await load(context);
  await world.caughtUp();
  await until('health is good again', async () => (await world.health()) === 'ok\n', 60_000).catch(() =>
    unseen.push('/healthz is not ok again'),
  );
  const told = world.logged('broker_unreachable').length - lines;
  if (isLong && told !== 1) unseen.push(`broker_unreachable was told ${told} times`);
  return { ...quiet, unseen };
}

const restartClean: Fault = (context) =>
  awayWhile(
    context,
    () => context.brokers[0]?.stop(),
    () => context.brokers[0]?.start(),
    true,
  );

const restartHard: Fault = (context) =>
  awayWhile(
    context,
    () => context.brokers[0]?.kill(),
    () => context.brokers[0]?.start(),
    true,
  );

const pause: Fault = (context) =>
  awayWhile(
    context,
    async () => {
      context.brokers[0]?.pause();
      await sleep(context.pauseMs);
    },
    () => context.brokers[0]?.resume(),
    // kafkajs waits 5 s for an answer to a fetch, and tries for about as long.
    context.pauseMs >= 30_000,
  );

/** Longer than a restart: a person is told. */
const awayForLong: Fault = async (context) => {
  const outcome = await awayWhile(
    context,
    async () => {
      await context.brokers[0]?.stop();
      await sleep(75_000);
    },
    () => context.brokers[0]?.start(),
    true,
  );
  return { ...outcome, alerts: ['keywitness.away'] };
};

/** The one that is asked for partition 0 is gone for good, until everything is read from the others. */
const leaderChange: Fault = async (context) => {
  const { world, brokers } = context;
  await load(context);
  const { topics } = await withAdmin(world.addresses, (admin) =>
    admin.fetchTopicMetadata({ topics: [world.topic] }),
  );
  const id = topics[0]?.partitions.find((p) => p.partitionId === 0)?.leader ?? 0;
  const leader = brokers[id - 1];
  // In the middle of it: what was acknowledged stands, what was not is sent again.
  const loading = load(context);
  await sleep(between(context.random, 0, 60));
  await leader?.kill();
  await loading;
  await load(context);
  await world.caughtUp();
  await leader?.start();
  await load(context);
  await world.caughtUp();
  return { ...quiet, unseen: leader === undefined ? ['nobody leads'] : [] };
};

const rebalances: Fault = async (context) => {
  const { world, random } = context;
  for (let i = 0; i < context.rebalances; i++) {
    await world.produce(between(random, 1, 60), i % 2);
    await evictMembers(world.addresses, world.group);
    await sleep(between(random, 0, 400));
  }
  await world.caughtUp();
  return quiet;
};

const retention: Fault = async (context) => {
  const { world, random } = context;
  await world.stop();
  const partition = between(random, 0, 1);
  const { first } = await world.produce(between(random, 30, 200), partition);
  const { last } = await world.produce(between(random, 30, 200), partition);
  const low = first + BigInt(between(random, 1, Number(last - first) + 1));
  await withAdmin(world.addresses, async (admin) => {
    await admin.fetchTopicMetadata({ topics: [world.topic] });
    await admin.deleteTopicRecords({
      topic: world.topic,
      partitions: [{ partition, offset: String(low) }],
    });
  });
  world.lose(partition, first, low - 1n);
  await world.start();
  // Also when everything was deleted: the next record shows it.
  await load(context);
  await world.caughtUp();
  const told = world.logged('records_lost').filter((l) => l.first === String(first));
  const unseen = told.length === 1 ? [] : [`records_lost was told ${told.length} times`];
  return { gaps: 1, alerts: ['keywitness.gap'], unseen };
};

const recreated: Fault = async (context) => {
  const { world, random } = context;
  const isAway = random() < 0.5;
  const had = await world.ends();
  if (isAway) await world.stop();
  await withAdmin(world.addresses, (admin) => admin.deleteTopics({ topics: [world.topic] }));
  await until('the topic is created again', () =>
    createTopic(world.addresses, world.topic, had.length).then(
      () => true,
      () => false,
    ),
  );
  world.beginEpoch();
  await world.reconnect();
  const isLonger = random() < 0.5;
  for (const [partition, end] of had.entries()) {
    await world.produce(isLonger ? Number(end) + between(random, 1, 50) : between(random, 1, 10), partition);
  }
  if (isAway) await world.start();
  await world.caughtUp();
  const told = world.logged('epoch_began').length;
  const unseen = told >= had.length ? [] : [`epoch_began was told ${told} times`];
  return { gaps: 0, alerts: ['keywitness.epoch'], unseen };
};

const partitionsAdded: Fault = async (context) => {
  const { world } = context;
  const had = await world.ends();
  const count = had.length + 1;
  await withAdmin(world.addresses, (admin) =>
    admin.createPartitions({ topicPartitions: [{ topic: world.topic, count }] }),
  );
  await world.reconnect();
  await world.produce(50, count - 1);
  await load(context);
  await world.caughtUp();
  return quiet;
};

const tooLarge: Fault = async (context) => {
  const { world } = context;
  const producer = kafkaClient(world.addresses).producer({ retry: { retries: 0 } });
  await producer.connect();
  const value = Buffer.alloc(34 * 1024 * 1024);
  const isRefused = await producer.send({ topic: world.topic, messages: [{ value, partition: 0 }] }).then(
    () => false,
    () => true,
  );
  await producer.disconnect();
  await load(context);
  await world.caughtUp();
  return { ...quiet, unseen: isRefused ? [] : ['the broker took a record over its limit'] };
};

/** By name. */
export const faults: Readonly<Record<string, Fault>> = {
  'restart, clean': restartClean,
  'restart, hard': restartHard,
  pause,
  'away for long': awayForLong,
  'leader change': leaderChange,
  rebalances,
  'retention past our offset': retention,
  'topic re-created': recreated,
  'partitions added': partitionsAdded,
  'record over the limit': tooLarge,
};
