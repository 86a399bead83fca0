import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import type { KwRecord } from '../../src/core/record.ts';
import { leafHash } from '../../src/ledger/leaf.ts';
import { openKeys } from '../../src/ledger/openKeys.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from '../../src/ledger/tree.ts';
import type { Engine } from '../../src/store/client.ts';
import { Broker } from '../support/broker.ts';
import { type StandIn, startStandIn } from '../support/clickhouse.ts';
import {
  brokers,
  describeKafka,
  freshTopic,
  kafkaClient,
  produce,
  withAdmin,
  withControlTopic,
} from '../support/kafka.ts';
import { freePort } from '../support/kafkaProcess.ts';
import { until as untilWithin } from '../support/wait.ts';

const partitions = 3;
/** Two services, a store and a broker share two cores: a start takes its time. */
const until = (what: string, isTrue: () => boolean | Promise<boolean>, timeoutMs = 60_000) =>
  untilWithin(what, isTrue, timeoutMs);
const folder = mkdtempSync(join(tmpdir(), 'keywitness-instances-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
  .toString('utf8')
  .split('\n');

let addresses: string[];
let server: StandIn;
let engine: Engine;
let topic: string;
let sent = 0;
const running: Instance[] = [];

interface Instance {
  readonly child: ChildProcess;
  readonly config: string;
  readonly log: () => string;
  readonly metric: (name: string) => Promise<number>;
}

/** Real lines to every partition. */
async function send(each: number): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    const messages = Array.from({ length: each }, (_, i) => ({
      value: lines[(sent + i) % (lines.length - 1)] ?? '',
      timestamp: String(1_780_000_000_000 + sent + i),
    }));
    await produce(addresses, topic, messages, { partition });
  }
  sent += each;
}

async function start(name: string): Promise<Instance> {
  const data = join(folder, topic, name);
  // All instances are one log: the same key and id.
  if (name !== 'a') cpSync(join(folder, topic, 'a/ledger'), join(data, 'ledger'), { recursive: true });
  else await openKeys(data, {});
  const port = await freePort();
  const config = join(folder, `${topic}-${name}.yaml`);
  writeFileSync(
    config,
    `data: ${data}
listen: 127.0.0.1:${port}
cluster: main
store: { url: "${server.url}" }
kafka:
  brokers: ${JSON.stringify(addresses)}
  groupId: ${topic}
  topics: [{ name: ${topic}, source: vault }]
`,
  );
  const words = ['--import', 'tsx', join(packageRoot, 'src/main.ts'), 'run', '--config', config];
  const child = spawn(process.execPath, words, {
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr?.on('data', (chunk) => {
    log += String(chunk);
  });
  const metric = async (of: string) => {
    const text = await fetch(`http://127.0.0.1:${port}/metrics`)
      .then((r) => r.text())
      .catch(() => '');
    return [...text.matchAll(new RegExp(`^keywitness_${of}(?:{[^}]*})? (\\S+)$`, 'gm'))].reduce(
      (sum, m) => sum + Number(m[1]),
      0,
    );
  };
  const instance = { child, config, log: () => log, metric };
  running.push(instance);
  return instance;
}

const hasEnded = ({ child }: Instance) => child.exitCode !== null || child.signalCode !== null;

async function end(instance: Instance): Promise<void> {
  instance.child.kill('SIGTERM');
  await until('the instance ended', () => hasEnded(instance), 20_000);
  expect([instance.child.exitCode, instance.log()]).toEqual([0, expect.anything()]);
}

const one = async (sql: string) => Object.values((await engine.rows(sql))[0] ?? {})[0];
const number = async (sql: string) => Number(await one(sql));
const ofTopic = () => `stream = 'main.${topic}'`;
const stored = () => number(`SELECT count() AS n FROM kw.records WHERE ${ofTopic()}`);
const metaCount = (kind: string) => number(`SELECT count() AS n FROM kw.meta WHERE kind = '${kind}'`);

async function allStored(timeoutMs = 60_000): Promise<void> {
  const all = sent * partitions;
  await until(
    `${all} records are stored`,
    async () => {
      const dead = running.find((i) => i.child.exitCode !== null && i.child.exitCode !== 0);
      if (dead !== undefined) throw new Error(dead.log());
      return (
        (await number(`SELECT uniqExact(partition, offset) AS n FROM kw.records WHERE ${ofTopic()}`)) === all
      );
    },
    timeoutMs,
  );
}

/** Who keeps the log now, by what they say of themselves. */
async function keeper(of: readonly Instance[]): Promise<Instance> {
  for (;;) {
    for (const instance of of) if ((await instance.metric('control')) === 1) return instance;
    await sleep(100);
  }
}

/** The roots as a stranger with the topic would compute them, with another consumer and without our store. */
async function rootsOfTopic(): Promise<string[]> {
  const leaves: { offset: bigint; leaf: Buffer }[][] = Array.from({ length: partitions }, () => []);
  const consumer = kafkaClient(addresses).consumer({ groupId: `replay-${topic}-${sent}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      const record: KwRecord = {
        ...{ stream: `main.${topic}`, partition, epoch: 0, headers: [] },
        offset: BigInt(message.offset),
        timestamp: Number(message.timestamp),
        key: message.key,
        value: message.value,
      };
      leaves[partition]?.push({ offset: record.offset, leaf: leafHash(record, 'kafka') });
    },
  });
  await until(
    'the topic is read',
    () => leaves.reduce((sum, list) => sum + list.length, 0) === sent * partitions,
  );
  await consumer.disconnect();
  return leaves.map((list) => {
    const tree = emptyFrontier();
    for (const { leaf } of list) appendLeaf(tree, leaf);
    return frontierRoot(tree).toString('base64');
  });
}

/** What must hold however often partitions changed hands: the whole log, once. */
async function expectWhole(last: Instance): Promise<void> {
  const all = sent * partitions;
  const at = 'stream, partition, epoch, offset, idx';
  expect({
    records: await stored(),
    withoutRow: await number(
      `SELECT count() AS n FROM (SELECT * FROM kw.records WHERE ${ofTopic()}) AS r LEFT ANTI JOIN (SELECT stream, partition, epoch, offset FROM kw.events UNION ALL ` +
        'SELECT stream, partition, epoch, offset FROM kw.set_aside) AS d USING (stream, partition, epoch, offset)',
    ),
    rowsPerPart: await number(
      `SELECT max(n) AS m FROM (SELECT count() AS n FROM (SELECT ${at} FROM kw.events UNION ALL SELECT ${at} FROM kw.set_aside) GROUP BY ${at})`,
    ),
    doubledHits: await number(
      `SELECT count() AS n FROM (SELECT 1 FROM kw.hits GROUP BY rule, ${at} HAVING count() > 1)`,
    ),
  }).toEqual({ records: all, withoutRow: 0, rowsPerPart: 1, doubledHits: 0 });
  const words = [
    '--import',
    'tsx',
    join(packageRoot, 'src/main.ts'),
    'verify',
    '--json',
    '--config',
    last.config,
  ];
  const verified = spawnSync(process.execPath, words, { encoding: 'utf8' });
  const rows = verified.stdout
    .trimEnd()
    .split('\n')
    .map((l) => JSON.parse(l) as Record<string, unknown>);
  expect([verified.status, rows.filter((r) => r.kind !== 'tree')]).toEqual([
    0,
    [expect.objectContaining({ verdict: 'intact' })],
  ]);
  const roots = rows.filter((r) => r.kind === 'tree' && r.stream === `main.${topic}`);
  const byPartition = [...roots].sort((a, b) => Number(a.partition) - Number(b.partition));
  const expected = await rootsOfTopic();
  expect(byPartition.map((r) => r.root)).toEqual(expected);
  // What was signed is what the topic says, not only what the store says.
  const signed = await engine.rows(
    `SELECT base64Encode(argMax(root, size)) AS root FROM kw.checkpoints WHERE position(origin, '/main.${topic}/') > 0 GROUP BY origin ORDER BY origin`,
  );
  expect(signed.map((r) => r.root)).toEqual(expected);
}

describeKafka('several instances on one server', () => {
  beforeAll(async () => {
    addresses = await brokers();
    await withControlTopic(addresses);
  });
  afterEach(async () => {
    for (const { child } of running) if (child.exitCode === null) child.kill('SIGKILL');
    running.length = 0;
    await engine.close();
    await server.stop();
  });

  async function twoInstances(): Promise<{ a: Instance; b: Instance }> {
    server = await startStandIn();
    engine = await server.open();
    topic = await freshTopic(addresses, partitions);
    sent = 0;
    await send(300);
    const a = await start('a');
    await keeper([a]);
    const b = await start('b');
    await until(
      'both have joined',
      async () => (await number('SELECT uniqExact(instance) AS n FROM kw.claims')) === 2,
    );
    await send(300);
    await allStored();
    return { a, b };
  }

  it('share the partitions, one keeps the log, and end in order', async () => {
    const { a, b } = await twoInstances();
    await until(
      'both have stored',
      async () => (await number(`SELECT uniqExact(writer) AS n FROM kw.records WHERE ${ofTopic()}`)) > 1,
    );
    const holder = await keeper([a, b]);
    await end(holder === a ? b : a);
    await end(holder);
    expect(await metaCount('stop')).toBe(1);
    await expectWhole(holder);
  }, 180_000);

  it('one that was frozen loses its partitions, and revived stores nothing twice', async () => {
    const { a, b } = await twoInstances();
    const holder = await keeper([a, b]);
    for (const frozen of [holder, holder === a ? b : a]) {
      const other = frozen === a ? b : a;
      // Records on their way to it when it stops: what it does with them when it goes on is what this is about.
      const sending = send(100);
      frozen.child.kill('SIGSTOP');
      await sending;
      await send(200);
      await allStored();
      expect(await keeper([other])).toBe(other);
      frozen.child.kill('SIGCONT');
      await send(50);
      await allStored();
      await until('it has joined again', () => frozen.log().split('partitions_assigned').length > 2);
      await send(50);
      await allStored();
    }
    const last = await keeper([a, b]);
    await end(last === a ? b : a);
    await end(last);
    await expectWhole(last);
  }, 300_000);

  it('when the one that keeps the log is killed another takes it over, and heartbeats go on', async () => {
    const { a, b } = await twoInstances();
    const holder = await keeper([a, b]);
    const other = holder === a ? b : a;
    const starts = await metaCount('start');
    holder.child.kill('SIGKILL');
    await send(100);
    await allStored();
    expect(await keeper([other])).toBe(other);
    expect(await metaCount('start')).toBe(starts + 1);
    const beats = await metaCount('heartbeat');
    await until('a heartbeat is written', async () => (await metaCount('heartbeat')) > beats, 30_000);
    running.splice(running.indexOf(holder), 1);
    // The killed one's place is taken by a third, which begins nothing anew.
    const again = await start('c');
    await until(
      'it has joined',
      async () => (await number('SELECT uniqExact(instance) AS n FROM kw.claims')) === 3,
    );
    await send(50);
    await allStored();
    await end(again);
    await end(other);
    expect(await number("SELECT argMax(kind, `index`) = 'stop' AS n FROM kw.meta")).toBe(1);
    await expectWhole(other);
  }, 300_000);

  it('a loss that any of them meets is a leaf of the log, an alert, and no reason to stop', async () => {
    const { a, b } = await twoInstances();
    const last = await keeper([a, b]);
    await end(last === a ? b : a);
    await end(last);
    const [from, lost] = [sent, 20];
    await send(lost + 30);
    await withAdmin(addresses, async (admin) => {
      // The client deletes only in topics that it has asked about.
      await admin.fetchTopicOffsets(topic);
      const ends = Array.from({ length: partitions }, (_, p) => ({
        partition: p,
        offset: String(from + lost),
      }));
      await admin.deleteTopicRecords({ topic, partitions: ends });
    });
    running.length = 0;
    const again = [await start('a'), await start('b')];
    const ended = `SELECT uniqExact(partition) AS n FROM kw.records WHERE ${ofTopic()} AND offset = ${sent - 1}`;
    await until('everything that is left is stored', async () => (await number(ended)) === partitions);
    const told = "SELECT uniqExact(id) AS n FROM kw.alerts WHERE rule = 'keywitness.gap'";
    await until('every loss is told', async () => (await number(told)) === partitions);
    const gaps = await engine.rows("SELECT text FROM kw.meta WHERE kind = 'gap'");
    const said = gaps.map((r) => String(r.text).split('\n').slice(3).join(' ').trim());
    expect(said.sort()).toEqual(
      Array.from(
        { length: partitions },
        (_, p) => `tree main.${topic}/${p}/0 first ${from} last ${from + lost - 1}`,
      ),
    );
    const holder = await keeper(again);
    for (const instance of again) if (instance !== holder) await end(instance);
    await end(holder);
    expect(await stored()).toBe(partitions * (sent - lost));
    const words = [
      '--import',
      'tsx',
      join(packageRoot, 'src/main.ts'),
      'verify',
      '--json',
      '--config',
      holder.config,
    ];
    expect(spawnSync(process.execPath, words).status).toBe(0);
  }, 300_000);

  it('without the topic they agree over nothing is read, and the message has the command that makes it', async () => {
    server = await startStandIn();
    engine = await server.open();
    const broker = await Broker.start();
    const shared = addresses;
    try {
      addresses = [broker.address];
      topic = await freshTopic(addresses, 1);
      const a = await start('a');
      await until('it ended', () => hasEnded(a));
      expect(a.child.exitCode).toBe(4);
      expect(a.log()).toMatch(
        /KW_CONTROL: .*keywitness\.control is not there.*--create --topic keywitness\.control --partitions 1/,
      );
      expect(await stored()).toBe(0);
    } finally {
      addresses = shared;
      await broker.remove();
    }
  }, 180_000);

  it('an instance with a log of its own is refused', async () => {
    const { a, b } = await twoInstances();
    await until('the log is signed', async () => (await metaCount('heartbeat')) > 0);
    rmSync(join(folder, topic, 'a/ledger'), { recursive: true });
    await openKeys(join(folder, topic, 'a'), {});
    const stranger = await start('d');
    await until('it ended', () => hasEnded(stranger));
    expect([stranger.child.exitCode, stranger.log()]).toEqual([
      4,
      expect.stringMatching(/KW_KEY.*holds the log [0-9a-f]{16}, and DATA\/ledger is that of/),
    ]);
    expect([a, b].some(hasEnded)).toBe(false);
    running.splice(running.indexOf(stranger), 1);
  }, 180_000);
});
