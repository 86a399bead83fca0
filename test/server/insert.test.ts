import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';
import { recordAt } from '../../src/store/positions.ts';
import { readBackRecords } from '../../src/store/readBack.ts';
import { writeEvents, writeHits, writeRecords, writeSetAside } from '../../src/store/writer.ts';
import { record, recordRow, storedEvent } from '../store/support.ts';
import { type StandIn, startStandIn } from '../support/clickhouse.ts';
import { until } from '../support/wait.ts';

let server: StandIn;
let engine: Engine;
let partition = 0;

beforeAll(async () => {
  server = await startStandIn();
  engine = await server.open();
  await migrate(engine);
});
afterAll(async () => {
  await engine.close();
  await server.stop();
});
// Every test has a partition of its own in the one store.
beforeEach(() => void partition++);

const rows = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) =>
    recordRow(record(BigInt(first + i), `value ${first + i}`, { partition })),
  );
const countOf = async (table: string): Promise<number> =>
  Number((await engine.rows(`SELECT count() AS n FROM ${table} WHERE partition = ${partition}`))[0]?.n);

describe('a store over HTTP', () => {
  it('keeps bytes exactly, whatever they are', async () => {
    const value = Buffer.from([0, 0xff, 0x27, 0x5c, 0x0a, 0x0d, 0x09, 0x80]);
    const row = recordRow(record(7n, value, { partition, key: value, headers: [[value, value]] }));
    await writeRecords(engine, [row]);
    await readBackRecords(engine, [row]);
    const found = await recordAt(engine, { stream: 'test.audit', partition, epoch: 0 }, 7n);
    expect(found?.record.value?.toString('hex')).toBe(value.toString('hex'));
    expect(found?.record.headers[0]?.[0].toString('hex')).toBe(value.toString('hex'));
  });

  it('streams an answer, takes parameters and passes on what the engine says', async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of engine.bytes('SELECT {text:String} AS t', { text: "it's\t\\ here" }))
      chunks.push(chunk);
    expect(Buffer.concat(chunks).subarray(1).toString()).toBe("it's\t\\ here");
    await expect(engine.rows('SELECT nothing FROM kw.records')).rejects.toThrow(/KW_STORE: .*47/);
    const limits = {
      maxExecutionSeconds: 5,
      maxResultRows: 10,
      maxResultBytes: 1_000,
      maxMemoryBytes: 100_000_000,
    };
    expect(await engine.readOnly('SELECT 1 AS one', 'CSVWithNames', limits)).toBe('"one"\n1\n');
    await expect(engine.readOnly('SELECT number FROM numbers(11)', 'CSVWithNames', limits)).rejects.toThrow(
      /396/,
    );
    await expect(engine.readOnly('INSERT INTO migrations VALUES', 'CSVWithNames', limits)).rejects.toThrow(
      /164/,
    );
  });
});

describe('an account of its own for readers', () => {
  it.each([1, 2])('is enough when it is read-only by itself (readonly = %i)', async (accountReadOnly) => {
    await server.fault({ kind: 'none', accountReadOnly });
    const limits = {
      maxExecutionSeconds: 5,
      maxResultRows: 10,
      maxResultBytes: 1_000,
      maxMemoryBytes: 100_000_000,
    };
    expect(await engine.readOnly('SELECT 1 AS one', 'CSVWithNames', limits)).toBe('"one"\n1\n');
    await expect(writeRecords(engine, rows(0, 1))).rejects.toThrow(/READONLY \(164\)/);
    await server.fault({ kind: 'none', accountReadOnly: 0 });
  });
});

describe('an insert whose answer is lost', () => {
  it('is in the store once, whether it was applied or not', async () => {
    const flush = rows(0, 100);
    await server.fault({ kind: 'answer-lost', match: 'INSERT INTO kw.records', times: 1 });
    await writeRecords(engine, flush);
    await readBackRecords(engine, flush);
    expect(await countOf('kw.records')).toBe(100);
  });

  it('is in the store once when it arrives after the one that was sent again', async () => {
    const flush = rows(0, 100);
    await server.fault({ kind: 'late', delayMs: 1_500, match: 'INSERT INTO kw.records', times: 1 });
    await writeRecords(engine, flush);
    await readBackRecords(engine, flush);
    await sleep(2_000);
    expect(await countOf('kw.records')).toBe(100);
  });

  it('adds nothing when it arrives after a flush that was put together otherwise', async () => {
    await server.fault({ kind: 'late', delayMs: 1_500, match: 'INSERT INTO kw.records' });
    await expect(writeRecords(engine, rows(0, 100))).rejects.toThrow(/cannot be reached/);
    await server.fault({ kind: 'none' });
    // Other blocks, other tokens: the window of tokens knows nothing of them.
    const again = [...rows(0, 60), ...rows(60, 200)].map((row) => ({
      ...row,
      ingestedAt: row.ingestedAt + 1,
    }));
    await writeRecords(engine, again);
    await sleep(2_500);
    await readBackRecords(engine, again);
    expect(await countOf('kw.records')).toBe(260);
  });

  it('does not double what was derived from it', async () => {
    const event = (offset: bigint) => storedEvent(offset, { partition });
    const at = {
      stream: 'test.audit',
      partition,
      epoch: 0,
      idx: 1,
      ingested_at: 1_782_864_000_123,
      writer: 0n,
    };
    const hit = { ...at, offset: 3n, rule: 'a', time: 1n, fields: {}, rules_version: 1 };
    const drop = { ...at, offset: 4n, outcome: 'drop' as const, reason: 'empty', detail: '' };
    for (const hasArrived of [false, true]) {
      // The second time beside rows that are new.
      const more = hasArrived ? [event(3n)] : [];
      await writeEvents(engine, [event(1n), event(2n), ...more]);
      await writeSetAside(engine, hasArrived ? [drop, { ...drop, offset: 5n }] : [drop]);
      await writeHits(engine, hasArrived ? [hit, { ...hit, rule: 'b' }] : [hit]);
    }
    expect([await countOf('kw.events'), await countOf('kw.set_aside'), await countOf('kw.hits')]).toEqual([
      3, 2, 2,
    ]);
  });

  it('is waited for no longer than was said, and then sent again', async () => {
    const hasty = await server.open({ requestTimeoutMs: 500 });
    const flush = rows(0, 10);
    await server.fault({ kind: 'hang', match: 'INSERT INTO kw.records', times: 1 });
    await writeRecords(hasty, flush);
    await readBackRecords(hasty, flush);
    await hasty.close();
    expect(await countOf('kw.records')).toBe(10);
  });
});

describe('a store that is ill', () => {
  it('is named with its address and what it said, and works again afterwards', async () => {
    await server.fault({ kind: 'down' });
    await expect(writeRecords(engine, rows(0, 5))).rejects.toThrow(
      `${server.url} cannot be reached (ECONNREFUSED)`,
    );
    await server.fault({ kind: 'read-only' });
    await expect(writeRecords(engine, rows(0, 5))).rejects.toThrow(/TABLE_IS_READ_ONLY \(242\)/);
    expect(await countOf('kw.records')).toBe(0);
    await server.fault({ kind: 'none' });
    await until('the store takes rows again', async () => {
      await writeRecords(engine, rows(0, 5));
      return true;
    });
    expect(await countOf('kw.records')).toBe(5);
  });
});
