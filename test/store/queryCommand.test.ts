import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEmbedded } from '../../src/store/client.ts';
import { lockDataDir } from '../../src/store/lock.ts';
import { migrate } from '../../src/store/migrate.ts';
import { writeEvents, writeRecords } from '../../src/store/writer.ts';
import { record, recordRow, storedEvent } from './support.ts';

let data: string;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'keywitness-query-'));
  const engine = await openEmbedded(join(data, 'store'));
  await migrate(engine);
  await writeRecords(engine, [recordRow(record(0n, 'CANARY-value'))]);
  await writeEvents(engine, [
    storedEvent(0n, { object_id: 'vault:core/a', actor_name: 'tab\there' }),
    storedEvent(9_007_199_254_740_993n, { object_id: 'vault:core/b' }),
  ]);
  await engine.close();
});
afterAll(() => rmSync(data, { recursive: true, force: true }));

interface Run {
  readonly exit: number | null;
  readonly out: string;
  readonly err: string;
}

const query = (...args: string[]): Promise<Run> =>
  run(process.execPath, ['--import', 'tsx', 'src/main.ts', 'query', ...args]);

function run(program: string, args: readonly string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, KEYWITNESS_DATA: data },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('error', reject);
    child.on('close', (exit) => resolve({ exit, out, err }));
  });
}

const perObject = 'SELECT object_id, max(offset) AS last FROM events GROUP BY object_id ORDER BY object_id';

describe('query', () => {
  it('prints NDJSON when piped, 64-bit integers exact', async () => {
    expect(await query(perObject)).toEqual({
      exit: 0,
      out: '{"object_id":"vault:core/a","last":0}\n{"object_id":"vault:core/b","last":9007199254740993}\n',
      err: '',
    });
  });

  it('prints CSV and tables on request', async () => {
    expect((await query('--format', 'csv', perObject)).out).toBe(
      '"object_id","last"\n"vault:core/a",0\n"vault:core/b",9007199254740993\n',
    );
    const table = await query('--format', 'table', 'SELECT actor_name AS a, a FROM events WHERE offset = 0');
    expect(table.out).toBe('a          a (2)\ntab\\there  tab\\there\n');
    expect(table.err).toBe('1 row\n');
  });

  it('says what it refuses and why, with exit code 2', async () => {
    const { exit, out, err } = await query('SELECT 1; DROP TABLE kw.events');
    expect({ exit, out }).toEqual({ exit: 2, out: '' });
    expect(err).toMatch(/^KW_QUERY_REFUSED: .*";" at 1:9: one statement only\.\n$/);
  });

  it('reads raw bytes only with --raw, and writes down that it did', async () => {
    const refused = await query('SELECT value FROM records');
    expect(refused.exit).toBe(2);
    expect(refused.err).toContain('--raw');
    expect(existsSync(join(data, 'acts.ndjson'))).toBe(false);
    const raw = await query('--raw', 'SELECT value FROM records');
    expect(raw.out).toBe('{"value":"CANARY-value"}\n');
    const acts = readFileSync(join(data, 'acts.ndjson'), 'utf8').trimEnd().split('\n');
    expect(acts).toHaveLength(1);
    expect(JSON.parse(acts[0] ?? '')).toMatchObject({ act: 'query.raw', sql: 'SELECT value FROM records' });
  });

  it('ends in order when the reader of the pipe has enough', async () => {
    const line = `"${process.execPath}" --import tsx src/main.ts query "SELECT * FROM numbers(200000)" | head -1; echo "$PIPESTATUS"`;
    const { out, err } = await run('bash', ['-c', line]);
    expect({ out, err }).toEqual({ out: '{"number":0}\n0\n', err: '' });
  });

  it('makes no store where there is none', async () => {
    const elsewhere = join(data, 'nothing-here');
    const { exit, err } = await query('--data', elsewhere, 'SELECT 1');
    expect(exit).toBe(4);
    expect(err).toContain('KW_DATA_MISSING');
    expect(existsSync(elsewhere)).toBe(false);
  });

  it('names the process that holds the data directory', async () => {
    const release = lockDataDir(data);
    try {
      const { exit, err } = await query('SELECT 1');
      expect(exit).toBe(4);
      expect(err).toContain(`KW_DATA_HELD`);
      expect(err).toContain(`Process ${process.pid} holds`);
    } finally {
      release();
    }
    expect((await query('SELECT 1 AS x')).out).toBe('{"x":1}\n');
  });
});
