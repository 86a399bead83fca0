import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { readKeys } from '../../src/ledger/offline/trust.ts';
import { type OfflineResult, verifyOffline } from '../../src/ledger/offline.ts';
import { readPolicy } from '../../src/ledger/policy.ts';
import { type Attacked, attacks } from './bundleAttacks.ts';
import type { Campaign } from './campaignTypes.ts';
import {
  type Files,
  filesOf,
  metaOriginOf,
  randomOf,
  type ToyKey,
  type ToyLog,
  vkeyOf,
  witnessName,
  writeFiles,
} from './toyBundle.ts';
import { historyOf, makeLog } from './toyLog.ts';

/** The stranger's script starts a process for each: a sample of the cases is checked with it too. */
const scriptShare = 25;

export interface BundleOutcome {
  /** By attack: how many were made, found, and placed. */
  readonly classes: Map<string, { cases: number; detected: number; located: number }>;
  readonly clean: number;
  readonly falseAlarms: number;
  /** Cases that both verifiers saw. */
  readonly byScript: number;
  readonly wrong: readonly string[];
}

/** Attacks a bundle of each seed in every way, and looks at it untouched first. */
export function attackBundles(seed: number, seeds: number, say: (line: string) => void): BundleOutcome {
  const folder = mkdtempSync(join(tmpdir(), 'kw-campaign-'));
  const outcome = {
    classes: new Map(),
    clean: 0,
    falseAlarms: 0,
    byScript: 0,
    wrong: [] as string[],
  } satisfies BundleOutcome;
  try {
    for (let i = 0; i < seeds; i += 1) {
      const made = logOf(seed + i);
      checkClean(folder, made, i % scriptShare === 0, outcome);
      for (const [n, name] of Object.keys(attacks).entries()) {
        attackOnce(folder, name, made, (i + n) % scriptShare === 0, outcome);
      }
      if ((i + 1) % 100 === 0)
        say(`bundle: ${i + 1} of ${seeds} seeds, ${outcome.wrong.length} not as they should be`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return outcome;
}

type Counting = { -readonly [K in keyof BundleOutcome]: BundleOutcome[K] } & { wrong: string[] };

interface Made {
  readonly seed: number;
  readonly log: ToyLog;
  readonly files: Files;
  readonly isExpired: boolean;
}

function logOf(seed: number): Made {
  const random = randomOf(seed);
  const history = historyOf(random);
  const log = makeLog(random, history, `seed ${seed}`);
  return { seed, log, files: filesOf(log), isExpired: history.hasErasure || history.hasRetention };
}

/** A copy that an attacker may write on. */
function copyOf(log: ToyLog): ToyLog {
  const streams = log.streams.map((s) => ({
    ...s,
    leaves: s.leaves.map((l) => ({ ...l })),
    checkpoint: { ...s.checkpoint },
  }));
  return {
    ...log,
    keys: [...log.keys],
    streams,
    meta: [...log.meta],
    metaCheckpoint: { ...log.metaCheckpoint },
  };
}

function checkClean(
  folder: string,
  { seed, log, files, isExpired }: Made,
  isScripted: boolean,
  outcome: Counting,
): void {
  const wanted = isExpired ? 'expired' : 'intact';
  const path = join(folder, 'clean');
  writeFiles(path, files);
  for (const trust of ['pinned', 'policy'] as const) {
    const seen: string[] = [verifyOffline(path, trustOf(log, trust)).verdict];
    if (isScripted) seen.push(scriptVerdict(folder, path, log, trust));
    outcome.clean += 1;
    if (isScripted) outcome.byScript += 1;
    if (seen.every((verdict) => verdict === wanted)) continue;
    outcome.falseAlarms += 1;
    outcome.wrong.push(`seed ${seed}, untouched: ${seen.join(' and ')} instead of ${wanted}`);
  }
}

function attackOnce(folder: string, name: string, made: Made, isScripted: boolean, outcome: Counting): void {
  const { seed, log } = made;
  const attacked = attacks[name]?.(copyOf(log), randomOf(seed * 1000 + name.length));
  if (attacked === undefined || isSame(attacked.files, made.files)) return;
  const path = join(folder, 'attacked');
  writeFiles(path, attacked.files);
  const result = verifyOffline(path, trustOf(log, attacked.trust));
  const isDetected = isAgainst(result.verdict);
  const counts = outcome.classes.get(name) ?? { cases: 0, detected: 0, located: 0 };
  outcome.classes.set(name, counts);
  counts.cases += 1;
  if (isDetected) counts.detected += 1;
  if (isDetected && isLocated(result, attacked)) counts.located += 1;
  else
    outcome.wrong.push(
      `seed ${seed}, ${name}: ${result.verdict}, wanted ${attacked.tree} leaf ${attacked.index}, got ${places(result)}`,
    );
  if (!isScripted) return;
  outcome.byScript += 1;
  const verdict = scriptVerdict(folder, path, log, attacked.trust);
  if (verdict !== result.verdict)
    outcome.wrong.push(`seed ${seed}, ${name}: ${result.verdict}, the script says ${verdict}`);
  if (!isAgainst(verdict)) counts.detected -= 1;
}

const isAgainst = (verdict: string) => ['tampered', 'truncated', 'unknown'].includes(verdict);

function isSame(a: Files, b: Files): boolean {
  return a.size === b.size && [...a].every(([path, bytes]) => b.get(path)?.equals(bytes) === true);
}

function places({ findings }: OfflineResult): string {
  return findings
    .map((f) => `${f.class} at ${f.place} (${f.detail})`)
    .join('; ')
    .slice(0, 400);
}

/** Did a finding name the tree, and the leaf or a stretch of leaves that holds it? */
function isLocated({ findings }: OfflineResult, { tree, index }: Attacked): boolean {
  return findings.some((f) => {
    if (!f.place.startsWith(tree)) return false;
    if (index === undefined || f.index === index) return true;
    const stretch = /leaves (\d+) to (\d+)/.exec(f.detail);
    return stretch !== null && Number(stretch[1]) <= index && index <= Number(stretch[2]);
  });
}

const policyText = (log: ToyLog) =>
  `log ${vkeyOf(metaOriginOf(log), log.keys[0] as ToyKey)}\nwitness W ${vkeyOf(witnessName, log.witness, 4)}\nquorum W\n`;
const keysText = (log: ToyLog) => `${vkeyOf(metaOriginOf(log), log.keys[0] as ToyKey)}\n`;

function trustOf(log: ToyLog, trust: Attacked['trust']) {
  return trust === 'policy'
    ? { policy: readPolicy(Buffer.from(policyText(log)), 'policy') }
    : { keys: readKeys(keysText(log)) };
}

function scriptVerdict(folder: string, path: string, log: ToyLog, trust: Attacked['trust']): string {
  const file = join(folder, 'trust');
  writeFileSync(file, trust === 'policy' ? policyText(log) : keysText(log));
  const option = trust === 'policy' ? '--policy' : '--keys';
  const { stdout, status } = spawnSync(
    process.execPath,
    [join(packageRoot, 'docs/verify.mjs'), path, option, file],
    { encoding: 'utf8' },
  );
  const { verdict } = JSON.parse(stdout) as { verdict: string };
  const exit = ['intact', 'tampered', 'truncated', 'unknown', 'expired'].indexOf(verdict);
  return exit === status ? verdict : `${verdict} with exit ${status}`;
}

/** Tamper classes on bundles, seen by both verifiers. */
export const bundle: Campaign = {
  name: 'bundle',
  run: async ({ seeds, seed, say }) => {
    const { classes, clean, falseAlarms, byScript, wrong } = attackBundles(seed, seeds, say);
    const total = { cases: 0, detected: 0, located: 0 };
    for (const [name, counts] of classes) {
      say(`bundle: ${name}: ${counts.cases} cases, detected ${counts.detected}, located ${counts.located}`);
      for (const key of ['cases', 'detected', 'located'] as const) total[key] += counts[key];
    }
    for (const line of wrong.slice(0, 20)) say(`bundle: ${line}`);
    say(
      `bundle: ${clean} untouched bundles, ${falseAlarms} false alarms; ${byScript} of all cases also by docs/verify.mjs`,
    );
    return { ...total, falseAlarms };
  },
};
