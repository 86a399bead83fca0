import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { growing, ingest, offsetOf } from '../ledger/retentionWorld.ts';
import { type StandIn, startStandIn } from '../support/clickhouse.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-server-retention-'));
const config = join(folder, 'keywitness.yaml');
let server: StandIn;

function keywitness(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const args = ['--import', 'tsx', join(packageRoot, 'src/main.ts'), ...words, '--config', config];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, stdout, stderr };
}

beforeAll(async () => {
  server = await startStandIn();
  writeFileSync(config, `data: ./data\nstore: { url: "${server.url}" }\n`);
  const open = () => server.open();
  await ingest(folder, 'audit.ndjson', growing.slice(0, 300), '2025-09-03T10:00:00Z', open);
  await ingest(folder, 'audit.ndjson', growing.slice(0, 400), '2025-10-20T00:00:00Z', open);
}, 120_000);
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('on a server', () => {
  it('a month is dropped and a record erased, by the account that may', async () => {
    const keep = `${Math.floor((Date.now() - Date.parse('2025-10-15T00:00:00Z')) / 86_400_000)}d`;
    const approved = ['--approver', 'ana', '--approver', 'ben'];
    const env = { KEYWITNESS_RETENTION_USER: 'default', KEYWITNESS_RETENTION_PASSWORD: '' };
    const applied = keywitness(['retention', 'apply', '--keep', keep, ...approved], env);
    expect([applied.status, applied.stderr]).toEqual([0, '']);
    expect(JSON.parse(applied.stdout)).toMatchObject({ month: '202509', state: 'dropped', records: 300 });
    const event = `audit.ndjson/0/0/${offsetOf(growing, 310)}`;
    const erased = keywitness(['erase', event, '--basis', 'GDPR 17', ...approved], env);
    expect([erased.status, erased.stderr]).toEqual([0, expect.stringContaining('Erased: 1 record')]);
    expect(keywitness(['verify', '--json'])).toMatchObject({ status: 4 });
    const engine = await server.open();
    const [left] = await engine.rows('SELECT count() AS n, countIf(sealed = 2) AS erased FROM kw.records');
    await engine.close();
    expect(left).toMatchObject({ n: 100, erased: 1 });
  }, 120_000);

  it('a password file that is not there is said', () => {
    const env = { KEYWITNESS_RETENTION_USER: 'r', KEYWITNESS_RETENTION_PASSWORD_FILE: join(folder, 'none') };
    const { status, stderr } = keywitness(
      ['retention', 'apply', '--keep', '12m', '--approver', 'a', '--approver', 'b'],
      env,
    );
    expect([status, stderr]).toEqual([3, expect.stringContaining('KEYWITNESS_RETENTION_PASSWORD_FILE')]);
  }, 60_000);
});
