/** One variant in a process of its own: reads the whole topic once and prints what it cost. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { freePort } from '../support/kafkaProcess.ts';
import { openKafkaEngine } from './kafkaEngine.ts';
import { naiveRow, openNaiveStore } from './naive.ts';
import { switchLedgerOff } from './withoutLedger.ts';
import { client } from './world.ts';

/** What users run: the built program, not its source through a loader that wraps every function. */
const built = <T>(module: string): Promise<T> =>
  import(join(packageRoot, 'dist', `${module}.js`)) as Promise<T>;
if (process.argv[2] === 'ours_off') switchLedgerOff(join(packageRoot, 'dist'));
const { runService } = await built<typeof import('../../src/app/service.ts')>('app/service');
const { loadConfig } = await built<typeof import('../../src/config/config.ts')>('config/config');
const { systemClock } = await built<typeof import('../../src/core/clock.ts')>('core/clock');
const { flushRecordsMax } = await built<typeof import('../../src/intake/intake.ts')>('intake/intake');
const { openEmbedded } = await built<typeof import('../../src/store/client.ts')>('store/client');
const { createTelemetry } =
  await built<typeof import('../../src/telemetry/telemetry.ts')>('telemetry/telemetry');

const [variant = '', brokerList = '', topic = '', countText = '0'] = process.argv.slice(2);
const brokers = brokerList.split(',');
const count = Number(countText);
const dataDir = mkdtempSync(join(tmpdir(), 'keywitness-bench-'));

/** From here on it counts. */
function startMeter(): () => { cpuUs: number; wallMs: number } {
  const cpu = process.cpuUsage();
  const start = performance.now();
  return () => {
    const used = process.cpuUsage(cpu);
    return { cpuUs: used.user + used.system, wallMs: performance.now() - start };
  };
}

async function consume(
  handle: (values: readonly { text: string; partition: number; offset: string }[]) => Promise<void>,
) {
  const consumer = client(brokers).consumer({ groupId: `${variant}-${process.pid}`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let seen = 0;
  let done: () => void = () => {};
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  const meter = startMeter();
  await consumer.run({
    eachBatch: async ({ batch }) => {
      await handle(
        batch.messages.map((m) => ({
          text: (m.value ?? Buffer.alloc(0)).toString('utf8'),
          partition: batch.partition,
          offset: m.offset,
        })),
      );
      seen += batch.messages.length;
      if (seen >= count) done();
    },
  });
  await all;
  return { consumer, meter };
}

/** kafkajs and JSON.parse: nothing in Node that understands its input is cheaper. */
async function parseOnly() {
  let parsed = 0;
  const { consumer, meter } = await consume(async (values) => {
    for (const { text } of values) if (JSON.parse(text) !== null) parsed++;
  });
  const used = meter();
  await consumer.disconnect();
  if (parsed !== count) throw new Error(`parsed ${parsed} of ${count}`);
  return used;
}

/** Parse, fill the columns of `events`, insert as objects; flushes as large as ours. No ledger, rules or redaction. */
async function naive(keepsRaw: boolean) {
  const store = await openNaiveStore(dataDir, keepsRaw);
  // As many as ours, unless the objects' JSON would not fit the engine's memory beside its parse.
  const flushMax = keepsRaw ? flushRecordsMax / 5 : flushRecordsMax;
  let rows: object[] = [];
  // The last batch of one partition may be told while another's insert is under way.
  const inserts = new Set<Promise<unknown>>();
  const insert = async (full: object[]) => {
    const inserting = store.insert(full);
    inserts.add(inserting);
    await inserting;
    inserts.delete(inserting);
  };
  const now = () => new Date().toISOString().replace('T', ' ').replace('Z', '');
  const { consumer, meter } = await consume(async (values) => {
    for (const v of values) {
      const row = naiveRow(v.text, `main.${topic}`, v.partition, v.offset, now());
      rows.push(keepsRaw ? { ...row, raw: v.text } : row);
    }
    if (rows.length < flushMax) return;
    const full = rows;
    rows = [];
    await insert(full);
  });
  await Promise.all(inserts);
  if (rows.length > 0) await insert(rows);
  const used = meter();
  await consumer.disconnect();
  if ((await store.count()) !== count) throw new Error(`stored ${await store.count()} of ${count}`);
  await store.close();
  return used;
}

/** ClickHouse's own Kafka engine and a materialised view, with the record's text; blocks as large as our flushes. */
async function kafkaEngine() {
  const store = await openKafkaEngine(dataDir, brokers, topic, flushRecordsMax);
  const meter = startMeter();
  await store.consume(count);
  const used = meter();
  if ((await store.count()) !== count) throw new Error(`stored ${await store.count()} of ${count}`);
  await store.close();
  return used;
}

/** The service itself, with the demo's catalog and all rules, until it has drained and signed. */
async function ours() {
  const port = await freePort();
  const file = join(dataDir, 'keywitness.yaml');
  writeFileSync(
    file,
    `data: ${join(dataDir, 'data')}
listen: 127.0.0.1:${port}
cluster: main
catalog: ${join(packageRoot, 'src/demo/catalog.yaml')}
kafka:
  brokers: ${JSON.stringify(brokers)}
  groupId: ours-${process.pid}
  topics: [{ name: ${topic}, source: vault }]
`,
  );
  const config = loadConfig(file);
  const telemetry = createTelemetry({ level: 'error' });
  const stop = new AbortController();
  const running = runService({
    config,
    telemetry,
    clock: systemClock,
    openStore: () => openEmbedded(join(config.data, 'store')),
    stop: stop.signal,
  });
  const isReady = () =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      (r) => r.ok,
      () => false,
    );
  while (!(await isReady())) await sleep(5);
  const meter = startMeter();
  const stored = async () =>
    (await telemetry.metrics.records.get()).values.reduce((sum, { value }) => sum + value, 0);
  while ((await stored()) < count) await Promise.race([sleep(20), running]);
  stop.abort();
  await running;
  if ((await stored()) !== count) throw new Error(`stored ${await stored()} of ${count}`);
  return meter();
}

const variants: Readonly<Record<string, () => Promise<{ cpuUs: number; wallMs: number }>>> = {
  parse: parseOnly,
  naive: () => naive(false),
  naive_raw: () => naive(true),
  kafka_engine: kafkaEngine,
  ours_off: ours,
  ours,
};
const run = variants[variant];
if (run === undefined) throw new Error(`no variant ${variant}`);
const used = await run();
const peakKb = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
process.stdout.write(`${JSON.stringify({ ...used, peakMb: Math.round(Number(peakKb) / 1024) })}\n`);
rmSync(dataDir, { recursive: true, force: true });
