/**
 * `npm run bench:verify [-- --records N --rounds N]`: what `keywitness verify` costs beside the least that anybody
 * could do with the same bytes, in interleaved rounds of one run:
 *   read+hash        each record read from the engine, one SHA-256 over its value
 *   leaves           verify without derived rows: leaves, trees, tiles, pins
 *   read+hash+parse  the same read, SHA-256 and JSON.parse
 *   verify           the whole of it: meta-log, signatures, every adapter column, two workers
 */
import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../../src/core/packageRoot.ts';
import type { StreamKey } from '../../src/core/record.ts';
import type { Engine } from '../../src/store/client.ts';

/** What users run: the built program. */
const built = <T>(module: string): Promise<T> =>
  import(join(packageRoot, 'dist', `${module}.js`)) as Promise<T>;

const { values: flags } = parseArgs({
  options: {
    records: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
    inside: { type: 'string' },
  },
});
const records = Number(flags.records);
const streams = 4;
const say = (text: string) => process.stdout.write(`${text}\n`);

/** As `npx keywitness` and the image set them: read before any code of ours runs. */
const environment = {
  ...process.env,
  UV_THREADPOOL_SIZE: '16',
  JE_MALLOC_CONF: 'dirty_decay_ms:200,muzzy_decay_ms:0,narenas:2',
};

if (flags.inside === undefined) {
  const dir = mkdtempSync(join(tmpdir(), 'keywitness-verify-'));
  const words = ['--import', 'tsx', join(packageRoot, 'test/bench/verify.ts'), ...process.argv.slice(2)];
  const run = spawnSync(process.execPath, [...words, '--inside', dir], {
    env: environment,
    stdio: 'inherit',
  });
  rmSync(dir, { recursive: true, force: true });
  process.exitCode = run.status ?? 1;
} else await measure(flags.inside);

async function measure(dir: string): Promise<void> {
  await fill(dir);
  const { openEmbedded } = await built<typeof import('../../src/store/client.ts')>('store/client');
  const engine = await openEmbedded(join(dir, 'data', 'store'));
  // Merges of what was just written would be measured with whatever runs beside them.
  for (const table of ['records', 'events', 'tiles'])
    await engine.command(`OPTIMIZE TABLE kw.${table} FINAL`);
  const keys = Array.from({ length: streams }, (_, i) => ({ stream: `part${i}`, partition: 0, epoch: 0 }));
  const lanes: Readonly<Record<string, () => Promise<number>>> = {
    'read+hash': () => bare(engine, keys, () => undefined),
    leaves: () => leaves(engine, dir),
    'read+hash+parse': () => bare(engine, keys, (value) => JSON.parse(value.toString())),
    verify: () => whole(engine, dir),
  };
  const names = Object.keys(lanes);
  const taken = new Map(names.map((name) => [name, [] as Used[]]));
  for (let round = 1; round <= Number(flags.rounds); round++) {
    for (const name of names) taken.get(name)?.push(await timed(lanes[name] as () => Promise<number>));
  }
  await engine.close();
  report(taken);
}

interface Used {
  readonly wallMs: number;
  readonly cpuMs: number;
}

async function timed(run: () => Promise<number>): Promise<Used> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const seen = await run();
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  if (seen !== records) throw new Error(`${seen} of ${records} records were read`);
  return { wallMs, cpuMs: (user + system) / 1000 };
}

function report(taken: ReadonlyMap<string, readonly Used[]>): void {
  const of = (name: string, what: keyof Used) => median((taken.get(name) ?? []).map((u) => u[what]));
  console.table(
    [...taken.keys()].map((lane) => ({
      lane,
      seconds: Math.round(of(lane, 'wallMs')) / 1000,
      records_per_second: Math.round((records / of(lane, 'wallMs')) * 1000),
      cpu_us_per_record: Math.round((of(lane, 'cpuMs') / records) * 10_000) / 10,
    })),
  );
  const share = (floor: string, lane: string) => {
    const [a, b] = [taken.get(floor) ?? [], taken.get(lane) ?? []];
    return `${Math.round(median(a.map((u, i) => u.wallMs / (b[i]?.wallMs ?? Number.NaN))) * 100)} %`;
  };
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  say(`leaves and trees: ${share('read+hash', 'leaves')} of the rate of read + SHA-256`);
  say(
    `with adapter columns: ${share('read+hash+parse', 'verify')} of the rate of read + SHA-256 + JSON.parse`,
  );
  say(`${availableParallelism()} cores, ${Math.round(Number(peak) / 1024)} MB at most`);
}

function median(values: readonly number[]): number {
  return [...values].sort((x, y) => x - y)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The shipped OpenBao quarter, again and again, divided among four streams, ingested as files are. */
async function fill(dir: string): Promise<void> {
  const { openApp } = await built<typeof import('../../src/app.ts')>('app');
  const { systemClock } = await built<typeof import('../../src/core/clock.ts')>('core/clock');
  const { openEmbedded } = await built<typeof import('../../src/store/client.ts')>('store/client');
  const { defaultStreamSettings } =
    await built<typeof import('../../src/sources/source.ts')>('sources/source');
  const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
    .toString('utf8')
    .trimEnd()
    .split('\n');
  const app = await openApp({
    dataDir: join(dir, 'data'),
    anchorFile: join(dir, 'data.anchor'),
    clock: systemClock,
    openStore: () => openEmbedded(join(dir, 'data', 'store')),
  });
  for (let i = 0; i < streams; i++) {
    const count = Math.floor(records / streams) + (i < records % streams ? 1 : 0);
    const file = join(dir, `part${i}`);
    writeFileSync(file, `${Array.from({ length: count }, (_, n) => lines[n % lines.length]).join('\n')}\n`);
    await app.ingestFile(file, { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
    rmSync(file);
  }
  await app.close();
}

/** The floor: nothing that verifies a record can do less. */
async function bare(
  engine: Engine,
  keys: readonly StreamKey[],
  look: (value: Buffer) => unknown,
): Promise<number> {
  const { recordPagesRaw } =
    await built<typeof import('../../src/store/recordPages.ts')>('store/recordPages');
  const { RowBinaryReader } =
    await built<typeof import('../../src/store/rowBinaryReader.ts')>('store/rowBinaryReader');
  let seen = 0;
  for (const key of keys) {
    for await (const page of recordPagesRaw(engine, key)) {
      const row = new RowBinaryReader(page.bytes);
      for (let i = 0; i < page.rows; i++) {
        // Offset, two times, flags, seal and leaf; key and headers are empty in a file.
        row.skip(8 + 8 + 8 + 1 + 1 + 32 + 1 + 1);
        const value = row.binary();
        hash('sha256', value);
        look(value);
        seen += 1;
      }
    }
  }
  return seen;
}

/** Leaves and trees alone. */
async function leaves(engine: Engine, dir: string): Promise<number> {
  const { verifyStore } =
    await built<typeof import('../../src/ledger/audit/verify.ts')>('ledger/audit/verify');
  return countOf(await verifyStore({ ...optionsOf(engine, dir), areRowsCompared: false }));
}

async function whole(engine: Engine, dir: string): Promise<number> {
  const { verifyStore } =
    await built<typeof import('../../src/ledger/audit/verify.ts')>('ledger/audit/verify');
  return countOf(await verifyStore(optionsOf(engine, dir)));
}

function optionsOf(engine: Engine, dir: string) {
  return { engine, dataDir: join(dir, 'data'), anchorFile: join(dir, 'data.anchor'), now: Date.now() };
}

function countOf(report: {
  readonly exit: number;
  readonly trees: readonly { readonly records: number }[];
}): number {
  if (report.exit !== 0) throw new Error(`verify ended with ${report.exit}`);
  return report.trees.reduce((n, tree) => n + tree.records, 0);
}
