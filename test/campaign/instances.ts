import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../baseline/random.ts';
import { Broker } from '../support/broker.ts';
import { withControlTopic } from '../support/kafka.ts';
import type { Campaign } from './campaignTypes.ts';
import { type Instance, InstanceWorld } from './instanceWorld.ts';

/** Longer than a member of the group may be silent (15 s). */
const frozenMs = 60_000;
/** A case takes minutes: a few say what there is to say. */
const casesMax = 20;

/**
 * Two or three instances under load; in an order of the seed's they are frozen for a minute, killed and started again,
 * ended and started again, and the store loses answers. Returns what did not hold, in words.
 */
async function upheaval(
  addresses: readonly string[],
  seed: number,
  say: (line: string) => void,
): Promise<string[]> {
  const random = seededRandom(seed);
  const world = await InstanceWorld.open(addresses);
  const some = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const later = async () => {
    await world.send(20 + Math.floor(random() * 200));
    await sleep(random() * 1_500);
  };
  const acts: Readonly<Record<string, (of: Instance) => Promise<void>>> = {
    async freeze(of) {
      of.child.kill('SIGSTOP');
      const end = Date.now() + frozenMs;
      while (Date.now() < end) await later();
      of.child.kill('SIGCONT');
    },
    async kill(of) {
      await world.kill(of);
      await later();
      await world.start(of.name);
    },
    async restart(of) {
      await world.end(of);
      await later();
      await world.start(of.name);
    },
    async answers() {
      await world.server.fault({
        kind: some(['answer-lost', 'late'] as const),
        delayMs: 2_000,
        match: '^INSERT',
        times: 5,
      });
      await later();
      await world.server.fault({ kind: 'none' });
    },
  };
  try {
    await world.two();
    if (random() < 0.5) await world.start('c');
    for (let i = 0; i < 4; i++) {
      const name = some(Object.keys(acts));
      const of = some(world.running);
      say(`  ${name} ${of.name}`);
      await later();
      await acts[name]?.(of);
      await later();
    }
    await world.allStored();
    await world.endAll();
    return await world.faults('a');
  } finally {
    await world.close();
  }
}

/** Instances come and go, freeze and wake up, whatever the moment. */
export const instances: Campaign = {
  name: 'instances',
  async run({ seeds, seed, say }) {
    const broker = await Broker.start();
    await withControlTopic([broker.address]);
    const cases = Math.min(seeds, casesMax);
    let broken = 0;
    try {
      for (let i = 0; i < cases; i++) {
        const wrong = await upheaval([broker.address], seed + i, say).catch((error: unknown) => [
          String(error),
        ]);
        if (wrong.length > 0) broken++;
        say(`seed ${seed + i}: ${wrong.length === 0 ? 'held' : `BROKEN: ${wrong.join('; ')}`}`);
      }
    } finally {
      await broker.remove();
    }
    return { cases, detected: cases - broken, located: cases - broken, falseAlarms: 0 };
  },
};
