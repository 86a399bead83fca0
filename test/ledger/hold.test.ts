import { afterAll, describe, expect, it } from 'vitest';
import { eraseRecords } from '../../src/app/erasure.ts';
import { endsOfExpired } from '../../src/app/expiredEnds.ts';
import { addHold, releaseHold } from '../../src/app/hold.ts';
import { planRetention } from '../../src/app/retentionPlan.ts';
import { readExpired } from '../../src/ledger/audit/lawfulLeaves.ts';
import type { HoldScope } from '../../src/ledger/hold.ts';
import {
  apply,
  audit,
  growing,
  newWorld,
  offsetOf,
  old,
  oldFile,
  openStore,
  order,
  removeWorld,
  rowsOf,
  time,
  withLedger,
} from './retentionWorld.ts';

afterAll(removeWorld);

const november = Date.parse('2026-11-01T00:00:00Z');
const pathOf = (line: string) => (JSON.parse(line) as { request: { path: string } }).request.path;
const september = [...growing.slice(0, 300), ...old];
const october = growing.slice(300, 437);
/** A secret that was asked for in one month and not in the other, and how many lines say so. */
function onlyIn(month: readonly string[], other: readonly string[]): { secret: string; lines: number } {
  const elsewhere = new Set(other.map(pathOf));
  const path = month.map(pathOf).find((p) => /^\w+\/data\//.test(p) && !elsewhere.has(p));
  if (path === undefined) throw new Error('the log has no such secret');
  const lines = month.filter((line) => pathOf(line) === path).length;
  return { secret: `vault:main/${path.replace('/data/', '/')}`, lines };
}
const ofSeptember = onlyIn(september, october);
const ofOctober = onlyIn(october, september);

const wording = { by: 'Ada', reason: 'case 7' };
const hold = (dir: string, scope: HoldScope, id = 'case-7') =>
  withLedger(dir, (parts) => addHold(parts, { id, scope, ...wording }));
const plan = async (dir: string, now = november) => {
  const engine = await openStore(dir);
  try {
    const { months } = await planRetention(engine, order.keep, now);
    return months.map((m) => `${m.month} ${m.state} ${m.holds.map((h) => `${h.id}:${h.records}`)}`.trim());
  } finally {
    await engine.close();
  }
};

describe('a legal hold', () => {
  it.each([
    ['everything', {}, ['202509 held case-7:370', '202510 held case-7:137']],
    ['one stream', { stream: 'old.ndjson' }, ['202509 held case-7:70', '202510 goes']],
    [
      'one secret',
      { secret: ofSeptember.secret },
      [`202509 held case-7:${ofSeptember.lines}`, '202510 goes'],
    ],
    [
      'another secret',
      { secret: ofOctober.secret },
      ['202509 goes', `202510 held case-7:${ofOctober.lines}`],
    ],
    ['secrets by glob', { secret: 'vault:main/none/**' }, ['202509 goes', '202510 goes']],
    ['nobody that is known', { identity: 'nobody' }, ['202509 goes', '202510 goes']],
    ['a time before the log', { to: Date.parse('2020-01-01') }, ['202509 goes', '202510 goes']],
    ['a time after it', { from: Date.parse('2030-01-01') }, ['202509 goes', '202510 goes']],
  ] satisfies [string, HoldScope, string[]][])('keeps the months with %s', async (_, scope, expected) => {
    const dir = await newWorld();
    await hold(dir, scope);
    expect(await plan(dir)).toEqual(expected);
  });

  it('keeps the months in which a person acted, under whatever name the log gives', async () => {
    const dir = await newWorld();
    const [person] = await rowsOf(
      dir,
      "SELECT identity, uniqExactIf(offset, toYYYYMM(ingested_at) = 202509) AS n FROM kw.events WHERE stream = 'old.ndjson' AND identity != '' GROUP BY identity ORDER BY n LIMIT 1",
    );
    await hold(dir, { identity: String(person?.identity), stream: 'old.ndjson' });
    expect((await plan(dir))[0]).toBe(`202509 held case-7:${person?.n}`);
  });

  it('keeps what could not be understood: it may be about anyone', async () => {
    const dir = await newWorld();
    const engine = await openStore(dir);
    await engine.command(
      "INSERT INTO kw.set_aside SELECT stream, partition, epoch, offset, 1, ingested_at, 'quarantine', 'not_json', '', 0 FROM kw.records WHERE stream = 'old.ndjson' AND offset = 0",
    );
    await engine.close();
    await hold(dir, { identity: 'nobody' });
    expect(await plan(dir)).toEqual(['202509 held case-7:1', '202510 goes']);
  });

  it('does not let a record go that nothing was derived from, because no hold would find it', async () => {
    const dir = await newWorld();
    await hold(dir, { identity: 'nobody' });
    const engine = await openStore(dir);
    await engine.command(
      "ALTER TABLE kw.events DELETE WHERE stream = 'old.ndjson' AND offset = 0 SETTINGS mutations_sync = 1",
    );
    await engine.close();
    await expect(apply(dir)).rejects.toThrow(/KW_RETENTION.*old.ndjson\/0\/0 has records without a row/);
    const erase = withLedger(dir, (parts) =>
      eraseRecords(parts, {
        records: [{ ...oldFile, offset: 0n }],
        basis: 'x',
        approvers: ['Ada', 'Ben'],
        by: 'ops',
        dataDir: dir,
      }),
    );
    await expect(erase).rejects.toThrow(/KW_HELD.*covers 1 of these 1 records/);
    expect(
      await rowsOf(dir, "SELECT count() AS n FROM kw.meta WHERE kind IN ('retention', 'erasure')"),
    ).toEqual([{ n: 0 }]);
  });

  it('lets the other months go, and its own when it was released', async () => {
    const dir = await newWorld();
    await hold(dir, { stream: 'old.ndjson' });
    time.now = november;
    const first = await apply(dir);
    expect([first.dropped, first.held].map((ms) => ms.map((m) => m.month))).toEqual([['202510'], ['202509']]);
    const [kept] = await rowsOf(
      dir,
      'SELECT count() AS n, uniqExact(_partition_id) AS months FROM kw.records',
    );
    expect(kept).toEqual({ n: 300 + 70 + 63, months: 2 });
    await withLedger(dir, (parts) => releaseHold(parts, { id: 'case-7', ...wording }));
    const second = await apply(dir);
    expect([second.dropped, second.held].map((ms) => ms.map((m) => m.month))).toEqual([['202509'], []]);
    const engine = await openStore(dir);
    const said = await readExpired(engine);
    const ends = endsOfExpired(engine);
    await ends.refresh();
    await engine.close();
    expect(ends.extent(audit).end?.offset).toBe(offsetOf(growing, 436));
    expect(said.map((r) => [r.tree, r.month, r.from, r.count, r.holds])).toEqual([
      ['audit.ndjson/0/0', '202510', 300, 137, 1],
      ['audit.ndjson/0/0', '202509', 0, 300, 0],
      ['old.ndjson/0/0', '202509', 0, 70, 0],
    ]);
  });

  it('has a name of its own: twice the same, or the end of one that is none, is refused', async () => {
    const dir = await newWorld();
    await hold(dir, {});
    await expect(hold(dir, { stream: 'old.ndjson' })).rejects.toThrow('in force already');
    const release = (id: string) => withLedger(dir, (parts) => releaseHold(parts, { id, ...wording }));
    await expect(release('case-8')).rejects.toThrow('No hold case-8 is in force');
    await release('case-7');
    await expect(release('case-7')).rejects.toThrow('No hold case-7 is in force');
    const odd = { id: 'case-8', scope: { stream: 'keywitness/0000000000000000/s/0/0 5 AAAA' }, ...wording };
    await expect(withLedger(dir, (parts) => addHold(parts, odd))).rejects.toThrow('A stream is named');
    const long = { id: 'case-9', scope: { identity: 'x'.repeat(2_000) }, ...wording };
    await expect(withLedger(dir, (parts) => addHold(parts, long))).rejects.toThrow('too long');
  });
});
