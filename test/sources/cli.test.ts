import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { fixtures, linesOf } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-sources-'));
afterAll(() => rmSync(folder, { recursive: true }));

function run(args: readonly string[], input?: string | Buffer) {
  const main = join(packageRoot, 'src', 'main.ts');
  const done = spawnSync(process.execPath, ['--import', 'tsx', main, 'sources', ...args], {
    cwd: packageRoot,
    encoding: 'utf8',
    ...(input === undefined ? {} : { input }),
  });
  return { status: done.status, out: done.stdout.split('\n').filter((l) => l !== ''), err: done.stderr };
}

const calls = join(fixtures, 'vault', 'calls.in.ndjson');

test('list names the sources', () => {
  const { status, out } = run(['list', '--json']);
  expect(status).toBe(0);
  expect(out.map((l) => JSON.parse(l).source)).toEqual(['cloudtrail', 'vault']);
});

test('normalise gives one AuditEvent a line, in order, gzipped or not', () => {
  const expected = linesOf(join(fixtures, 'vault', 'calls.out.ndjson')).map((l) => JSON.parse(l));
  const plain = run(['normalise', '--source', 'openbao', calls]);
  expect(plain.status).toBe(0);
  expect(plain.out.map((l) => JSON.parse(l))).toEqual(expected);
  const packed = join(folder, 'calls.ndjson.gz');
  writeFileSync(packed, gzipSync(readFileSync(calls)));
  expect(run(['normalise', packed]).out).toEqual(plain.out);
});

test('a line that cannot be read gives its number and why, the rest goes on, exit 2', () => {
  const [first, second] = linesOf(calls);
  const { status, out } = run(['normalise', '--source', 'vault'], `${first}\n\nnonsense canary\n${second}\n`);
  expect(status).toBe(2);
  expect(out).toHaveLength(3);
  expect(JSON.parse(out[1] ?? '')).toEqual({ error: 'No JSON object in it.', line: 3, reason: 'no_json' });
  expect(out.join('\n')).not.toContain('canary');
});

test('a document that spans lines is one record', () => {
  const record = linesOf(join(fixtures, 'cloudtrail', 'calls.in.ndjson'))[0] ?? '';
  const { status, out } = run(['normalise', '-'], JSON.stringify({ Records: [JSON.parse(record)] }, null, 2));
  expect(status).toBe(0);
  expect(out.map((l) => JSON.parse(l).source_uid)).toEqual(['c01']);
});

test('settings make the ids', () => {
  const args = ['normalise', '--store', 'eu', '--kv2', 'x', '--kv2', 'kv,y'];
  const { out } = run([...args, join(fixtures, 'vault', 'kv2.in.ndjson')]);
  expect(out.map((l) => JSON.parse(l).object_id).slice(0, 2)).toEqual([
    'vault:eu/kv/app/db',
    'vault:eu/legacy/data/app',
  ]);
});

test('an unknown source is exit 2 with the list', () => {
  const { status, err } = run(['normalise', '--source', 'vualt', calls]);
  expect(status).toBe(2);
  expect(err).toContain('KW_SOURCE_UNKNOWN');
  expect(err).toContain('vault (openbao)');
});

test('detect names each line’s source', () => {
  const record = linesOf(join(fixtures, 'cloudtrail', 'calls.in.ndjson'))[0] ?? '';
  const { status, out } = run(['detect'], `${linesOf(calls)[0]}\n${record}\n{"a":1}\n`);
  expect(status).toBe(2);
  expect(out.map((l) => JSON.parse(l)).map(({ line, source }) => [line, source])).toEqual([
    [1, 'vault'],
    [2, 'cloudtrail'],
    [3, null],
  ]);
});
