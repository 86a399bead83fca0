import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VerifyReport } from '../../src/ledger/audit/findings.ts';
import { verifyLog } from '../../src/ledger/audit/verify.ts';
import type { Campaign } from './campaignTypes.ts';
import { attacks } from './tamperAttacks.ts';
import { memoryAuditStore } from './tamperMemory.ts';
import type { Attacked } from './tamperPick.ts';
import { openWorldStore, type WorldStore } from './tamperStore.ts';
import { makeWorld, type World } from './tamperWorld.ts';
import { randomOf } from './toyBundle.ts';

/** Of so many cases one is also made in a real embedded store. */
const storeShare = 20;
/** Attacks of each way on one log: to make a log costs more than to attack it. */
const attacksPerWorld = 10;

export interface TamperOutcome {
  /** By way of attack; `inStore` = how many of them were made in a real store. */
  readonly classes: Map<string, { cases: number; detected: number; located: number; inStore: number }>;
  clean: number;
  falseAlarms: number;
  readonly wrong: string[];
}

export interface TamperOptions {
  readonly seed: number;
  /** Cases of each way of attack. */
  readonly cases: number;
  readonly storeShare?: number;
  readonly say: (line: string) => void;
}

/** Attacks logs of many seeds in every way, in memory and in a real store, and looks at each untouched first. */
export async function attackLogs(options: TamperOptions): Promise<TamperOutcome> {
  const folder = mkdtempSync(join(tmpdir(), 'kw-tamper-'));
  const outcome: TamperOutcome = { classes: new Map(), clean: 0, falseAlarms: 0, wrong: [] };
  const store = await openWorldStore(join(folder, 'store'));
  try {
    // Not every log has a place for every attack.
    const worldsMax = 5 * Math.ceil(options.cases / attacksPerWorld);
    const isEnough = () =>
      Object.keys(attacks).every((name) => (outcome.classes.get(name)?.cases ?? 0) >= options.cases);
    for (let i = 0; i < worldsMax && !isEnough(); i += 1) {
      const before = outcome.wrong.length;
      await attackWorld(options, options.seed * 1_000_003 + i, { folder, store, outcome });
      for (const line of outcome.wrong.slice(before)) options.say(`  ${line}`);
      if ((i + 1) % 10 === 0)
        options.say(`tamper: ${i + 1} logs, ${outcome.wrong.length} cases not as they should be`);
    }
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return outcome;
}

interface Tools {
  readonly folder: string;
  readonly store: WorldStore;
  readonly outcome: TamperOutcome;
}

async function attackWorld(options: TamperOptions, seed: number, tools: Tools): Promise<void> {
  const { folder, store, outcome } = tools;
  const made = (name: string) => join(folder, name);
  const world = await makeWorld(seed, made('made.anchor'));
  const forge = (forgery: Parameters<typeof makeWorld>[2]) => makeWorld(seed, made('forged.anchor'), forgery);
  await lookAtClean(seed, world, tools);
  const share = options.storeShare ?? storeShare;
  for (const [n, [name, attack]] of Object.entries(attacks).entries()) {
    for (let i = 0; i < attacksPerWorld; i += 1) {
      if ((outcome.classes.get(name)?.cases ?? 0) >= options.cases) break;
      const random = randomOf(seed * 7_919 + n * 101 + i);
      const attacked = await attack(world, random, forge);
      if (attacked === undefined) continue;
      const counts = outcome.classes.get(name) ?? { cases: 0, detected: 0, located: 0, inStore: 0 };
      outcome.classes.set(name, counts);
      const inStore = counts.cases % share === 0;
      counts.cases += 1;
      if (inStore) counts.inStore += 1;
      const reports = [
        await inMemory(folder, attacked.world),
        ...(inStore ? [await store.verify(attacked.world)] : []),
      ];
      const areAgainst = reports.every((r) => r.exit === 1 || r.exit === 2);
      if (areAgainst) counts.detected += 1;
      if (areAgainst && reports.every((r) => isLocated(r, attacked))) counts.located += 1;
      else
        outcome.wrong.push(
          `seed ${seed}, ${name} ${i}: ${wanted(attacked)}, found ${reports.map(found).join(' | ')}`,
        );
    }
  }
}

async function lookAtClean(seed: number, world: World, { folder, store, outcome }: Tools): Promise<void> {
  for (const report of [await inMemory(folder, world), await store.verify(world)]) {
    outcome.clean += 1;
    if (report.exit === (world.isExpired ? 4 : 0)) continue;
    outcome.falseAlarms += 1;
    outcome.wrong.push(`seed ${seed}, untouched: exit ${report.exit}, found ${found(report)}`);
  }
}

function inMemory(folder: string, world: World): Promise<VerifyReport> {
  const anchorFile = join(folder, 'data.anchor');
  writeFileSync(anchorFile, world.anchor);
  return verifyLog(memoryAuditStore(world), world.identity, { anchorFile, now: world.now });
}

/** Does a finding of the right class name the place, or of a stretch the ends around it? */
function isLocated({ findings }: VerifyReport, { classes, tree, offset, isStretch }: Attacked): boolean {
  return findings.some((f) => {
    if (f.tree !== tree || !classes.includes(f.class)) return false;
    if (offset === undefined || f.offset === offset) return true;
    const ends = isStretch ? /between offsets (\d+) and (\d+)/.exec(f.detail) : null;
    return ends !== null && BigInt(ends[1] as string) <= offset && offset <= BigInt(ends[2] as string);
  });
}

const wanted = ({ classes, tree, offset }: Attacked) =>
  `wanted ${classes.join(' or ')} at ${tree}/${offset ?? '-'}`;
const found = ({ findings }: VerifyReport) =>
  findings
    .filter((f) => !f.class.endsWith('-lawful'))
    .slice(0, 4)
    .map((f) => `${f.class} at ${f.tree}/${f.offset ?? '-'} (${f.detail})`)
    .join('; ');

export const tamper: Campaign = {
  name: 'tamper',
  async run({ seeds, seed, say }) {
    const { classes, clean, falseAlarms, wrong } = await attackLogs({ seed, cases: seeds, say });
    const sums = { cases: 0, detected: 0, located: 0 };
    for (const [name, counts] of classes) {
      say(
        `  ${name}: ${counts.cases} (${counts.inStore} in a store), detected ${counts.detected}, located ${counts.located}`,
      );
      sums.cases += counts.cases;
      sums.detected += counts.detected;
      sums.located += counts.located;
    }
    say(`  ${wrong.length} cases not as they should be`);
    say(`  ${clean} clean verifies`);
    return { ...sums, falseAlarms };
  },
};
