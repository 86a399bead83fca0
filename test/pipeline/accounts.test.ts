import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StreamKey } from '../../src/core/record.ts';
import { checkRecords } from '../../src/store/accounts.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';
import { recordCounts } from '../../src/store/recordCounts.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-accounts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const trees: readonly StreamKey[] = ['c.a', 'c.b', 'c.c'].map((stream) => ({
  stream,
  partition: 0,
  epoch: 0,
}));
const leaves = 300;
let stores = 0;
let engine: Engine;
/** Statements that read `records`, and how many parts they counted. */
let asked: number[] = [];
let breaches: () => Promise<readonly string[]>;

/** Three trees of 300 records in five parts, and the check that a running service makes of them every 10 s. */
beforeEach(async () => {
  engine = await openEmbedded(join(folder, `store-${stores++}`));
  await migrate(engine);
  // Parts merge when a test says so; `STOP MERGES` would hold up deletions too.
  await engine.command(
    'ALTER TABLE kw.records MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1',
  );
  for (let i = 0; i < 5; i++) {
    const rows = `SELECT concat('c.', char(97 + number % 3)), 0, 0, ${i * 60} + intDiv(number, 3) FROM numbers(180)`;
    await engine.command(`INSERT INTO kw.records (stream, partition, epoch, offset) ${rows}`);
  }
  asked = [];
  const counts = recordCounts({
    ...engine,
    async rows(sql, params) {
      if (Array.isArray(params?.parts)) asked.push(params.parts.length);
      return engine.rows(sql, params);
    },
  });
  breaches = async () =>
    (await checkRecords(engine, () => ({ leaves, expired: [] }), { trees: () => trees, counts })).map(
      (b) => `${b.key.stream}: ${b.sentence}`,
    );
  expect(await breaches()).toEqual([]);
});
afterEach(() => engine.close());

const says = (stream: string, count: number) =>
  `${stream}: ${stream}/0/0 holds ${count} records, and its tree has ${leaves} leaves.`;

describe('the check of every heartbeat counts what changed, and finds', () => {
  const inTree = "stream = 'c.b'";
  it.each([
    [
      'a record deleted from the middle',
      `ALTER TABLE kw.records DELETE WHERE ${inTree} AND offset = 130`,
      299,
    ],
    ['one that is only masked', `DELETE FROM kw.records WHERE ${inTree} AND offset = 130`, 299],
    ['a tree that is gone whole', `ALTER TABLE kw.records DELETE WHERE ${inTree}`, 0],
    [
      'a record that stands there twice',
      `INSERT INTO kw.records (stream, partition, epoch, offset) VALUES ('c.b', 0, 0, 130)`,
      301,
    ],
    [
      'one deleted here and one doubled elsewhere: the sum is right, the trees are not',
      `INSERT INTO kw.records (stream, partition, epoch, offset) VALUES ('c.a', 0, 0, 130)`,
      299,
    ],
  ])('%s', async (what, statement, count) => {
    await engine.command(
      `${statement}${statement.startsWith('ALTER') ? ' SETTINGS mutations_sync = 2' : ''}`,
    );
    if (!what.startsWith('one deleted here')) return expect(await breaches()).toEqual([says('c.b', count)]);
    await engine.command(
      `ALTER TABLE kw.records DELETE WHERE ${inTree} AND offset = 130 SETTINGS mutations_sync = 2`,
    );
    expect((await breaches()).toSorted()).toEqual([says('c.a', 301), says('c.b', 299)]);
  });

  it('the whole of a month that somebody dropped', async () => {
    await engine.command(
      "ALTER TABLE kw.records DROP PARTITION ID '197001' SETTINGS max_partition_size_to_drop = 0",
    );
    expect(await breaches()).toEqual(trees.map((t) => says(t.stream, 0)));
  });
});

describe('what it costs', () => {
  it('each part is counted once, however often the check is made; what is new is counted alone', async () => {
    expect(asked).toEqual([5]);
    await breaches();
    await breaches();
    expect(asked).toEqual([5]);
    await engine.command(
      "INSERT INTO kw.records (stream, partition, epoch, offset) VALUES ('c.a', 0, 0, 300)",
    );
    expect(await breaches()).toEqual([says('c.a', 301)]);
    expect(asked).toEqual([5, 1]);
  });

  it('a merge is no breach', async () => {
    await engine.command('OPTIMIZE TABLE kw.records FINAL');
    expect(await breaches()).toEqual([]);
    expect(asked).toEqual([5, 1]);
  });

  it('a merge that ends between the two questions is asked again', async () => {
    let merges = 1;
    const counts = recordCounts({
      ...engine,
      async rows(sql, params) {
        if (params?.parts !== undefined && merges-- > 0) {
          await engine.command('OPTIMIZE TABLE kw.records FINAL');
        }
        return engine.rows(sql, params);
      },
    });
    expect((await counts()).map((tree) => tree.count)).toEqual([leaves, leaves, leaves]);
  });
});
