import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { Broker } from '../support/broker.ts';
import type { Campaign } from './campaignTypes.ts';

/** What an operator sees of the service. */
export interface Seen {
  readonly health: string;
  readonly ready: number;
}

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

export interface FullDiskScene {
  readonly before: Seen;
  /** While the data directory's disk is full. */
  readonly full: Seen;
  /** While the anchor's disk is full and the other is not. */
  readonly unanchored: Seen;
  /** Told to end, and started, while the data directory's disk is full: the exit code and what was said. */
  readonly endedFull: Ended;
  readonly startedFull: Ended;
  /** What did not hold when everything was over (crashOracle.ts). */
  readonly broken: readonly string[];
  /** Messages to people that something cannot be signed. */
  readonly told: readonly string[];
  /** Errors, warnings and recoveries. */
  readonly log: readonly { readonly event: string; readonly reason?: string }[];
}

/** A mount namespace of its own, in which anybody may mount memory disks. */
const namespaces = [['--user', '--map-root-user', '--mount'], ['--mount']];

/** How small disks of our own can be had here; undefined where the system allows none. */
export function ownDisks(): readonly string[] | undefined {
  return namespaces.find((flags) => {
    const words = [...flags, 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', tmpdir()];
    return spawnSync('unshare', words).status === 0;
  });
}

/** What did not hold, in words, of the scene and of what an operator saw of it. */
export function brokenOf(scene: FullDiskScene): string[] {
  const { before, full, unanchored, endedFull, startedFull, broken, told } = scene;
  const isSaid = ({ code, said }: Ended) => code !== 0 && /KW_STORE.*Make room/.test(said);
  return [
    ...(isSaid(endedFull) ? [] : [`ended: ${endedFull.code} ${endedFull.said}`]),
    ...(isSaid(startedFull) && startedFull.code === 4
      ? []
      : [`started: ${startedFull.code} ${startedFull.said}`]),
    ...broken,
    ...(before.health === 'ok\n' && before.ready === 200 ? [] : [`before: ${before.ready} ${before.health}`]),
    ...(full.ready === 503 && full.health.includes('\nstore: ')
      ? []
      : [`full: ${full.ready} ${full.health}`]),
    ...(unanchored.ready === 503 && /\nledger: .*KW_ANCHOR.*ENOSPC/.test(unanchored.health)
      ? []
      : [`unanchored: ${unanchored.ready} ${unanchored.health}`]),
    // The first is told when the store can be written again, the second at once.
    ...(told.map((text) => /KW_[A-Z]+/.exec(text)?.[0]).join() === 'KW_STORE,KW_ANCHOR'
      ? []
      : [`told: ${told.join('; ')}`]),
  ];
}

/** Both disks full, one after the other. */
export const fullDisk: Campaign = {
  name: 'full disk',
  async run({ seeds, say }) {
    const disks = ownDisks();
    if (disks === undefined) say('full disk: NOT RUN, unshare or mount is not allowed here');
    const broker = await Broker.start();
    let broken = 0;
    let cases = 0;
    try {
      for (; disks !== undefined && cases < 2 * seeds; cases += 2) {
        const sentences = brokenOf(await playFullDisk(disks, [broker.address]));
        for (const sentence of sentences) say(`full disk: BROKEN: ${sentence}`);
        broken += sentences.length;
      }
    } finally {
      await broker.remove();
    }
    return { cases, detected: cases, located: cases, falseAlarms: broken };
  },
};

/** Plays fullDiskScene.ts to its end. */
export async function playFullDisk(
  flags: readonly string[],
  addresses: readonly string[],
): Promise<FullDiskScene> {
  const folder = mkdtempSync(join(tmpdir(), 'keywitness-disk-'));
  const scene = join(packageRoot, 'test/campaign/fullDiskScene.ts');
  const words = [...flags, process.execPath, '--import', 'tsx', scene, folder, addresses.join(',')];
  const child = spawn('unshare', words, {
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    err += String(chunk);
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  rmSync(folder, { recursive: true, force: true });
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as FullDiskScene;
}
