import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import type { KwRecord } from '../../src/core/record.ts';
import { leafHash } from '../../src/ledger/leaf.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from '../../src/ledger/tree.ts';
import { openEmbedded } from '../../src/store/client.ts';
import { brokers, describeKafka, freshTopic, kafkaClient, produce } from '../support/kafka.ts';
import { freePort } from '../support/kafkaProcess.ts';
import { until } from '../support/wait.ts';

const partitions = 2;
const recordsEach = 3_000;
const total = partitions * recordsEach;
const folder = mkdtempSync(join(tmpdir(), 'keywitness-service-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let addresses: string[];
let topic: string;
let roots: Record<number, string>;
let starts = 0;

/** Real lines, with some that no adapter can read. */
async function fillTopic(): Promise<void> {
  const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
    .toString('utf8')
    .split('\n')
    .slice(0, total);
  lines[100] = '{"cut":';
  for (let partition = 0; partition < partitions; partition++) {
    const mine = lines.slice(partition * recordsEach, (partition + 1) * recordsEach);
    await produce(
      addresses,
      topic,
      mine.map((value, i) => ({ value: i === 50 ? null : value, timestamp: String(1_780_000_000_000 + i) })),
      { partition },
    );
  }
}

/** The roots as a stranger with the topic would compute them, with another consumer and without our store. */
async function rootsOfTopic(): Promise<Record<number, string>> {
  const leaves = new Map<number, { offset: bigint; leaf: Buffer }[]>();
  const consumer = kafkaClient(addresses).consumer({ groupId: `replay-${topic}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      const record: KwRecord = {
        stream: `main.${topic}`,
        partition,
        epoch: 0,
        offset: BigInt(message.offset),
        timestamp: Number(message.timestamp),
        key: message.key,
        headers: [],
        value: message.value,
      };
      const list = leaves.get(partition) ?? [];
      leaves.set(partition, list);
      list.push({ offset: record.offset, leaf: leafHash(record, 'kafka') });
    },
  });
  const count = () => [...leaves.values()].reduce((sum, list) => sum + list.length, 0);
  await until('the topic is read', () => count() === total);
  await consumer.disconnect();
  return Object.fromEntries([...leaves].map(([p, list]) => [p, rootOf(list.map((l) => l.leaf))]));
}

function rootOf(leaves: readonly Buffer[]): string {
  const tree = emptyFrontier();
  for (const leaf of leaves) appendLeaf(tree, leaf);
  return frontierRoot(tree).toString('hex');
}

interface Service {
  readonly child: ChildProcess;
  readonly data: string;
  readonly group: string;
  readonly log: () => string;
  readonly get: (path: string) => Promise<Response>;
}

async function start(data: string, ...fault: string[]): Promise<Service> {
  const port = await freePort();
  const file = join(folder, `config-${starts++}.yaml`);
  // A group of its own each time: who was killed stays a member for 15 s, and the group's offsets play no part.
  const group = `${topic}-${starts}`;
  writeFileSync(
    file,
    `data: ${data}
listen: 127.0.0.1:${port}
cluster: main
kafka:
  brokers: ${JSON.stringify(addresses)}
  groupId: ${group}
  topics: [{ name: ${topic}, source: vault }]
`,
  );
  const program = fault.length > 0 ? 'test/kafka/faultyService.ts' : 'src/main.ts';
  const words = fault.length > 0 ? [file, ...fault] : ['run', '--config', file];
  const child = spawn(process.execPath, ['--import', 'tsx', join(packageRoot, program), ...words], {
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr?.on('data', (chunk) => {
    log += String(chunk);
  });
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  return { child, data, group, log: () => log, get };
}

async function metric(service: Service, name: string): Promise<number> {
  const text = await service
    .get('/metrics')
    .then((r) => r.text())
    .catch(() => '');
  return [...text.matchAll(new RegExp(`^keywitness_${name}(?:{[^}]*})? (\\S+)$`, 'gm'))].reduce(
    (sum, m) => sum + Number(m[1]),
    0,
  );
}

async function stop({ child }: Service): Promise<number> {
  const before = Date.now();
  child.kill('SIGTERM');
  await until('the service ended', () => child.exitCode !== null || child.signalCode !== null, 15_000);
  expect(child.exitCode).toBe(0);
  return Date.now() - before;
}

/** What must not depend on what went wrong. */
async function state(data: string): Promise<object> {
  const engine = await openEmbedded(join(data, 'store'));
  const one = async (sql: string) => Object.values((await engine.rows(sql))[0] ?? {})[0];
  const number = async (sql: string) => Number(await one(sql));
  const at = 'stream, partition, epoch, offset, idx';
  try {
    const leaves = await engine.rows(
      'SELECT partition, hex(leaf) AS l FROM kw.records ORDER BY partition, offset',
    );
    const ofPartition = (p: number) =>
      leaves.filter((r) => Number(r.partition) === p).map((r) => Buffer.from(String(r.l), 'hex'));
    return {
      records: await number('SELECT count() AS n FROM kw.records'),
      distinct: await number('SELECT uniqExact(stream, partition, epoch, offset) AS n FROM kw.records'),
      events: await number('SELECT count() AS n FROM kw.events'),
      setAside: await number('SELECT count() AS n FROM kw.set_aside'),
      recordsWithoutRow: await number(
        'SELECT count() AS n FROM kw.records AS r LEFT ANTI JOIN (SELECT stream, partition, epoch, offset FROM kw.events UNION ALL ' +
          'SELECT stream, partition, epoch, offset FROM kw.set_aside) AS d USING (stream, partition, epoch, offset)',
      ),
      rowsPerPart: await number(
        `SELECT max(n) AS m FROM (SELECT count() AS n FROM (SELECT ${at} FROM kw.events UNION ALL SELECT ${at} FROM kw.set_aside) GROUP BY ${at})`,
      ),
      content: String(
        await one(
          'SELECT toString(groupBitXor(cityHash64(partition, offset, idx, time, actor_id, object_id, outcome))) AS x FROM kw.events',
        ),
      ),
      roots: Object.fromEntries([...Array(partitions).keys()].map((p) => [p, rootOf(ofPartition(p))])),
    };
  } finally {
    await engine.close();
  }
}

function verify(data: string): number | null {
  const words = ['--import', 'tsx', join(packageRoot, 'src/main.ts'), 'verify', '--data', data];
  return spawnSync(process.execPath, words, { env: { ...process.env, UV_THREADPOOL_SIZE: '16' } }).status;
}

describeKafka('the service, fed by Kafka', () => {
  let expected: object;

  beforeAll(async () => {
    addresses = await brokers();
    topic = await freshTopic(addresses, partitions);
    await fillTopic();
    roots = await rootsOfTopic();
  });

  test('stores the topic, says how it is, ends on SIGTERM within 10 s, and the log is intact', async () => {
    const service = await start(join(folder, 'whole'));
    await until(
      `${total} records are stored`,
      async () => (await metric(service, 'records_total')) === total,
      60_000,
    );
    expect([(await service.get('/healthz')).status, (await service.get('/readyz')).status]).toEqual([
      200, 200,
    ]);
    expect(await metric(service, 'broker_up')).toBe(1);
    expect(await metric(service, 'lag_records')).toBe(0);
    expect(await stop(service)).toBeLessThan(10_000);
    expected = await state(service.data);
    expect(expected).toMatchObject({
      records: total,
      distinct: total,
      recordsWithoutRow: 0,
      rowsPerPart: 1,
      roots,
    });
    expect(verify(service.data)).toBe(0);
    expect(service.log()).not.toMatch(/"level":"(error|warn)"/);
  });

  test.each([
    ['kw.records', 'not acknowledged'],
    ['kw.events', 'refused'],
  ])('%s %s: it goes on by itself, and nothing differs', async (table, fault) => {
    const data = join(folder, `${table}-${fault}`.replaceAll(' ', '-'));
    const service = await start(data, table, fault);
    await until('everything is stored', async () => (await storedCount(service)) === total, 60_000);
    const log = service.log();
    await stop(service);
    expect(await state(data)).toEqual(expected);
    expect(verify(data)).toBe(0);
    expect(log.match(/"event":"flush_failed"/g)).toHaveLength(1);
  });
});

/** The offsets the service committed: they follow what is stored, also what an earlier process stored. */
async function storedCount(service: Service): Promise<number> {
  const admin = kafkaClient(addresses).admin();
  await admin.connect();
  const offsets = await admin.fetchOffsets({ groupId: service.group, topics: [topic] });
  await admin.disconnect();
  return (offsets[0]?.partitions ?? []).reduce((sum, p) => sum + Math.max(0, Number(p.offset)), 0);
}
