import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { migrate } from '../../src/store/migrate.ts';
import { writeRecords } from '../../src/store/writer.ts';
import { openTestStore, record, recordRow, type TestStore } from './support.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});
afterAll(() => store.close());

const applied = () => store.engine.rows('SELECT name, sha256, applied_at FROM kw.migrations ORDER BY name');
const files = readdirSync(join(packageRoot, 'src/store/migrations'))
  .filter((f) => f.endsWith('.sql'))
  .sort();

it('numbers its files without a gap, so that their order is never in doubt', () => {
  expect(files.map((f) => Number(f.slice(0, 4)))).toEqual(files.map((_, i) => i + 1));
});

it('applies each file once, however often the store is opened, and touches no row', async () => {
  await migrate(store.engine);
  const first = await applied();
  expect(first.map((r) => r.name)).toEqual(files);
  await writeRecords(store.engine, [recordRow(record(0n, 'stays'))]);
  await migrate(store.engine);
  expect(await applied()).toEqual(first);
  expect(await store.engine.rows('SELECT value FROM kw.records')).toEqual([{ value: 'stays' }]);
});

it('goes on after a crash between a statement and its note', async () => {
  const last = files.at(-1) ?? '';
  await store.engine.command(
    `ALTER TABLE kw.migrations DELETE WHERE name = '${last}' SETTINGS mutations_sync = 2`,
  );
  await migrate(store.engine);
  expect((await applied()).map((r) => r.name)).toEqual(files);
  expect(await store.engine.rows('SELECT value FROM kw.records')).toEqual([{ value: 'stays' }]);
});

it('refuses a file that was applied with another text, and changes nothing', async () => {
  const name = files[0] ?? '';
  await store.engine.command(
    `ALTER TABLE kw.migrations UPDATE sha256 = 'of another text' WHERE name = '${name}' SETTINGS mutations_sync = 2`,
  );
  const before = await applied();
  await expect(migrate(store.engine)).rejects.toMatchObject({
    code: 'KW_STORE',
    message: expect.stringContaining(`Migration ${name} was applied`),
  });
  expect(await applied()).toEqual(before);
});

it('holds no statement that drops or rewrites evidence', () => {
  for (const file of files) {
    const sql = readFileSync(join(packageRoot, 'src/store/migrations', file), 'utf8');
    expect(sql, file).not.toMatch(/\b(DROP|TRUNCATE|DELETE|TTL)\b/i);
    // Replacing merges rows away: lawful for what is derived, never for evidence.
    expect(sql, file).not.toMatch(
      /CREATE TABLE[^;]*kw\.(records|events|set_aside|hits)\b[^;]*ENGINE = (?!MergeTree)/,
    );
  }
});
