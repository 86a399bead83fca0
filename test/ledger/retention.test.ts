import { afterAll, describe, expect, it } from 'vitest';
import { applyRetention } from '../../src/app/retention.ts';
import { isOver, parseKeep } from '../../src/app/retentionKeep.ts';
import { planRetention } from '../../src/app/retentionPlan.ts';
import { streamKeyText } from '../../src/core/record.ts';
import { readExpired } from '../../src/ledger/audit/lawfulLeaves.ts';
import { checkAccounts } from '../../src/store/accounts.ts';
import {
  apply,
  growing,
  ingest,
  leafOf,
  lines,
  newWorld,
  offsetOf,
  old,
  oldFile,
  openAt,
  openStore,
  order,
  removeWorld,
  rowsOf,
  time,
  treeHash,
  withLedger,
} from './retentionWorld.ts';

afterAll(removeWorld);

const plan = async (dir: string, now = time.now) => {
  const engine = await openStore(dir);
  try {
    return await planRetention(engine, order.keep, now);
  } finally {
    await engine.close();
  }
};

describe('retention plan', () => {
  it('names whole ingest months older than the period, tree by tree, and never a younger one', async () => {
    const dir = await newWorld();
    const { months } = await plan(dir);
    expect(months.map((m) => [m.month, m.state])).toEqual([['202509', 'goes']]);
    expect(months[0]?.trees.map((t) => [streamKeyText(t), t.from, t.count, t.first, t.last])).toEqual([
      ['audit.ndjson/0/0', 0, 300, 0n, offsetOf(growing, 299)],
      ['old.ndjson/0/0', 0, 70, 0n, offsetOf(old, 69)],
    ]);
    expect(months[0]?.derived).toMatchObject({ events: 370, set_aside: 0, hits: 0 });
    const later = await plan(dir, Date.parse('2026-11-01T00:00:00Z'));
    expect(later.months.map((m) => [m.month, m.trees.map((t) => t.from)])).toEqual([
      ['202509', [0, 0]],
      ['202510', [300]],
    ]);
  }, 60_000);
});

describe('retention apply', () => {
  it('drops a month, and leaves of the meta-log say exactly which leaves went, with their root', async () => {
    const dir = await newWorld();
    const { dropped } = await apply(dir);
    expect(dropped.map((m) => m.month)).toEqual(['202509']);
    const engine = await openStore(dir);
    const said = await readExpired(engine);
    await engine.close();
    const leaves = (file: readonly string[], stream: string, count: number) =>
      Array.from({ length: count }, (_, i) => leafOf(stream, file, i));
    const common = {
      month: '202509',
      from: 0,
      first: 0n,
      policy: 'keep 12m',
      approvers: ['Ada', 'Grace'],
      holds: 0,
    };
    expect(said).toEqual([
      {
        ...common,
        tree: 'audit.ndjson/0/0',
        count: 300,
        last: offsetOf(growing, 299),
        root: treeHash(leaves(growing, 'audit.ndjson', 300)),
      },
      {
        ...common,
        tree: 'old.ndjson/0/0',
        count: 70,
        last: offsetOf(old, 69),
        root: treeHash(leaves(old, 'old.ndjson', 70)),
      },
    ]);
    const [found] = await rowsOf(
      dir,
      'SELECT (SELECT count() FROM kw.records) AS records, (SELECT count() FROM kw.events) AS events, ' +
        '(SELECT count() FROM kw.sessions) AS sessions, (SELECT min(offset) FROM kw.records) AS first',
    );
    expect(found).toMatchObject({ records: 200, events: 200, first: Number(offsetOf(growing, 300)) });
  }, 60_000);

  it('lets everything go on: the next run, its accounts, and the same files again, which add nothing', async () => {
    const dir = await newWorld();
    await apply(dir);
    const app = await openAt(dir);
    expect(app.troubles).toEqual([]);
    await app.close();
    const breaches = await withLedger(dir, ({ engine, ledger }) =>
      checkAccounts(engine, (key) => ledger.extent(key)),
    );
    expect(breaches).toEqual([]);
    const [last] = await rowsOf(dir, 'SELECT kind FROM kw.meta ORDER BY `index` DESC LIMIT 1');
    expect(last).toEqual({ kind: 'stop' });
    const again = [
      await ingest(dir, 'audit.ndjson', growing, '2026-10-02T00:00:00Z'),
      await ingest(dir, 'old.ndjson', old, '2026-10-02T00:00:01Z'),
    ];
    expect(again.map((c) => [c.records, c.epoch])).toEqual([
      [0, 0],
      [0, 0],
    ]);
  }, 60_000);

  it('lets an intake resume where the last record has expired, and know that record again', async () => {
    const dir = await newWorld();
    await apply(dir);
    const app = await openAt(dir);
    const end = await app.sink.authority('old.ndjson', 0);
    const last = { ...oldFile, offset: offsetOf(old, 69) };
    expect(end).toMatchObject(last);
    const record = (value: string) => ({
      ...last,
      timestamp: 0,
      key: null,
      headers: [],
      value: Buffer.from(value),
    });
    expect(await app.sink.isStored(record(old[69] ?? ''))).toBe(true);
    expect(await app.sink.isStored(record(old[68] ?? ''))).toBe(false);
    expect(await app.sink.isStored({ ...record(old[68] ?? ''), offset: offsetOf(old, 68) })).toBe(false);
    await app.close();
  }, 60_000);

  it('lets a stream of which nothing is left grow on in the same tree', async () => {
    const dir = await newWorld();
    await apply(dir);
    const grown = lines.slice(700, 1_000);
    const counts = await ingest(dir, 'old.ndjson', grown, '2026-10-02T00:00:00Z');
    expect([counts.records, counts.epoch]).toEqual([230, 0]);
    const [row] = await rowsOf(
      dir,
      "SELECT size, base64Encode(root) AS root FROM kw.checkpoints WHERE origin LIKE '%/old.ndjson/0/0' ORDER BY size DESC LIMIT 1",
    );
    const leaves = grown.map((_, i) => leafOf('old.ndjson', grown, i));
    expect(row).toEqual({ size: 300, root: treeHash(leaves).toString('base64') });
  }, 60_000);
});

describe('retention apply refuses, and drops nothing', () => {
  const change = async (dir: string, sql: string) => {
    const engine = await openStore(dir);
    await engine.command(sql);
    await engine.close();
  };
  it.each([
    [
      'a record whose bytes are not those of its leaf',
      `ALTER TABLE kw.records UPDATE value = '{}' WHERE stream = 'old.ndjson' AND offset = ${offsetOf(old, 9)} SETTINGS mutations_sync = 1`,
      `old.ndjson/0/0/${offsetOf(old, 9)} is not what its leaf says`,
    ],
    [
      'derived rows whose records are not of that month',
      "INSERT INTO kw.hits (rule, time, stream, partition, epoch, offset, idx, ingested_at, rules_version, writer) SELECT 'r', now64(9), 'other.ndjson', 0, 0, 1, 0, toDateTime64('2025-09-04 00:00:00', 3, 'UTC'), 1, 0",
      'other.ndjson/0/0 has rows in kw.hits whose records are not of that month',
    ],
    [
      'a month that is no stretch of its tree',
      `INSERT INTO kw.records SETTINGS insert_deduplicate = 0 SELECT * REPLACE (toDateTime64('2025-09-05 00:00:00', 3, 'UTC') AS ingested_at) FROM kw.records WHERE stream = 'audit.ndjson' AND offset = ${offsetOf(growing, 400)}`,
      'do not follow each other',
    ],
    [
      'a stream that contradicts what was signed',
      `ALTER TABLE kw.records DELETE WHERE stream = 'old.ndjson' AND offset = ${offsetOf(old, 9)} SETTINGS mutations_sync = 1`,
      'old.ndjson/0/0 contradicts what was signed of it',
    ],
  ])('%s', async (_, sql, why) => {
    const dir = await newWorld();
    await change(dir, sql);
    const count =
      'SELECT (SELECT count() FROM kw.records) AS records, (SELECT count() FROM kw.meta) AS words';
    const before = await rowsOf(dir, count);
    await expect(apply(dir)).rejects.toThrow(why);
    expect(await rowsOf(dir, count)).toEqual(before);
  });

  it('names so long that what is said would stand in two leaves, of which neither allows anything', async () => {
    const dir = await newWorld();
    const long = withLedger(dir, (parts) =>
      applyRetention(parts, { ...order, approvers: ['名'.repeat(300), '字'.repeat(300)], now: time.now }),
    );
    await expect(long).rejects.toThrow('too long for a leaf');
    expect(await rowsOf(dir, "SELECT count() AS n FROM kw.meta WHERE kind = 'retention'")).toEqual([
      { n: 0 },
    ]);
  });

  it('less than two approvers', async () => {
    const dir = await newWorld();
    const one = withLedger(dir, (parts) =>
      applyRetention(parts, { ...order, approvers: ['Ada', 'Ada'], now: time.now }),
    );
    await expect(one).rejects.toThrow('Two people approve this');
  });
});

describe('a period', () => {
  const cutoff = (text: string, now: string) =>
    new Date(parseKeep(text).cutoff(Date.parse(now))).toISOString();
  it('is days, months or years; the end of a longer month is that of the shorter one', () => {
    expect(cutoff('30d', '2026-10-31T12:00:00Z')).toBe('2026-10-01T12:00:00.000Z');
    expect(cutoff('1m', '2026-10-31T12:00:00Z')).toBe('2026-09-30T12:00:00.000Z');
    expect(cutoff('12m', '2028-02-29T00:00:00Z')).toBe('2027-02-28T00:00:00.000Z');
    expect(cutoff('6y', '2026-01-15T00:00:00Z')).toBe('2020-01-15T00:00:00.000Z');
    for (const text of ['', '12', '0m', '-1d', '1w', '12 m', '1.5y'])
      expect(() => parseKeep(text)).toThrow('KW_USAGE');
  });

  it('lets a month go when all of it is older, never the current one', () => {
    const at = (now: string) => parseKeep('1d').cutoff(Date.parse(now));
    expect(isOver('202509', at('2025-10-01T23:59:59Z'))).toBe(false);
    expect(isOver('202509', at('2025-10-02T00:00:00Z'))).toBe(true);
    expect(isOver('202512', at('2026-01-01T12:00:00Z'))).toBe(false);
    expect(isOver('202601', at('2026-01-31T12:00:00Z'))).toBe(false);
  });
});
