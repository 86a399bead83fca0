import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eraseRecords, recordsOf } from '../../src/app/erasure.ts';
import { addHold } from '../../src/app/hold.ts';
import { openApp } from '../../src/app.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { parseEventRef } from '../../src/core/record.ts';
import { readErasures } from '../../src/ledger/audit/lawfulLeaves.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import type { Engine } from '../../src/store/client.ts';
import { recordsOfIdentity } from '../../src/store/erasureStore.ts';
import { clock, leafOf, offsetOf, openStore, rowsOf, time, verify, withLedger } from './retentionWorld.ts';

/** Sixteen calls of a real OpenBao server, two lines each; root's are told of in one alert (test/thread.test.ts). */
const file = join(packageRoot, 'test/fixtures/thread/openbao-root-token.ndjson');
const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
const stream = 'openbao-root-token.ndjson';
const folder = mkdtempSync(join(tmpdir(), 'kw-erasure-'));
const base = join(folder, 'base');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const openAt = (dir: string) =>
  openApp({
    dataDir: join(dir, 'data'),
    anchorFile: join(dir, 'data.anchor'),
    ruleFolders: [join(packageRoot, 'test/fixtures/thread/rules')],
    clock,
    openStore: () => openStore(dir),
  });
const ingest = async (dir: string) => {
  const app = await openAt(dir);
  const counts = await app.ingestFile(file, { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
  await app.alerting.tell(await app.detect());
  await app.checkpoint();
  await app.review('2026Q3');
  await app.close();
  return counts;
};

beforeAll(async () => {
  time.now = Date.parse('2026-10-01T00:00:00Z');
  await (await openAt(base)).close();
  // Without compression what is on disk can be searched as it is.
  const engine = await openStore(base);
  for (const table of ['records', 'events', 'sessions', 'hits', 'set_aside', 'alerts']) {
    await engine.command(`ALTER TABLE kw.${table} MODIFY SETTING default_compression_codec = 'NONE'`);
  }
  await engine.close();
  await ingest(base);
}, 120_000);

let copies = 0;
function newWorld(): string {
  const dir = join(folder, `copy-${copies++}`);
  cpSync(base, dir, { recursive: true });
  return dir;
}

/** Files below a folder that hold the text. */
function filesWith(dir: string, text: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return filesWith(path, text);
    return entry.isFile() && readFileSync(path).includes(text) ? [path.slice(folder.length)] : [];
  });
}

const idOf = (line: number) => (JSON.parse(lines[line] ?? '') as { request: { id: string } }).request.id;
const eventOf = (line: number) => `${stream}/0/0/${offsetOf(lines, line)}`;
const wording = { basis: 'GDPR Art. 17(1)(d)', approvers: ['Ada', 'Grace'], by: 'ops' };
const erase = (
  dir: string,
  events: readonly string[],
  openStoreAt: (dir: string) => Promise<Engine> = openStore,
) =>
  withLedger(
    dir,
    (parts) =>
      eraseRecords(parts, {
        ...wording,
        records: recordsOf(events.map((e) => parseEventRef(e) ?? expect.fail(e))),
        dataDir: join(dir, 'data'),
      }),
    openStoreAt,
  );

describe('erase', () => {
  it('leaves nothing of a record on disk but its leaf', async () => {
    const dir = newWorld();
    // A call is two lines with one id: both go.
    const [request, answer] = [4, 5];
    expect(idOf(request)).toBe(idOf(answer));
    const store = join(dir, 'data', 'store');
    expect(filesWith(store, idOf(request)).length).toBeGreaterThan(0);
    const done = await erase(dir, [eventOf(request), eventOf(answer)]);
    expect(done.records.map((r) => [r.index, r.leaf.toString('hex')])).toEqual(
      [request, answer].map((line) => [line, leafOf(stream, lines, line).toString('hex')]),
    );
    expect(filesWith(store, idOf(request))).toEqual([]);
    expect(filesWith(store, idOf(6)).length).toBeGreaterThan(0);
    expect(readdirSync('/dev/shm').filter((f) => f.startsWith(`keywitness-${process.pid}-`))).toEqual([]);
    const rows = await rowsOf(
      dir,
      'SELECT lower(hex(leaf)) AS leaf, key, value, length(headers) AS headers, sealed FROM kw.records WHERE sealed != 0 ORDER BY offset',
    );
    const row = (line: number) => ({
      leaf: leafOf(stream, lines, line).toString('hex'),
      key: '',
      value: '',
      headers: 0,
      sealed: 2,
    });
    expect(rows).toEqual([row(request), row(answer)]);
  }, 60_000);

  it('says so in the meta-log, with the ground and who approved', async () => {
    const dir = newWorld();
    await erase(dir, [eventOf(7)]);
    const engine = await openStore(dir);
    const said = await readErasures(engine);
    await engine.close();
    expect(said).toEqual([
      {
        tree: `${stream}/0/0`,
        offset: offsetOf(lines, 7),
        index: 7,
        leaf: leafOf(stream, lines, 7),
        basis: wording.basis,
        approvers: wording.approvers,
      },
    ]);
  }, 60_000);

  it('takes the alert and the messages that quote it along, and names what it cannot reach', async () => {
    const dir = newWorld();
    const [alert] = await rowsOf(dir, 'SELECT id, events[1] AS event FROM kw.alerts FINAL');
    const quoted = String(alert?.event).replace(/\/\d+$/, '');
    expect(readdirSync(join(dir, 'data', 'outbox')).length).toBeGreaterThan(0);
    const done = await erase(dir, [quoted]);
    expect(done.alerts).toEqual([alert?.id]);
    expect(readdirSync(join(dir, 'data', 'outbox'))).toEqual([]);
    expect(done.messages.length).toBeGreaterThan(0);
    expect(await rowsOf(dir, 'SELECT count() AS n FROM kw.alerts')).toEqual([{ n: 0 }]);
    const [, , , offset] = quoted.split('/');
    expect(done.copies).toEqual([
      { what: 'file', where: `the file that stream ${stream} was read from, at byte ${offset}` },
      { what: 'review', where: join(dir, 'data', 'reviews', '2026Q3') },
    ]);
  }, 60_000);

  it('finds all records of a person', async () => {
    const dir = newWorld();
    const engine = await openStore(dir);
    const found = await recordsOfIdentity(engine, 'vault:main/token/root');
    await engine.close();
    // Lines of root's token: its accessor or its policies say so.
    const root = lines.flatMap((line, i) => {
      const { auth } = JSON.parse(line) as { auth?: { display_name?: string } };
      return auth?.display_name === 'root' ? [offsetOf(lines, i)] : [];
    });
    expect(found.map((r) => r.offset)).toEqual(root);
  });

  it('lets everything go on: the next run, its accounts, and the same file again, which adds nothing', async () => {
    const dir = newWorld();
    const last = lines.length - 1;
    await erase(dir, [eventOf(last), eventOf(last - 1)]);
    const counts = await ingest(dir);
    expect([counts.records, counts.epoch]).toEqual([0, 0]);
    const [found] = await rowsOf(
      dir,
      `SELECT (SELECT count() FROM kw.records) AS records, (SELECT count() FROM kw.events) AS events, (SELECT count() FROM kw.set_aside) AS aside, ` +
        '(SELECT kind FROM kw.meta ORDER BY `index` DESC LIMIT 1) AS word',
    );
    expect(found).toEqual({ records: 32, events: 30, aside: 0, word: 'stop' });
  }, 60_000);

  it('refuses what a hold covers, what is not there, and what was tampered with; all or nothing', async () => {
    const dir = newWorld();
    await withLedger(dir, (parts) =>
      addHold(parts, { id: 'case-7', scope: { stream }, by: 'Ada', reason: 'x' }),
    );
    await expect(erase(dir, [eventOf(3)])).rejects.toThrow(
      /KW_HELD.*case-7 \(Ada: x\) covers 1 of these 1 records/,
    );
    const other = newWorld();
    await expect(erase(other, [eventOf(3), `${stream}/0/0/1`])).rejects.toThrow('KW_EVENT_UNKNOWN');
    const engine = await openStore(other);
    await engine.command(
      `ALTER TABLE kw.records UPDATE value = '{}' WHERE offset = ${offsetOf(lines, 3)} SETTINGS mutations_sync = 1`,
    );
    await engine.close();
    await expect(erase(other, [eventOf(2), eventOf(3)])).rejects.toThrow('KW_RETENTION');
    for (const d of [dir, other]) {
      expect(await rowsOf(d, 'SELECT count() AS n FROM kw.records WHERE sealed != 0')).toEqual([{ n: 0 }]);
    }
  }, 60_000);

  it('needs two approvers', async () => {
    const dir = newWorld();
    const records = recordsOf([parseEventRef(eventOf(1)) ?? expect.fail()]);
    const dataDir = join(dir, 'data');
    const one = withLedger(dir, (parts) =>
      eraseRecords(parts, { ...wording, approvers: ['Ada', 'ada '], records, dataDir }),
    );
    await expect(one).rejects.toThrow('KW_USAGE');
  });
});

describe('an erasure that is killed is finished by the same command', () => {
  it('at whatever change it was killed', async () => {
    const events = [eventOf(4), eventOf(5)];
    for (let n = 0, isDead = true; isDead; n += 1) {
      const dir = newWorld();
      const made: string[] = [];
      const dying = async (at: string): Promise<Engine> => {
        const engine = await openStore(at);
        const change = async (what: string, make: () => Promise<void>) => {
          if (made.length === n) throw new Error('dead');
          await make();
          made.push(what);
        };
        return {
          ...engine,
          command: (sql) => change(sql, () => engine.command(sql)),
          insert: (table, ...rest) => change(table, () => engine.insert(table, ...rest)),
        };
      };
      isDead = await erase(dir, events, dying).then(
        () => false,
        (error: Error) => error.message.includes('dead'),
      );
      const isEmpty = made.some((sql) => sql.startsWith('ALTER TABLE kw.records UPDATE'));
      expect([n, (await verify(dir)).exit]).toEqual([n, isEmpty ? 4 : 0]);
      if (isDead) await erase(dir, events);
      const [found] = await rowsOf(
        dir,
        "SELECT (SELECT count() FROM kw.events) AS events, (SELECT countIf(sealed = 2 AND value = '') FROM kw.records) AS erased, (SELECT count() FROM kw.alerts) AS alerts, (SELECT count() FROM kw.meta WHERE kind = 'erasure') AS said",
      );
      expect([n, found]).toEqual([n, { events: 30, erased: 2, alerts: found?.alerts, said: 2 }]);
      expect([n, filesWith(join(dir, 'data', 'store'), idOf(4))]).toEqual([n, []]);
      expect(readdirSync(join(dir, 'data', 'outbox')).length === 0).toBe(found?.alerts === 0);
    }
  }, 300_000);
});
