import { seededRandom } from '../baseline/random.ts';
import { Broker, startCluster } from '../support/broker.ts';
import { type FaultContext, type FaultOutcome, faults } from './brokerFaults.ts';
import { BrokerWorld } from './brokerWorld.ts';
import type { Campaign, CampaignOptions } from './campaignTypes.ts';

export interface FaultRun {
  /** Names of faults, one after another on the same service. */
  readonly names: readonly string[];
  readonly seed: number;
  readonly addresses: readonly string[];
  readonly brokers: readonly Broker[];
  readonly pauseMs: number;
  readonly rebalances: number;
}

/** Faults on a service of their own; in words what did not hold afterwards. */
export async function runFaults({ names, seed, addresses, ...size }: FaultRun): Promise<string[]> {
  const random = seededRandom(seed);
  const world = await BrokerWorld.open(addresses);
  try {
    for (const partition of [0, 1]) await world.produce(100 + Math.floor(random() * 400), partition);
    await world.start();
    await world.caughtUp();
    const context: FaultContext = { world, random, ...size };
    const outcomes: FaultOutcome[] = [];
    for (const name of names) {
      const fault = faults[name];
      if (fault === undefined) throw new Error(`there is no fault ${name}`);
      outcomes.push(await fault(context));
    }
    await world.stop();
    const gaps = outcomes.reduce((n, o) => n + o.gaps, 0);
    const alerts = [...new Set(outcomes.flatMap((o) => o.alerts))];
    return [...outcomes.flatMap((o) => o.unseen), ...(await world.faults({ gaps, alerts }))];
  } finally {
    await world.close();
  }
}

const full = { pauseMs: 30_000, rebalances: 50 };

/** Every fault `seeds` times, each with a service and topic of its own; a leader change on three brokers. */
export const broker: Campaign = {
  name: 'broker',
  async run({ seeds, seed, say }: CampaignOptions) {
    let cases = 0;
    let broken = 0;
    const one = async (run: FaultRun) => {
      const wrong = await runFaults(run).catch((error: unknown) => [String(error)]);
      cases++;
      if (wrong.length > 0) broken++;
      say(
        `${run.names.join()}, seed ${run.seed}: ${wrong.length === 0 ? 'held' : `BROKEN: ${wrong.join('; ')}`}`,
      );
    };
    const single = await Broker.start();
    try {
      for (const name of Object.keys(faults).filter((n) => n !== leaderChange)) {
        for (let i = 0; i < seeds; i++) {
          await one({
            names: [name],
            seed: seed + i,
            addresses: [single.address],
            brokers: [single],
            ...full,
          });
        }
      }
    } finally {
      await single.remove();
    }
    await leaderChanges(seeds, seed, one);
    return { cases, detected: cases - broken, located: cases - broken, falseAlarms: 0 };
  },
};

const leaderChange = 'leader change';

async function leaderChanges(
  seeds: number,
  seed: number,
  one: (run: FaultRun) => Promise<void>,
): Promise<void> {
  const cluster = await startCluster();
  try {
    for (let i = 0; i < seeds; i++) {
      const addresses = cluster.map((b) => b.address);
      await one({ names: [leaderChange], seed: seed + i, addresses, brokers: cluster, ...full });
    }
  } finally {
    await Promise.all(cluster.map((b) => b.remove()));
  }
}
