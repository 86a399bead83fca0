import { seededRandom } from '../baseline/random.ts';
import { Broker } from '../support/broker.ts';
import { until } from '../support/wait.ts';
import type { Campaign } from './campaignTypes.ts';
import { brokenPromises } from './crashOracle.ts';
import { type CrashPlan, crashPlan, crashStages, maySayNothing } from './crashPlan.ts';
import { killedItself, messagesSettled, openWorld, stopRun, type World } from './crashWorld.ts';

/** So many kills in a row, on average, before it may come to the end of what there is. */
const killsInARow = 3;

export interface CrashOutcome {
  readonly crashes: number;
  /** In words; nothing = everything held. */
  readonly broken: readonly string[];
}

/**
 * Every stage once in an order of the seed's, on one log. Now and then, after `inARow` kills on average, and at the
 * end it is left to finish, and everything is checked.
 */
export async function crashAtEveryStage(
  addresses: readonly string[],
  seed: number,
  say: (line: string) => void,
  inARow = killsInARow,
): Promise<CrashOutcome> {
  const random = seededRandom(seed);
  const world = await openWorld(addresses);
  const broken: string[] = [];
  let crashes = 0;
  let silent = 0;
  try {
    const order = crashStages.map((stage) => ({ stage, at: random() })).sort((a, b) => a.at - b.at);
    for (const [i, { stage }] of order.entries()) {
      const plan = crashPlan(stage, random, crashes === 0);
      say(`seed ${seed}: ${plan.stage} (${placeOf(plan)})`);
      await world.load();
      await killedItself(await world.start(plan));
      crashes++;
      if (maySayNothing(plan)) silent++;
      if (i < order.length - 1 && random() * inARow >= 1) continue;
      const log = await finish(world);
      broken.push(...(await brokenPromises(world, { crashes, silent })));
      const isSaid = log.includes('"event":"run_interrupted"');
      if (!isSaid && !maySayNothing(plan)) broken.push('the log does not say that the run before was killed');
    }
  } finally {
    await world.close();
  }
  for (const sentence of broken) say(`seed ${seed}: BROKEN: ${sentence}`);
  return { crashes, broken };
}

function placeOf({ stage, table, nth, delayMs, tornBytes }: CrashPlan): string {
  if (stage === 'mid-insert') return `${table}, time ${nth}, after ${delayMs} ms`;
  if (stage === 'any moment') return `after ${delayMs} ms`;
  return stage === 'before anchor' ? `time ${nth}, ${tornBytes} bytes written` : `time ${nth}`;
}

/** Started again and left alone: it takes in everything, tells everybody, and ends in order. Returns its log. */
async function finish(world: World): Promise<string> {
  const run = await world.start();
  await until('everything is stored', () => world.stored(run), 60_000);
  await messagesSettled(world);
  await stopRun(run);
  return run.log();
}

/** `kill -9` at each stage of the way, several times in a row, on the running service. */
export const crash: Campaign = {
  name: 'crash',
  async run({ seeds, seed, say }) {
    const broker = await Broker.start();
    let cases = 0;
    let broken = 0;
    try {
      for (let i = 0; i < seeds; i++) {
        const outcome = await crashAtEveryStage([broker.address], seed + i, say);
        cases += outcome.crashes;
        broken += outcome.broken.length;
      }
    } finally {
      await broker.remove();
    }
    return { cases, detected: cases, located: cases, falseAlarms: broken };
  },
};
