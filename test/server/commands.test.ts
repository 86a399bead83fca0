import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { type StandIn, startStandIn } from '../support/clickhouse.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-commands-'));
const config = join(folder, 'keywitness.yaml');
const log = join(folder, 'audit.ndjson');
const records = 400;
let server: StandIn;

function keywitness(...words: string[]) {
  const args = ['--import', 'tsx', join(packageRoot, 'src/main.ts'), ...words, '--config', config];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return {
    status,
    stdout,
    stderr,
    rows: () =>
      stdout
        .trimEnd()
        .split('\n')
        .map((l) => JSON.parse(l) as Record<string, unknown>),
  };
}

beforeAll(async () => {
  server = await startStandIn();
  writeFileSync(config, `data: ./data\nstore: { url: "${server.url}" }\n`);
  const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
    .toString()
    .split('\n');
  writeFileSync(log, `${lines.slice(0, records).join('\n')}\n`);
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('a configuration that names a server', () => {
  it('is where reading commands look, and an empty server is not an intact log', () => {
    const { status, stderr } = keywitness('verify', '--json');
    expect([status, stderr]).toEqual([69, expect.stringContaining(`KW_DATA_MISSING`)]);
    expect(stderr).toContain(server.url);
  });

  it('takes a log in, the same file twice adds nothing, and nothing lies on the disk', () => {
    const first = keywitness('ingest', '--source', 'vault', log);
    expect([first.status, first.stderr]).toEqual([0, expect.anything()]);
    expect(first.rows()).toMatchObject([{ stream: 'audit.ndjson', records }]);
    expect(keywitness('ingest', '--source', 'vault', log).rows()).toMatchObject([{ records: 0 }]);
    expect(existsSync(join(folder, 'data/store'))).toBe(false);
  });

  it('is verified, asked, proved and reviewed like any other', () => {
    const verified = keywitness('verify', '--json');
    expect([verified.status, verified.rows().at(-1)]).toMatchObject([
      0,
      { kind: 'verdict', verdict: 'intact' },
    ]);
    expect(keywitness('query', '--json', 'SELECT count() AS n FROM records').rows()).toEqual([
      { n: records },
    ]);
    expect(keywitness('checkpoint').stdout).toMatch(/^keywitness\/[0-9a-f]{16}\/meta\n/);
    expect(keywitness('alerts', 'list', '--all', '--json').status).toBe(0);
    expect(keywitness('prove', 'audit.ndjson/0/0/0', '--out', join(folder, 'proof')).status).toBe(0);
    expect(readdirSync(join(folder, 'proof'))).toContain('event.tlog-proof');
    const review = keywitness('access', 'review', 'create', '--period', '2026Q3', '--json');
    expect([review.status, review.stderr]).toEqual([0, expect.anything()]);
    expect(readdirSync(join(folder, 'data/reviews/2026Q3')).length).toBeGreaterThan(2);
  });
});
