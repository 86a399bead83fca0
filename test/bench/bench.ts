/**
 * `npm run bench [-- --records N --rounds N --json]`: what a record costs, against a real broker, as ratios of
 * interleaved rounds of one run, so that a busy machine hits all three alike:
 *   parse: kafkajs + JSON.parse · naive: parse, fill the columns of `events`, insert objects ·
 *   naive_raw: and keep the record's text in a column · kafka_engine: ClickHouse's own Kafka engine and a view ·
 *   ours_off: the service without leaves and trees · ours: the service with everything on
 */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { Broker } from '../support/broker.ts';
import { client, fillTopic } from './world.ts';

const { values: flags } = parseArgs({
  options: {
    records: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const records = Number(flags.records);
const rounds = Number(flags.rounds);
const variants = ['parse', 'naive', 'naive_raw', 'kafka_engine', 'ours_off', 'ours'] as const;
type Variant = (typeof variants)[number];

interface Used {
  readonly cpuUs: number;
  readonly wallMs: number;
  readonly peakMb: number;
}

function runVariant(variant: Variant, brokers: readonly string[], topic: string): Used {
  const script = join(packageRoot, 'test/bench/worker.ts');
  const words = ['--import', 'tsx', script, variant, brokers.join(','), topic, String(records)];
  const done = spawnSync(process.execPath, words, {
    encoding: 'utf8',
    // As `npx keywitness` and the image set them.
    env: {
      ...process.env,
      UV_THREADPOOL_SIZE: '16',
      JE_MALLOC_CONF: 'dirty_decay_ms:200,muzzy_decay_ms:0,narenas:2',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (done.status !== 0) throw new Error(`${variant} ended with ${done.status ?? done.signal}`);
  return JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '') as Used;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const say = (text: string) => process.stderr.write(`${text}\n`);
const own = process.env.KAFKA_BROKERS === undefined ? await Broker.start() : undefined;
try {
  const brokers = own === undefined ? (process.env.KAFKA_BROKERS ?? '').split(',') : [own.address];
  const admin = client(brokers).admin();
  await admin.connect();
  while ((await admin.describeCluster()).controller === null);
  await admin.disconnect();
  const topic = `bench-${Date.now()}`;
  const bytes = await fillTopic(brokers, topic, records);
  say(
    `${records} OpenBao records of ${Math.round(bytes)} bytes, ${rounds} interleaved rounds, ${cpus().length} cores`,
  );
  const used = Object.fromEntries(variants.map((v): [Variant, Used[]] => [v, []])) as Record<Variant, Used[]>;
  for (let round = 1; round <= rounds; round++) {
    for (const variant of variants) {
      const one = runVariant(variant, brokers, topic);
      used[variant].push(one);
      say(
        `  round ${round} ${variant.padEnd(12)} ${(one.wallMs / 1000).toFixed(1)} s, ${one.peakMb} MB at most`,
      );
    }
  }
  const cost = (v: Variant) => used[v].map((u) => u.cpuUs / records);
  const rate = (v: Variant) => used[v].map((u) => (records / u.wallMs) * 1000);
  const ratio = (x: readonly number[], y: readonly number[]) =>
    median(x.map((value, i) => value / (y[i] ?? Number.NaN)));
  const rows = variants.map((v) => ({
    variant: v,
    records_per_second: Math.round(median(rate(v))),
    cpu_us_per_record: Math.round(median(cost(v)) * 10) / 10,
    times_naive_rate: Math.round(ratio(rate(v), rate('naive')) * 100) / 100,
    times_naive_cpu: Math.round(ratio(cost('naive'), cost(v)) * 100) / 100,
    peak_mb: Math.max(...used[v].map((u) => u.peakMb)),
  }));
  if (flags.json) process.stdout.write(`${rows.map((row) => JSON.stringify(row)).join('\n')}\n`);
  else console.table(rows);
  const kept = Math.round(ratio(rate('ours'), rate('ours_off')) * 1000) / 10;
  say(`with the ledger ${kept} % of the rate without it`);
} finally {
  await own?.remove();
}
