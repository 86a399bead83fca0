import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { openEmbedded } from '../../src/store/client.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-crash-'));
const file = join(folder, 'audit.ndjson');

/** 25,000 real lines, more than one flush, with one that is set aside in each flush. */
beforeAll(() => {
  const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
    .toString('utf8')
    .split('\n')
    .slice(0, 25_000);
  lines[1000] = '{"broken":';
  lines[24_990] = '[]';
  writeFileSync(file, `${lines.join('\n')}\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('kill -9 while records are taken in', () => {
  let expected: object;
  beforeAll(async () => {
    run(join(folder, 'whole'));
    expected = await state(join(folder, 'whole'));
  });

  it('an uninterrupted run stores every line once', () => {
    expect(expected).toMatchObject({ records: 25_000, set_aside: 2, rows_per_record: 1 });
  });

  for (const [table, moment, nth] of [
    ['kw.records', 'before', 2],
    ['kw.records', 'during', 1],
    ['kw.records', 'after', 2],
    ['kw.set_aside', 'after', 1],
    ['kw.sessions', 'after', 2],
    ['kw.events', 'before', 2],
    ['kw.events', 'during', 1],
    ['kw.events', 'after', 1],
  ] as const) {
    it(`${moment} insert ${nth} into ${table}: a second run ends with the same counts, rows and root`, async () => {
      const dataDir = join(folder, `${table}-${moment}-${nth}`);
      const killed = run(dataDir, table, moment, String(nth));
      expect(killed.signal).toBe('SIGKILL');
      const again = run(dataDir);
      expect(again.stderr).toBe('');
      expect(await state(dataDir)).toEqual(expected);
    });
  }
});

function run(dataDir: string, ...fault: string[]) {
  const script = join(packageRoot, 'test/pipeline/killed.ts');
  return spawnSync(process.execPath, ['--import', 'tsx', script, dataDir, file, ...fault], {
    encoding: 'utf8',
  });
}

/** What must not depend on a crash: counts, content, one row for each part, and the stream's root. */
async function state(dataDir: string): Promise<object> {
  const engine = await openEmbedded(join(dataDir, 'store'));
  const one = async (sql: string) => Object.values((await engine.rows(sql))[0] ?? {})[0];
  const content = (table: string, columns: string) =>
    one(`SELECT toString(groupBitXor(cityHash64(${columns}))) AS x FROM ${table}`);
  const at = 'stream, partition, epoch, offset, idx';
  try {
    return {
      records: Number(await one('SELECT count() AS n FROM kw.records')),
      distinct: Number(await one('SELECT uniqExact(stream, partition, epoch, offset) AS n FROM kw.records')),
      events: Number(await one('SELECT count() AS n FROM kw.events')),
      set_aside: Number(await one('SELECT count() AS n FROM kw.set_aside')),
      sessions: Number(await one('SELECT count() AS n FROM kw.sessions FINAL')),
      rows_per_record: Number(
        await one(
          `SELECT max(n) AS m FROM (SELECT count() AS n FROM (SELECT ${at} FROM kw.events UNION ALL SELECT ${at} FROM kw.set_aside) GROUP BY ${at})`,
        ),
      ),
      recordContent: await content('kw.records', 'stream, offset, value, leaf'),
      eventContent: await content('kw.events', 'offset, idx, time, actor_id, object_id, outcome, identity'),
      sessionContent: await content('(SELECT * FROM kw.sessions FINAL)', 'session_id, issued_at, offset'),
      root: String(
        await one(
          "SELECT base64Encode(argMax(root, size)) AS r FROM kw.checkpoints WHERE endsWith(origin, '/audit.ndjson/0/0')",
        ),
      ),
    };
  } finally {
    await engine.close();
  }
}
