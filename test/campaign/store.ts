import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../baseline/random.ts';
import { Broker } from '../support/broker.ts';
import { type Fault, type StandIn, startStandIn } from '../support/clickhouse.ts';
import { withControlTopic } from '../support/kafka.ts';
import { until } from '../support/wait.ts';
import { BrokerWorld } from './brokerWorld.ts';
import type { Campaign, CampaignOptions } from './campaignTypes.ts';

interface Scene {
  readonly world: BrokerWorld;
  readonly server: StandIn;
  readonly random: () => number;
  /** How long a store is away. */
  readonly pauseMs: number;
}

/** What must have shown while it lasted and did not; alerts, high or critical, that it must have left. */
interface Outcome {
  readonly unseen: readonly string[];
  readonly alerts: readonly string[];
}

const between = (random: () => number, from: number, to: number) =>
  from + Math.floor(random() * (to - from + 1));
/** People are told of what cannot be signed after three heartbeats. */
const toldMs = 45_000;

async function load({ world, random }: Scene): Promise<void> {
  for (let i = 0; i < 3; i++) {
    for (const partition of [0, 1]) await world.produce(between(random, 20, 120), partition);
  }
}

/** A store that takes nothing for a while: it shows on `/healthz` and in one line, and is over when it is over. */
async function away(scene: Scene, kind: Fault['kind']): Promise<Outcome> {
  const { world, server, pauseMs } = scene;
  const unseen: string[] = [];
  const [failed, recovered] = [world.logged('flush_failed').length, world.logged('store_recovered').length];
  const begun = Date.now();
  await server.fault({ kind });
  await load(scene);
  const isShown = async () => /^impaired\n(.*\n)*store: /.test(await world.health());
  await until('it shows', isShown, 60_000).catch(() =>
    unseen.push(`/healthz said nothing of a store that was ${kind}`),
  );
  await sleep(Math.max(0, begun + pauseMs - Date.now()));
  await server.fault({ kind: 'none' });
  await load(scene);
  await world.caughtUp();
  const isOver = async () => (await world.health()) === 'ok\n';
  await until('it is over', isOver, 60_000).catch(() => unseen.push('/healthz did not say that it was over'));
  const lines = [
    world.logged('flush_failed').length - failed,
    world.logged('store_recovered').length - recovered,
  ];
  if (lines.join() !== '1,1') unseen.push(`lines of failure and recovery: ${lines.join()}, not 1,1`);
  return { unseen, alerts: Date.now() - begun > toldMs && pauseMs > toldMs ? ['keywitness.unsigned'] : [] };
}

const tables = ['records', 'set_aside', 'sessions', 'hits', 'events', 'meta', 'checkpoints', 'tiles'];

/** One insert after the other meets the fault, into each table once, in an order of the seed's. */
async function eachTable(scene: Scene, fault: Pick<Fault, 'kind' | 'delayMs'>): Promise<Outcome> {
  const { world, server, random } = scene;
  const left = [...tables];
  while (left.length > 0) {
    const [table = ''] = left.splice(Math.floor(random() * left.length), 1);
    // More often than the client tries again: then the flush as a whole is made anew.
    await server.fault({ ...fault, match: `^INSERT INTO kw\\.${table} `, times: between(random, 1, 4) });
    await load(scene);
    await sleep(between(random, 0, 1_500));
  }
  await server.fault({ kind: 'none' });
  await load(scene);
  await world.caughtUp();
  // What was sent late is on its way still.
  await sleep((fault.delayMs ?? 0) + 500);
  return { unseen: [], alerts: [] };
}

async function slow(scene: Scene): Promise<Outcome> {
  const { world, server, random, pauseMs } = scene;
  await server.fault({ kind: 'slow', delayMs: between(random, 200, 1_200) });
  for (const end = Date.now() + pauseMs; Date.now() < end; await sleep(1_000)) await load(scene);
  await world.caughtUp(240_000);
  await server.fault({ kind: 'none' });
  return { unseen: [], alerts: [] };
}

export const storeFaults: Readonly<Record<string, (scene: Scene) => Promise<Outcome>>> = {
  down: (scene) => away(scene, 'down'),
  'read-only': (scene) => away(scene, 'read-only'),
  'out of memory': (scene) => away(scene, 'refuse'),
  slow,
  'applied, and no answer': (scene) => eachTable(scene, { kind: 'answer-lost' }),
  'applied after the time-out': (scene) => eachTable(scene, { kind: 'late', delayMs: 2_000 }),
  'applied, and silent': (scene) => eachTable(scene, { kind: 'hang' }),
};

export interface StoreRun {
  readonly names: readonly string[];
  readonly seed: number;
  readonly addresses: readonly string[];
  readonly pauseMs: number;
}

/** Faults on a service and a store of their own; in words what did not hold afterwards. */
export async function runStoreFaults({ names, seed, addresses, pauseMs }: StoreRun): Promise<string[]> {
  const random = seededRandom(seed);
  await withControlTopic(addresses);
  const server = await startStandIn();
  const world = await BrokerWorld.open(addresses, 2, server);
  try {
    for (const partition of [0, 1]) await world.produce(100 + Math.floor(random() * 400), partition);
    await world.start();
    await world.caughtUp();
    const outcomes: Outcome[] = [];
    for (const name of names) {
      const fault = storeFaults[name];
      if (fault === undefined) throw new Error(`there is no fault ${name}`);
      outcomes.push(await fault({ world, server, random, pauseMs }));
    }
    await world.stop();
    const alerts = [...new Set(outcomes.flatMap((o) => o.alerts))];
    return [...outcomes.flatMap((o) => o.unseen), ...(await world.faults({ gaps: 0, alerts }))];
  } finally {
    await world.close();
    await server.stop();
  }
}

/** Every fault `seeds` times, each with a service and a store of its own; away for two minutes. */
export const store: Campaign = {
  name: 'store',
  async run({ seeds, seed, say }: CampaignOptions) {
    let cases = 0;
    let broken = 0;
    const broker = await Broker.start();
    try {
      for (const name of Object.keys(storeFaults)) {
        for (let i = 0; i < seeds; i++) {
          const run = { names: [name], seed: seed + i, addresses: [broker.address], pauseMs: 120_000 };
          const wrong = await runStoreFaults(run).catch((error: unknown) => [String(error)]);
          cases++;
          if (wrong.length > 0) broken++;
          say(`${name}, seed ${seed + i}: ${wrong.length === 0 ? 'held' : `BROKEN: ${wrong.join('; ')}`}`);
        }
      }
    } finally {
      await broker.remove();
    }
    return { cases, detected: cases - broken, located: cases - broken, falseAlarms: 0 };
  },
};
