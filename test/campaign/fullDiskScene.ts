/**
 * The service on disks that fill up. Runs in a mount namespace of its own (fullDisk.ts), where two small memory
 * disks stand for the data directory's and the anchor's. Prints what it saw as one line of JSON.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/wait.ts';
import { brokenPromises } from './crashOracle.ts';
import { messagesSettled, openWorld, type Run, runProgram, stopRun } from './crashWorld.ts';
import type { FullDiskScene, Seen } from './fullDisk.ts';

const [folder = '', addresses = ''] = process.argv.slice(2);

function mountDisk(name: string, sizeMiB: number): string {
  const at = join(folder, name);
  mkdirSync(at, { recursive: true });
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', at]);
  if (status !== 0) throw new Error(`mount: ${stderr}`);
  return at;
}

/** Writes until nothing more fits. */
function fill(disk: string): void {
  const filler = join(disk, 'filler');
  writeFileSync(filler, '');
  for (let bytes = 1024 * 1024; bytes >= 1; ) {
    try {
      appendFileSync(filler, Buffer.alloc(bytes));
    } catch {
      bytes = Math.floor(bytes / 2);
    }
  }
}

const free = (disk: string) => rmSync(join(disk, 'filler'));

/** What an operator sees of it. */
async function seen(run: Run): Promise<Seen> {
  const [health, ready] = [await run.get('/healthz'), await run.get('/readyz')];
  return { health: await health.text(), ready: ready.status };
}

async function heartbeatsFailed(run: Run): Promise<number> {
  const metrics = await (await run.get('/metrics')).text();
  return Number(/^keywitness_heartbeats_total\{result="failed"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
}

const events = (run: Run, name: string) =>
  run
    .log()
    .split('\n')
    .filter((line) => line.includes(`"event":"${name}"`));

const dataDisk = mountDisk('data', 64);
const anchorDisk = mountDisk('anchor', 1);
const world = await openWorld(addresses.split(','), {
  data: join(dataDisk, 'keywitness'),
  anchor: join(anchorDisk, 'anchor'),
});
try {
  await world.load();
  const run = await world.start();
  await until('the first load is stored', () => world.stored(run), 60_000);
  const before = await seen(run);

  fill(dataDisk);
  await world.load();
  await until('a flush has failed', () => events(run, 'flush_failed').length > 0, 60_000);
  // Three are an alert.
  await until('heartbeats fail too', async () => (await heartbeatsFailed(run)) > 3, 60_000);
  const full = await seen(run);
  free(dataDisk);
  await until('the second load is stored', () => world.stored(run), 60_000);
  await until('it is well', async () => (await seen(run)).ready === 200, 60_000);

  fill(anchorDisk);
  await until('the anchor cannot be written', () => run.log().includes('KW_ANCHOR'), 60_000);
  await world.load();
  await until('the third load is stored all the same', () => world.stored(run), 60_000);
  const unanchored = await seen(run);
  free(anchorDisk);
  await until('it is well again', async () => (await seen(run)).ready === 200, 60_000);
  await sleep(2_500);

  const beforeTheEnd = run.log();
  fill(dataDisk);
  run.child.kill('SIGTERM');
  await until('it ended', () => run.child.exitCode !== null || run.child.signalCode !== null, 15_000);
  const endedFull = { code: run.child.exitCode, said: run.log().slice(beforeTheEnd.length) };
  const startedFull = await runProgram(run);
  free(dataDisk);
  const next = await world.start();
  await world.load();
  await until('the last load is stored', () => world.stored(next), 60_000);
  await messagesSettled(world);
  await stopRun(next);
  const broken = await brokenPromises(world, { crashes: 1, silent: 0 });
  const told = world.slack.posted.map((p) => p.text).filter((text) => text.includes('cannot be signed'));
  const log = beforeTheEnd
    .split('\n')
    .filter((line) => /"level":"(error|warn)"|_recovered/.test(line))
    .map((line) => JSON.parse(line) as { event: string; reason?: string });
  const scene: FullDiskScene = { before, full, unanchored, endedFull, startedFull, broken, told, log };
  process.stdout.write(`${JSON.stringify(scene)}\n`);
} finally {
  await world.close();
}
