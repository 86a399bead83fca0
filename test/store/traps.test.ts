import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import type { Column } from '../../src/store/columns.ts';
import { text, u32 } from '../../src/store/columns.ts';
import { migrate } from '../../src/store/migrate.ts';
import { readBackRecords } from '../../src/store/readBack.ts';
import { RowBinaryWriter } from '../../src/store/rowBinary.ts';
import { writeRecords } from '../../src/store/writer.ts';
import { openTestStore, record, recordRow, type TestStore } from './support.ts';

interface Pair {
  readonly n: number;
  readonly t: string;
}
const pairColumns: readonly Column<Pair>[] = [u32('n', (r) => r.n), text('t', (r) => r.t)];

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await migrate(store.engine);
  const engine = 'ENGINE = MergeTree ORDER BY n';
  await store.engine.command(
    `CREATE TABLE kw.windowed (n UInt32, t String) ${engine} SETTINGS non_replicated_deduplication_window = 100`,
  );
  await store.engine.command(`CREATE TABLE kw.windowless (n UInt32, t String) ${engine}`);
});
afterAll(() => store.close());

const count = async (table: string): Promise<number> =>
  Number((await store.engine.rows(`SELECT count() AS total FROM ${table}`))[0]?.total);

async function insertPairs(table: string, token: string, ...given: (Pair | Pair[])[]): Promise<void> {
  const out = new RowBinaryWriter();
  for (const row of given.flat()) for (const column of pairColumns) column.write(out, row);
  await store.engine.insert(table, pairColumns, out, token);
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('settings given with a call stick to the embedded session', () => {
  it('so the word for them stands in no file but the client', () => {
    const word = ['clickhouse', 'settings'].join('_');
    const found = sourceFiles(join(packageRoot, 'src')).filter((file) =>
      readFileSync(file, 'utf8').includes(word),
    );
    expect(found).toEqual([join(packageRoot, 'src/store/client.ts')]);
  });

  it('and the client gives none to the embedded engine', () => {
    const client = readFileSync(join(packageRoot, 'src/store/client.ts'), 'utf8');
    const embedded = client.slice(
      client.indexOf('function openEmbedded'),
      client.indexOf('function openServer'),
    );
    expect(embedded).toContain('createChdbConnection');
    expect(embedded).not.toMatch(/\w+_settings\s*:/);
  });

  it('an insert with a token leaves the next insert without one alone', async () => {
    await insertPairs('kw.windowed', 'sticky', { n: 1, t: 'first' });
    await store.engine.command("INSERT INTO kw.windowed VALUES (2, 'second')");
    await store.engine.command("INSERT INTO kw.windowed VALUES (2, 'third')");
    const rows = await store.engine.rows('SELECT t FROM kw.windowed ORDER BY t');
    expect(rows.map((r) => r.t)).toEqual(['first', 'second', 'third']);
    const changed = await store.engine.rows(
      "SELECT name FROM system.settings WHERE changed AND name IN ('insert_deduplication_token', 'async_insert', 'max_threads', 'max_insert_block_size')",
    );
    expect(changed).toEqual([]);
  });
});

describe('the deduplication window', () => {
  it('swallows the same token, whatever the rows: so the token must be the content', async () => {
    await insertPairs('kw.windowed', 'token-a', { n: 10, t: 'a' });
    const before = await count('kw.windowed');
    await insertPairs('kw.windowed', 'token-a', { n: 10, t: 'a' });
    expect(await count('kw.windowed')).toBe(before);
    await insertPairs('kw.windowed', 'token-a', { n: 11, t: 'other rows, dropped without a word' });
    expect(await count('kw.windowed')).toBe(before);
    await insertPairs('kw.windowed', 'token-b', { n: 11, t: 'another token' });
    expect(await count('kw.windowed')).toBe(before + 1);
  });

  it('a table made without one stores the same token twice', async () => {
    await insertPairs('kw.windowless', 'token-a', { n: 1, t: 'a' });
    await insertPairs('kw.windowless', 'token-a', { n: 1, t: 'a' });
    expect(await count('kw.windowless')).toBe(2);
  });

  it('so every table of ours that is inserted into by token has one', async () => {
    const tables = await store.engine.rows(
      "SELECT name, create_table_query AS q FROM system.tables WHERE database = 'kw' AND engine LIKE '%MergeTree' AND name NOT IN ('migrations', 'windowed', 'windowless')",
    );
    expect(tables.length).toBeGreaterThanOrEqual(6);
    for (const { name, q } of tables) {
      expect(String(q), String(name)).toMatch(/non_replicated_deduplication_window = 10000\b/);
      expect(String(q), String(name)).toMatch(/fsync_after_insert = 1\b/);
      expect(String(q), String(name)).toMatch(/fsync_part_directory = 1\b/);
    }
  });

  it('the same records twice add nothing, other records at the same offset are not swallowed', async () => {
    const rows = [recordRow(record(500n, 'a')), recordRow(record(501n, 'b'))];
    await writeRecords(store.engine, rows);
    await writeRecords(store.engine, rows);
    expect(await count('kw.records WHERE offset IN (500, 501)')).toBe(2);
    await writeRecords(store.engine, [recordRow(record(500n, 'changed')), recordRow(record(501n, 'b'))]);
    expect(await count('kw.records WHERE offset IN (500, 501)')).toBe(4);
  });
});

describe('inserts are synchronous', () => {
  it('although this engine makes them asynchronous when nobody says otherwise', async () => {
    const setting = await store.engine.rows("SELECT value FROM system.settings WHERE name = 'async_insert'");
    expect(setting).toEqual([{ value: '1' }]);
    await insertPairs('kw.windowed', 'sync', { n: 77, t: 'there at once' });
    expect(await count('kw.windowed WHERE n = 77')).toBe(1);
    expect(readFileSync(join(packageRoot, 'src/store/client.ts'), 'utf8')).toContain('async_insert = 0');
  });

  it('one flush is one part, however many rows', async () => {
    const rows = Array.from({ length: 200_000 }, (_, n) => ({ n: 1000 + n, t: 'x'.repeat(20) }));
    await store.engine.command('SYSTEM STOP MERGES kw.windowless');
    const parts = async () =>
      Number(
        (
          await store.engine.rows(
            "SELECT count() AS n FROM system.parts WHERE table = 'windowless' AND active",
          )
        )[0]?.n,
      );
    const before = await parts();
    await insertPairs('kw.windowless', 'large', rows);
    expect(await parts()).toBe(before + 1);
    await store.engine.command('SYSTEM START MERGES kw.windowless');
  });

  it('a block that is cut short adds nothing', async () => {
    const out = new RowBinaryWriter();
    for (const column of pairColumns) column.write(out, { n: 900_001, t: 'whole' });
    for (const column of pairColumns) column.write(out, { n: 900_002, t: 'cut' });
    const cut = { bytes: () => out.bytes().subarray(0, out.bytes().length - 2) } as RowBinaryWriter;
    await expect(store.engine.insert('kw.windowed', pairColumns, cut, 'cut')).rejects.toMatchObject({
      code: 'KW_STORE',
    });
    expect(await count('kw.windowed WHERE n > 900000')).toBe(0);
  });
});

describe('reading back notices', () => {
  const rows = [0n, 1n, 2n].map((offset) => recordRow(record(offset, `value ${offset}`, { stream: 'back' })));
  const change = (sql: string) => store.engine.command(`${sql} SETTINGS mutations_sync = 2`);

  it('nothing when all is there', async () => {
    await writeRecords(store.engine, rows);
    await expect(readBackRecords(store.engine, rows)).resolves.toBeUndefined();
  });

  it('nothing when the XOR of the leaves begins or ends with zero bytes', async () => {
    // The engine prints numbers without leading zeros; of all flushes one in 256 has one.
    for (const [stream, first, last] of [
      ['zero-end', 1, 0],
      ['zero-start', 0, 1],
      ['zero-all', 0, 0],
    ] as const) {
      const leaf = Buffer.alloc(32, 0xab);
      leaf[0] = first;
      leaf[31] = last;
      if (first === 0 && last === 0) leaf.fill(0);
      const row = [{ ...recordRow(record(0n, 'x', { stream })), leaf }];
      await writeRecords(store.engine, row);
      await expect(readBackRecords(store.engine, row), stream).resolves.toBeUndefined();
    }
  });

  it('a row in the middle that is missing, with its stream and offsets', async () => {
    await change("ALTER TABLE kw.records DELETE WHERE stream = 'back' AND offset = 1");
    await expect(readBackRecords(store.engine, rows)).rejects.toMatchObject({
      code: 'KW_STORE_READBACK',
      message: expect.stringMatching(
        /back\/0\/0 offsets 0 to 2: wrote 3 records, found 2\..*No offset was moved/,
      ),
    });
  });

  it('a row whose leaf is another, and a row that is there twice', async () => {
    const one = (stream: string) => [recordRow(record(0n, 'x', { stream }))];
    await writeRecords(store.engine, one('other-leaf'));
    await change("ALTER TABLE kw.records UPDATE leaf = unhex(repeat('ee', 32)) WHERE stream = 'other-leaf'");
    await expect(readBackRecords(store.engine, one('other-leaf'))).rejects.toMatchObject({
      code: 'KW_STORE_READBACK',
    });
    await writeRecords(store.engine, one('twice'));
    await store.engine.command("INSERT INTO kw.records SELECT * FROM kw.records WHERE stream = 'twice'");
    await expect(readBackRecords(store.engine, one('twice'))).rejects.toThrow(/wrote 1 records, found 2/);
  });

  it('a row that is there three times: its leaves cancel out, only the count tells', async () => {
    const rows = [recordRow(record(0n, 'x', { stream: 'thrice' }))];
    await writeRecords(store.engine, rows);
    await store.engine.command(
      "INSERT INTO kw.records SELECT r.* FROM kw.records AS r, numbers(2) AS twice WHERE stream = 'thrice'",
    );
    await expect(readBackRecords(store.engine, rows)).rejects.toThrow(/wrote 1 records, found 3/);
  });

  it('a flush of which nothing arrived', async () => {
    const ghost = [recordRow(record(0n, 'x', { stream: 'ghost' }))];
    await expect(readBackRecords(store.engine, ghost)).rejects.toThrow(/wrote 1 records, found 0/);
  });
});

describe('a stray DROP', () => {
  it('of a table with rows fails, and the rows stay', async () => {
    const before = await count('kw.records');
    expect(before).toBeGreaterThan(0);
    await expect(store.engine.command('DROP TABLE kw.records')).rejects.toThrow(
      /TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT/,
    );
    await expect(store.engine.command('TRUNCATE TABLE kw.records')).rejects.toThrow(
      /TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT/,
    );
    await expect(
      store.engine.command(`ALTER TABLE kw.records DROP PARTITION ${await partitionOfRecords()}`),
    ).rejects.toThrow(/TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT/);
    expect(await count('kw.records')).toBe(before);
  });
});

async function partitionOfRecords(): Promise<string> {
  const [row] = await store.engine.rows(
    "SELECT partition FROM system.parts WHERE table = 'records' AND active LIMIT 1",
  );
  return String(row?.partition);
}
