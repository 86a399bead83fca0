import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../baseline/random.ts';
import { Broker } from '../support/broker.ts';
import { until } from '../support/wait.ts';
import type { Campaign } from './campaignTypes.ts';
import { brokenPromises } from './crashOracle.ts';
import { messagesSettled, openWorld, runProgram, stopRun } from './crashWorld.ts';

/** Four times as long as a member of the group may be silent. */
const frozenMs = 60_000;
/** A case takes over a minute: a few say what there is to say. */
const casesMax = 5;

/**
 * The service is frozen (SIGSTOP) at a moment of the seed's. Meanwhile records come in and somebody starts a second
 * process on the same data directory; then it goes on (SIGCONT). Returns what did not hold, in words.
 */
export async function freeze(
  addresses: readonly string[],
  seed: number,
  milliseconds: number,
): Promise<readonly string[]> {
  const random = seededRandom(seed);
  const world = await openWorld(addresses);
  const broken: string[] = [];
  try {
    await world.load();
    const run = await world.start();
    await until('it runs', () => run.log().includes('partitions_assigned'), 60_000);
    await sleep(random() * 800);
    const { pid = 0 } = run.child;
    process.kill(pid, 'SIGSTOP');
    const end = Date.now() + milliseconds;
    await world.load();
    const second = await runProgram(run);
    if (second.code !== 4 || !second.said.includes(`KW_DATA_HELD`) || !second.said.includes(String(pid))) {
      broken.push(`a second process ended with ${second.code}: ${second.said}`);
    }
    await sleep(Math.max(0, end - Date.now()));
    process.kill(pid, 'SIGCONT');
    await until('everything is stored', () => world.stored(run), 60_000);
    await messagesSettled(world);
    await stopRun(run);
    broken.push(...(await brokenPromises(world, { crashes: 0, silent: 0 })));
  } finally {
    await world.close();
  }
  return broken;
}

/** Frozen and revived, while somebody tries to take over. */
export const freezing: Campaign = {
  name: 'freeze',
  async run({ seeds, seed, say }) {
    const broker = await Broker.start();
    const cases = Math.min(seeds, casesMax);
    let broken = 0;
    try {
      for (let i = 0; i < cases; i++) {
        const sentences = await freeze([broker.address], seed + i, frozenMs);
        for (const sentence of sentences) say(`seed ${seed + i}: BROKEN: ${sentence}`);
        broken += sentences.length;
      }
    } finally {
      await broker.remove();
    }
    return { cases, detected: cases, located: cases, falseAlarms: broken };
  },
};
