import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/app/doctor/finding.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { tablesOfMigrations } from '../../src/store/migrate.ts';
import { Broker } from '../support/broker.ts';
import { type StandIn, startStandIn } from '../support/clickhouse.ts';
import { brokers, createTopic, describeKafka, freshTopic } from '../support/kafka.ts';
import { freePort } from '../support/kafkaProcess.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-doctor-'));
const config = join(folder, 'keywitness.yaml');
const data = join(folder, 'data');
const log = join(folder, 'audit.ndjson');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function keywitness(...words: string[]) {
  const args = ['--import', 'tsx', join(packageRoot, 'src/main.ts'), ...words];
  const env = { ...process.env, UV_THREADPOOL_SIZE: '16' };
  return spawnSync(process.execPath, args, { encoding: 'utf8', env });
}

function doctor(...words: string[]) {
  const { status, stdout, stderr } = keywitness('doctor', '--json', ...words);
  const findings =
    stdout === ''
      ? []
      : stdout
          .trimEnd()
          .split('\n')
          .map((l) => JSON.parse(l) as Finding);
  const of = (check: string) => findings.filter((f) => f.check === check && f.state !== 'ok');
  return { status, stderr, findings, of };
}

describe('doctor on one machine', () => {
  it('says what a fresh directory lacks, and ends with 4', () => {
    const { status, of } = doctor('--data', join(folder, 'nowhere'));
    expect(status).toBe(4);
    expect(of('data')).toMatchObject([
      { state: 'missing', fix: expect.stringContaining('keywitness ingest') },
    ]);
  });

  it('has only advice for the default set-up: a plain key, the anchor beside the data', () => {
    writeFileSync(log, '{"type":"request"}\n');
    expect(keywitness('ingest', '--source', 'vault', '--data', data, log).status).toBe(0);
    const { status, of, findings } = doctor('--data', data);
    expect([status, findings.filter((f) => f.state === 'wrong' || f.state === 'missing')]).toEqual([0, []]);
    expect(of('key')).toMatchObject([{ state: 'advice', detail: expect.stringContaining('plain') }]);
    expect(of('anchor')).toMatchObject([
      { state: 'advice', fix: expect.stringContaining('KEYWITNESS_ANCHOR_FILE') },
    ]);
    expect(findings.find((f) => f.check === 'store')).toMatchObject({ state: 'ok' });
  });

  it('reminds of a key that signed for more than 90 days', () => {
    const old = new Date(Date.now() - 91 * 86_400_000);
    utimesSync(join(data, 'ledger/signing-key.pem'), old, old);
    const found = doctor('--data', data).of('key');
    expect(found).toContainEqual(expect.objectContaining({ state: 'advice', fix: 'keywitness keys rotate' }));
  });

  it('finds a directory that others can read, a catalog that does not load and an anchor that is gone', () => {
    chmodSync(data, 0o755);
    rmSync(`${data}.anchor`);
    writeFileSync(join(folder, 'catalog.yaml'), 'environments: 7\n');
    const { status, of } = doctor('--data', data, '--catalog', join(folder, 'catalog.yaml'));
    expect(status).toBe(1);
    expect(of('data')).toMatchObject([{ state: 'wrong', fix: `chmod 700 ${data}` }]);
    expect(of('anchor')).toMatchObject([{ state: 'wrong' }]);
    expect(of('catalog')).toMatchObject([
      { state: 'wrong', detail: expect.stringContaining('catalog.yaml:1') },
    ]);
    chmodSync(data, 0o700);
  });
});

describe('doctor on a server', () => {
  let server: StandIn;
  const allGrants = tablesOfMigrations().map((t) => `GRANT SELECT, INSERT ON kw.${t} TO keywitness`);
  beforeAll(async () => {
    server = await startStandIn();
    writeFileSync(config, `data: ./server\nstore: { url: "${server.url}", user: keywitness }\n`);
  });
  afterAll(() => server.stop());

  it('says which tables are not made yet, and who may make them', async () => {
    await server.fault({ kind: 'none', grants: allGrants.join('\n') });
    const { of } = doctor('--config', config);
    expect(of('tables')).toMatchObject([
      { state: 'wrong', fix: expect.stringContaining('keywitness_migrator') },
    ]);
  });

  it('is content with an account that may add and read', () => {
    expect(keywitness('ingest', '--source', 'vault', '--config', config, log).status).toBe(0);
    const { status, findings } = doctor('--config', config);
    expect(findings.filter((f) => f.state === 'wrong' || f.state === 'missing')).toEqual([]);
    expect(status).toBe(0);
    expect(findings.map((f) => f.check)).toContain('grants');
  });

  it('gives the statement that takes a right away, also when a role brought it, and the one that gives what lacks', async () => {
    const direct = [
      ...allGrants.slice(1),
      'GRANT DROP TABLE ON kw.* TO keywitness',
      'GRANT ops TO keywitness',
    ];
    const finalGrants = [...direct, 'GRANT ALTER DELETE ON *.* TO keywitness'].join('\n');
    await server.fault({ kind: 'none', grants: direct.join('\n'), finalGrants });
    const { status, of } = doctor('--config', config);
    expect(status).toBe(1);
    expect(of('grants').map((f) => f.fix)).toEqual([
      'REVOKE DROP TABLE ON kw.* FROM keywitness',
      'It comes with a role: REVOKE ops FROM keywitness, or take it from the role',
      'GRANT SELECT, INSERT ON kw.migrations TO keywitness',
    ]);
  });

  it('ends with 4 when the server is away', async () => {
    await server.fault({ kind: 'down' });
    const { status, of } = doctor('--config', config);
    expect(status).toBe(4);
    expect(of('store')).toMatchObject([
      { state: 'missing', detail: expect.stringContaining('ECONNREFUSED') },
    ]);
    await server.fault({ kind: 'none' });
  });
});

describeKafka('doctor on a cluster', () => {
  const write = (broker: string, topics: string, more = '') =>
    writeFileSync(config, `data: ./data\nkafka:\n  brokers: ["${broker}"]\n  topics: ${topics}\n${more}\n`);

  it('names topics that are not there, and those that lose records', async () => {
    const addresses = await brokers();
    const good = await freshTopic(addresses);
    await createTopic(addresses, `${good}-c`, 1, [{ name: 'cleanup.policy', value: 'compact' }]);
    await createTopic(addresses, `${good}-s`, 1, [{ name: 'retention.ms', value: '60000' }]);
    write(
      addresses[0] ?? '',
      `[{ name: ${good} }, { name: ${good}-c }, { name: ${good}-s }, { name: ${good}-absent }]`,
    );
    const { status, of } = doctor('--config', config);
    expect(status).toBe(4);
    expect(of('kafka').map((f) => [f.state, f.fix])).toEqual([
      ['missing', expect.stringContaining(`--create --topic ${good}-absent`)],
      ['wrong', expect.stringContaining('cleanup.policy=delete')],
      ['wrong', expect.stringContaining('retention.ms=604800000')],
    ]);
  });

  it('on a server also asks for the topic over which instances agree', async () => {
    const broker = await Broker.start();
    try {
      const good = await freshTopic([broker.address]);
      write(broker.address, `[{ name: ${good} }]`, 'store: { url: "http://127.0.0.1:1" }');
      const fix = (f: Finding) => f.fix;
      expect(doctor('--config', config).of('kafka').map(fix)).toEqual([
        expect.stringMatching(/--create --topic keywitness\.control --partitions 1/),
      ]);
      await createTopic([broker.address], 'keywitness.control', 2);
      expect(doctor('--config', config).of('kafka').map(fix)).toEqual([
        expect.stringMatching(/--delete --topic keywitness\.control/),
      ]);
    } finally {
      await broker.remove();
    }
  });

  it('ends with 4 when no broker answers', async () => {
    write(`127.0.0.1:${await freePort()}`, '[{ name: a }]');
    const { status, of } = doctor('--config', config);
    expect(status).toBe(4);
    expect(of('kafka')).toMatchObject([{ state: 'missing' }]);
  });
});
