import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { catchUp, checkTrees } from '../../src/app/catchUp.ts';
import { systemClock } from '../../src/core/clock.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { openKeys } from '../../src/ledger/openKeys.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from '../../src/ledger/tree.ts';
import {
  claimNumber,
  fenceCondition,
  type Place,
  requireClaims,
  saveClaims,
} from '../../src/store/claims.ts';
import type { Engine } from '../../src/store/client.ts';
import { openLedgerStore } from '../../src/store/ledgerStore.ts';
import type { LogFence } from '../../src/store/metaAppend.ts';
import { migrate } from '../../src/store/migrate.ts';
import { readBackRecords } from '../../src/store/readBack.ts';
import { openStreamBook } from '../../src/store/streamBook.ts';
import type { RecordRow } from '../../src/store/tables.ts';
import { writeRecords } from '../../src/store/writer.ts';
import { record } from '../store/support.ts';
import { type StandIn, startStandIn } from '../support/clickhouse.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-fence-'));
let server: StandIn;
let engine: Engine;

beforeEach(async () => {
  server = await startStandIn();
  engine = await server.open();
  await migrate(engine);
});
afterEach(async () => {
  await engine.close();
  await server.stop();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const place = (partition: number): Place => ({ stream: 'main.audit', partition });
const key = (partition: number) => ({ ...place(partition), epoch: 0 });

async function claim(offset: bigint, ...places: Place[]): Promise<bigint> {
  const { writer, base } = await claimNumber(engine, places, offset);
  await saveClaims(
    engine,
    places.map((p) => ({ ...p, writer, base, instance: `i${offset}`, claimed_at: 1 })),
  );
  return writer;
}

function rows(writer: bigint, first: number, count: number, more: Partial<RecordRow> = {}): RecordRow[] {
  return Array.from({ length: count }, (_, i) => ({
    record: record(BigInt(first + i), `v${first + i}`, { ...key(0) }),
    leaf: Buffer.alloc(32, first + i + 1),
    ingestedAt: 1_782_864_000_000 + first,
    writer,
    ...more,
  }));
}
const count = async (table: string) => Number((await engine.rows(`SELECT count() AS n FROM ${table}`))[0]?.n);

describe('the number of a claim', () => {
  it('is the offset of its record, and the newest one of a partition is the highest', async () => {
    expect(await claim(4n, place(0), place(1))).toBe(4n);
    expect(await claim(5n, place(1))).toBe(5n);
    await requireClaims(engine, [place(0)], 4n);
    await expect(requireClaims(engine, [place(0), place(1)], 4n)).rejects.toThrow(
      /KW_FENCED.*main.audit\/1.*i5/,
    );
  });

  it('goes on rising when the control topic was made again', async () => {
    await claim(700n, place(0));
    expect(await claim(0n, place(0))).toBe(701n);
    expect(await claim(1n, place(0))).toBe(702n);
    // A partition that nobody claimed yet counts from where the topic stands.
    expect(await claim(2n, place(1))).toBe(2n);
  });
});

describe('a writer that was replaced', () => {
  it('adds nothing, and its read-back refuses it even where all is there', async () => {
    const [old, now] = [await claim(1n, place(0)), await claim(2n, place(0))];
    await writeRecords(engine, rows(old, 0, 5), fenceCondition([place(0)], old));
    expect(await count('kw.records')).toBe(0);
    const right = rows(now, 0, 5);
    await writeRecords(engine, right, fenceCondition([place(0)], now));
    await readBackRecords(engine, right);
    expect(await count('kw.records')).toBe(5);
    // The same records, stored by the successor, are not this flush: their time is another.
    await expect(readBackRecords(engine, rows(old, 0, 5, { ingestedAt: 7 }))).rejects.toThrow(
      /KW_STORE_READBACK/,
    );
    await expect(requireClaims(engine, [place(0)], old)).rejects.toThrow(/KW_FENCED/);
  });
});

describe('the log', () => {
  let keys: Awaited<ReturnType<typeof openKeys>>;
  const control: Place = { stream: 'keywitness.control', partition: 0 };
  beforeAll(async () => {
    keys = await openKeys(join(folder, 'data'), {});
  });
  const open = (fence?: LogFence) =>
    Ledger.open({
      store: openLedgerStore(engine, fence),
      keys,
      anchorFile: mkdtempSync(join(folder, 'anchor-')).concat('/anchor'),
      clock: systemClock,
    });
  const fenceOf = (writer: bigint): LogFence => ({
    condition: () => fenceCondition([control], writer),
    confirm: () => requireClaims(engine, [control], writer),
  });
  const indexes = async () =>
    (await engine.rows('SELECT toUInt32(`index`) AS i FROM kw.meta ORDER BY i')).map((r) => Number(r.i));

  it('is written by one: whoever was replaced appends no leaf and signs nothing', async () => {
    const old = await open(fenceOf(await claim(1n, control)));
    await old.start();
    const now = await open(fenceOf(await claim(2n, control)));
    await now.start();
    await now.heartbeat();
    const checkpoints = await count('kw.checkpoints');
    await expect(old.heartbeat()).rejects.toThrow(/KW_FENCED/);
    expect([await indexes(), await count('kw.checkpoints')]).toEqual([[0, 1, 2], checkpoints]);
    await now.heartbeat();
    expect(await indexes()).toEqual([0, 1, 2, 3]);
    await old.abandon();
    await now.stop();
  });

  it('is left alone by a command while an instance keeps it, and taken when that one has ended', async () => {
    const kept = await open(fenceOf(await claim(1n, control)));
    await kept.start();
    const command = await open();
    await expect(command.start()).rejects.toThrow(/KW_FENCED.*keeps the log/);
    await command.abandon();
    await kept.stop();
    const after = await open();
    await after.start();
    await after.stop();
    expect(await indexes()).toEqual([0, 1, 2, 3]);
  });

  it('has each index once when a leaf arrives after its answer was given up', async () => {
    const ledger = await open(fenceOf(await claim(1n, control)));
    await ledger.start();
    await server.fault({ kind: 'late', delayMs: 1_500, match: 'INSERT INTO kw.meta' });
    await expect(ledger.heartbeat()).rejects.toThrow(/cannot be reached/);
    await server.fault({ kind: 'none' });
    await ledger.heartbeat();
    await sleep(2_000);
    await ledger.stop();
    const found = await indexes();
    expect(found).toEqual(found.map((_, i) => i));
    const next = await open(fenceOf(await claim(2n, control)));
    expect(next.isInterrupted).toBe(false);
    await next.abandon();
  });

  it('has the trees of all writers, with the settings each record was stored with', async () => {
    const book = await openStreamBook(engine);
    const bound = { ...key(0), transport: 'kafka', fingerprint: '', source: 'vault', as_of: 0 };
    const settings = { store: 'main', cluster: 'main', host: 'main', zone: 'UTC' };
    const [first, second] = [rows(1n, 0, 5), rows(2n, 5, 4)];
    await book.bind({ ...bound, settings: JSON.stringify(settings), known_at: first[0]?.ingestedAt ?? 0 });
    await writeRecords(engine, first);
    const other = JSON.stringify({ ...settings, host: 'b' });
    await book.bind({ ...bound, settings: other, known_at: second[0]?.ingestedAt ?? 0 });
    await writeRecords(engine, second);
    const ledger = await open(fenceOf(await claim(9n, control)));
    await ledger.start();
    await catchUp(engine, ledger, await openStreamBook(engine));
    const tree = emptyFrontier();
    for (const { leaf } of [...first, ...second]) appendLeaf(tree, leaf);
    expect(ledger.root(key(0)).equals(frontierRoot(tree))).toBe(true);
    expect(ledger.extent(key(0)).binding).toMatchObject({ from: 5, settings: { host: 'b' } });
    const texts = await engine.rows("SELECT text FROM kw.meta WHERE kind = 'settings' ORDER BY `index`");
    expect(texts.map((r) => /^from (\d+)$/m.exec(String(r.text))?.[1])).toEqual(['0', '5']);
    await ledger.heartbeat();
    // Nothing new is said twice, also not by the next keeper.
    await ledger.stop();
    const next = await open(fenceOf(await claim(10n, control)));
    await next.start();
    await catchUp(engine, next, await openStreamBook(engine));
    await next.stop();
    expect(
      Number((await engine.rows("SELECT count() AS n FROM kw.meta WHERE kind = 'settings'"))[0]?.n),
    ).toBe(2);
  });

  it('tells of records that are stored twice, where and by whom, and takes neither for the other', async () => {
    const book = await openStreamBook(engine);
    const bound = { ...key(0), transport: 'kafka', fingerprint: '', source: '', as_of: 0, settings: '{}' };
    await book.bind({ ...bound, known_at: 1 });
    await writeRecords(engine, rows(2n, 0, 5));
    const ledger = await open(fenceOf(await claim(1n, control)));
    await ledger.start();
    await catchUp(engine, ledger, book);
    expect(await checkTrees(engine, ledger)).toEqual([]);
    const root = ledger.root(key(0));
    // As two inserts that the server runs at the same moment would leave them.
    const table = `kw.records`;
    await engine.command(
      `INSERT INTO ${table} SELECT * REPLACE (toUInt64(1) AS writer) FROM ${table} WHERE offset IN (2, 3)`,
    );
    await catchUp(engine, ledger, book);
    const [breach, ...none] = await checkTrees(engine, ledger);
    expect(none).toEqual([]);
    expect(breach?.sentence).toContain('main.audit/0/0 holds 7 records, and its tree has 5 leaves.');
    expect(breach?.sentence).toContain(
      'main.audit/0/0/2 (writers 1 and 2, the same bytes), main.audit/0/0/3',
    );
    expect(ledger.root(key(0)).equals(root)).toBe(true);
    await ledger.abandon();
  });
});
