import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../src/core/packageRoot.ts';
import type { Campaign } from './campaignTypes.ts';

/**
 * The long run: `npm run campaign -- [--seeds N] [--seed S] [NAME…]`. Every `Campaign` that a file of this folder
 * exports is run; each ends with a line of figures, and the whole with exit 1 unless all attacks were
 * detected and nothing else was.
 */
const folder = join(packageRoot, 'test/campaign');
const defaultSeeds = 1000;
/** These run whole services and brokers, minutes a seed. */
const slowSeeds: Readonly<Record<string, number>> = {
  crash: 20,
  broker: 3,
  store: 3,
  freeze: 5,
  'full disk': 1,
};

async function campaigns(): Promise<Campaign[]> {
  const found: Campaign[] = [];
  for (const file of readdirSync(folder).sort()) {
    const path = join(folder, file);
    // A worker must not be run by being looked at.
    if (!/^export const \w+: Campaign = /m.test(readFileSync(path, 'utf8'))) continue;
    const module = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
    found.push(...Object.values(module).filter(isCampaign));
  }
  return found;
}

function isCampaign(value: unknown): value is Campaign {
  return typeof value === 'object' && value !== null && 'name' in value && 'run' in value;
}

async function main(args: readonly string[]): Promise<number> {
  const option = (name: string, fallback: number) => {
    const at = args.indexOf(name);
    return at < 0 ? fallback : Number(args[at + 1]);
  };
  const wanted = args.filter((arg, i) => !arg.startsWith('--') && !args[i - 1]?.startsWith('--'));
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  let isGood = true;
  for (const campaign of await campaigns()) {
    if (wanted.length > 0 && !wanted.includes(campaign.name)) continue;
    const begun = performance.now();
    const { cases, detected, located, falseAlarms } = await campaign.run({
      seeds: option('--seeds', slowSeeds[campaign.name] ?? defaultSeeds),
      seed: option('--seed', 1),
      say,
    });
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    const percent = (n: number) => (cases === 0 ? '-' : `${((100 * n) / cases).toFixed(2)} %`);
    say(
      `${campaign.name}: ${cases} attacks, detected ${detected} (${percent(detected)}), ` +
        `located ${located} (${percent(located)}), false alarms ${falseAlarms}, ${seconds} s`,
    );
    isGood &&= detected === cases && falseAlarms === 0;
  }
  return isGood ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
