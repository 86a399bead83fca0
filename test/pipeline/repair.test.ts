import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type App, openApp } from '../../src/app.ts';
import { systemClock } from '../../src/core/clock.ts';
import { KeywitnessError } from '../../src/core/errors.ts';
import type { KwRecord } from '../../src/core/record.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { checkAccounts } from '../../src/store/accounts.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-repair-'));
/** One store a process: what a test opened is closed after it. */
let opened: App | undefined;
const close = async () => {
  await opened?.close();
  opened = undefined;
};
afterEach(close);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A store that can be told to refuse: one insert into `refuses` reaches nothing, or is made and never answered. */
interface Faults {
  refuses: string;
  moment: 'before' | 'after';
  nth: number;
  /** Most records, with their bytes, that one read gave. */
  recordsMax: number;
}

function faulty(engine: Engine, faults: Faults): Engine {
  return {
    ...engine,
    async rows(sql, params) {
      const rows = await engine.rows(sql, params);
      if (sql.includes('base64Encode(value)')) faults.recordsMax = Math.max(faults.recordsMax, rows.length);
      return rows;
    },
    async insert(table, columns, rows, token) {
      const isIt = table === faults.refuses && --faults.nth === 0;
      if (isIt && faults.moment === 'before') throw new KeywitnessError('KW_STORE', 'refused');
      await engine.insert(table, columns, rows, token);
      if (isIt) throw new KeywitnessError('KW_STORE', 'no answer');
    },
  };
}

async function open(name: string): Promise<{ app: App; faults: Faults }> {
  await close();
  const dataDir = join(folder, name);
  const faults: Faults = { refuses: '', moment: 'before', nth: 1, recordsMax: 0 };
  const app = await openApp({
    dataDir,
    anchorFile: `${dataDir}.anchor`,
    clock: systemClock,
    openStore: async () => faulty(await openEmbedded(join(dataDir, 'store')), faults),
    live: {
      readingOf: () => ({ transport: 'kafka', source: '', settings: defaultStreamSettings }),
      onTrouble: async () => {},
    },
  });
  opened = app;
  return { app, faults };
}

const login = (id: number) =>
  `{"time":"2026-02-03T09:00:00Z","type":"response","auth":{"token_type":"default"},"request":{"id":"r${id}","operation":"update","mount_type":"userpass","mount_point":"auth/userpass/","path":"auth/userpass/login/ana","remote_address":"192.0.2.9"},"error":"invalid credentials"}`;

const record = (stream: string, epoch: number, offset: number, value: string): KwRecord => ({
  stream,
  partition: 0,
  epoch,
  offset: BigInt(offset),
  timestamp: Date.parse('2026-02-03T09:00:01Z'),
  key: null,
  headers: [],
  value: Buffer.from(value),
});

/** Three trees side by side; one ends with records that give no event, one gives none at all. */
function mixedFlush(first: number, count: number, eventEvery = 3): KwRecord[] {
  const out: KwRecord[] = [];
  for (let i = first; i < first + count; i++) {
    const isTail = i >= first + count - 5;
    out.push(record('c.a', 0, i, i % eventEvery === 0 && !isTail ? login(i) : '{"broken":'));
    out.push(record('c.a', 1, i, i % eventEvery === 1 ? login(i + 1e6) : '[]'));
    out.push(record('c.b', 0, i, 'no json'));
  }
  return out;
}

/** What must not depend on what went wrong: rows and their content, and each tree's size. */
async function state({ engine }: App): Promise<object> {
  const at = 'stream, partition, epoch, offset, idx';
  const counted = (table: string, columns: string) =>
    engine.rows(
      `SELECT stream, epoch, count() AS n, uniqExact(${columns}) AS distinct FROM ${table} GROUP BY stream, epoch ORDER BY stream, epoch`,
    );
  return {
    records: await counted('kw.records', 'offset, leaf'),
    events: await counted('kw.events', at),
    setAside: await counted('kw.set_aside', `${at}, reason`),
    hits: await counted('kw.hits', `${at}, rule`),
  };
}

const flush = () => [mixedFlush(0, 40), mixedFlush(40, 40), mixedFlush(80, 40)];

describe('a flush that failed half way', () => {
  let expected: object;
  beforeAll(async () => {
    const { app } = await open('whole');
    for (const records of flush()) await app.sink.take(records);
    expected = await state(app);
    await close();
  });

  it('the uninterrupted run has one row for each part', () => {
    expect(expected).toMatchObject({
      records: [120, 120, 120].map((n) => ({ n, distinct: n })),
      // Counted by hand: every third record but the last five of each forty; every third; none.
      events: [
        { n: 35, distinct: 35 },
        { n: 40, distinct: 40 },
      ],
      setAside: [{ n: 85 }, { n: 80 }, { n: 120 }],
    });
  });

  for (const refuses of ['kw.records', 'kw.set_aside', 'kw.hits', 'kw.events']) {
    for (const moment of ['before', 'after'] as const) {
      it(`${moment} its insert into ${refuses}: is mended before another stream's flush, and by a restart`, async () => {
        const name = `${refuses}-${moment}`;
        const { app, faults } = await open(name);
        const [first = [], second = [], third = []] = flush();
        await app.sink.take(first);
        Object.assign(faults, { refuses, moment, nth: 1 });
        await expect(app.sink.take(second)).rejects.toThrow('KW_STORE');
        const other = await app.sink.take([record('c.other', 0, 0, login(7))]);
        expect(other).toMatchObject({ records: 1, events: 1 });
        const sizes = (key: KwRecord) => app.sink.authority(key.stream, key.partition);
        // Who delivers again asks first where the store stands.
        const end = await sizes(second[0] as KwRecord);
        if (end?.offset === 39n) await app.sink.take(second);
        await app.sink.take(third);
        const without = await withoutOther(app);
        expect(without).toEqual(expected);
        const again = await open(name);
        expect(await withoutOther(again.app)).toEqual(expected);
      });
    }
  }
});

async function withoutOther(app: App): Promise<object> {
  const all = (await state(app)) as Record<string, { stream: string }[]>;
  return Object.fromEntries(
    Object.entries(all).map(([k, rows]) => [k, rows.filter((r) => r.stream !== 'c.other')]),
  );
}

it('between two slices of one large flush: the rest is derived, nothing twice', async () => {
  const { app, faults } = await open('slices');
  const records = mixedFlush(0, 40_000, 1_000);
  Object.assign(faults, { refuses: 'kw.set_aside', moment: 'after', nth: 2 });
  await expect(app.sink.take(records)).rejects.toThrow('KW_STORE');
  await app.sink.recover();
  expect(await state(app)).toMatchObject({
    records: [40_000, 40_000, 40_000].map((n) => ({ n, distinct: n })),
    events: [
      { n: 40, distinct: 40 },
      { n: 40, distinct: 40 },
    ],
    setAside: [
      { n: 39_960, distinct: 39_960 },
      { n: 39_960, distinct: 39_960 },
      { n: 40_000, distinct: 40_000 },
    ],
    hits: [
      { n: 40, distinct: 40 },
      { n: 40, distinct: 40 },
    ],
  });
}, 60_000);

it('a stream that never gave an event is read again in pages, however long it is', async () => {
  const { app } = await open('garbage');
  for (let i = 0; i < 3; i++) {
    await app.sink.take(
      Array.from({ length: 10_000 }, (_, k) => record('c.b', 0, i * 10_000 + k, 'no json')),
    );
  }
  const { app: again, faults } = await open('garbage');
  expect(await state(again)).toMatchObject({
    records: [{ n: 30_000 }],
    setAside: [{ n: 30_000, distinct: 30_000 }],
  });
  // Leaves come 65,536 to a page; records with their bytes may not.
  expect(faults.recordsMax).toBeLessThanOrEqual(5_000);
}, 60_000);

it('a heartbeat between failure and repair does not call the store unaccounted', async () => {
  const { app, faults } = await open('heartbeat');
  Object.assign(faults, { refuses: 'kw.events', moment: 'before', nth: 1 });
  await expect(app.sink.take([record('c.a', 0, 0, login(1))])).rejects.toThrow('KW_STORE');
  const breaches = await app.sink.between(() =>
    checkAccounts(app.engine, () => ({ leaves: 1, expired: [] })),
  );
  expect(breaches).toEqual([]);
});

it('flushes are numbered in time, also when the clock is set back', async () => {
  const { app } = await open('clock');
  await app.sink.take([record('c.a', 0, 0, login(1))]);
  const before = systemClock.now;
  systemClock.now = () => before() - 3_600_000;
  try {
    await app.sink.take([record('c.a', 0, 1, login(2))]);
  } finally {
    systemClock.now = before;
  }
  const rows = await app.engine.rows(
    'SELECT toUnixTimestamp64Milli(ingested_at) AS ms FROM kw.records ORDER BY offset',
  );
  expect(Number(rows[1]?.ms)).toBeGreaterThan(Number(rows[0]?.ms));
});
