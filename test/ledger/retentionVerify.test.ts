import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { eraseRecords } from '../../src/app/erasure.ts';
import { addHold } from '../../src/app/hold.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { proveEvent } from '../../src/ledger/audit/prove.ts';
import { proveAll } from '../../src/ledger/audit/proveAll.ts';
import { type LogIdentity, readIdentity } from '../../src/ledger/keys.ts';
import { verifyOffline } from '../../src/ledger/offline.ts';
import { retentionLines } from '../../src/ledger/retention.ts';
import { dropMonth, monthTables } from '../../src/store/retentionStore.ts';
import {
  apply,
  audit,
  growing,
  ingest,
  leafOf,
  lines,
  newWorld,
  offsetOf,
  old,
  openStore,
  removeWorld,
  time,
  treeHash,
  verify,
  withLedger,
} from './retentionWorld.ts';

afterAll(removeWorld);

const rootsOf = async (dir: string) =>
  Object.fromEntries((await verify(dir)).report.trees.map((t) => [t.stream, t.root]));
const range = {
  tree: 'audit.ndjson/0/0',
  month: '202509',
  from: 0,
  count: 300,
  first: 0n,
  last: offsetOf(growing, 299),
  root: treeHash(growing.slice(0, 300).map((_, i) => leafOf('audit.ndjson', growing, i))),
  policy: 'keep 12m',
  approvers: ['Ada', 'Grace'],
  holds: 0,
};

const erasure = { basis: 'GDPR 17', approvers: ['Ada', 'Grace'], by: 'ops' };

describe('verify, after retention', () => {
  it('ends 4, names what went, and derives the same roots as before', async () => {
    const dir = await newWorld();
    const roots = await rootsOf(dir);
    await apply(dir);
    const { exit, report } = await verify(dir);
    expect(report.findings).toMatchObject([
      { class: 'expired-lawful', tree: 'audit.ndjson/0/0', offset: 0n },
      { class: 'expired-lawful', tree: 'old.ndjson/0/0', offset: 0n },
    ]);
    expect(exit).toBe(4);
    expect(await rootsOf(dir)).toEqual(roots);
  }, 60_000);

  it('ends 4 after the next month, a held one in the middle, growth, and an erasure before its month went', async () => {
    const dir = await newWorld();
    await withLedger(dir, (parts) =>
      eraseRecords(parts, {
        ...erasure,
        records: [{ ...audit, offset: offsetOf(growing, 12) }],
        dataDir: join(dir, 'data'),
      }),
    );
    expect((await verify(dir)).classes).toEqual(['erased-lawful']);
    await withLedger(dir, (parts) =>
      addHold(parts, { id: 'h', scope: { stream: 'old.ndjson' }, by: 'A', reason: 'x' }),
    );
    time.now = Date.parse('2026-11-02T00:00:00Z');
    expect((await apply(dir)).dropped.map((m) => m.month)).toEqual(['202510']);
    const held = await verify(dir);
    expect([held.exit, held.classes]).toEqual([4, ['erased-lawful', 'expired-lawful']]);
    await ingest(dir, 'audit.ndjson', lines.slice(0, 600), '2026-11-03T00:00:00Z');
    const grown = await verify(dir);
    expect([grown.exit, grown.classes]).toEqual([4, ['erased-lawful', 'expired-lawful']]);
    const tree = grown.report.trees.find((t) => t.stream === 'audit.ndjson');
    const leaves = lines.slice(0, 600).map((_, i) => leafOf('audit.ndjson', lines, i));
    expect(tree?.root).toBe(treeHash(leaves).toString('base64'));
  }, 60_000);
});

describe('verify calls tampered or truncated, never lawful', () => {
  it('a month dropped without a word', async () => {
    const dir = await newWorld();
    const engine = await openStore(dir);
    for (const table of monthTables) await dropMonth(engine, table, '202509');
    await engine.close();
    const { exit, classes } = await verify(dir);
    expect([1, 2]).toContain(exit);
    expect(classes).not.toContain('expired-lawful');
  }, 60_000);

  it.each([
    ['one approver', { approvers: ['Ada'] }],
    ['the same approver twice', { approvers: ['Ada', 'ada'] }],
    ['another root', { root: treeHash([leafOf('old.ndjson', old, 0)]) }],
    ['fewer leaves than went', { count: 299, last: offsetOf(growing, 298) }],
  ])(
    'a month dropped on a word with %s',
    async (_, change) => {
      const dir = await newWorld();
      await withLedger(dir, async ({ engine, ledger, begin }) => {
        await begin();
        await ledger.record('retention', retentionLines({ ...range, ...change }, 'ops'));
        await ledger.heartbeat();
        for (const table of monthTables) {
          await engine.command(
            `ALTER TABLE kw.${table} DELETE WHERE stream = 'audit.ndjson' AND toYYYYMM(ingested_at) = 202509 SETTINGS mutations_sync = 1`,
          );
        }
      }).catch((error: Error) => error);
      const { exit } = await verify(dir);
      expect([1, 2]).toContain(exit);
    },
    60_000,
  );

  it('a record emptied without a word', async () => {
    const dir = await newWorld();
    const engine = await openStore(dir);
    await engine.command(
      `ALTER TABLE kw.records UPDATE value = '', sealed = 2 WHERE stream = 'old.ndjson' AND offset = ${offsetOf(old, 3)} SETTINGS mutations_sync = 1`,
    );
    await engine.close();
    const { exit, report } = await verify(dir);
    expect(exit).toBe(1);
    expect(report.findings[0]).toMatchObject({ tree: 'old.ndjson/0/0', offset: offsetOf(old, 3) });
  }, 60_000);

  it('tiles that went with the records', async () => {
    const dir = await newWorld();
    await apply(dir);
    const engine = await openStore(dir);
    await engine.command(
      "ALTER TABLE kw.tiles DELETE WHERE stream = 'old.ndjson' SETTINGS mutations_sync = 1",
    );
    await engine.close();
    const { exit } = await verify(dir);
    expect([1, 2]).toContain(exit);
  }, 60_000);
});

describe('to a stranger, after retention and erasure', () => {
  const record = { ...audit, offset: offsetOf(growing, 310) };
  async function worn(): Promise<string> {
    const dir = await newWorld();
    await withLedger(dir, (parts) =>
      eraseRecords(parts, { ...erasure, records: [record], dataDir: join(dir, 'data') }),
    );
    await apply(dir);
    return dir;
  }

  it('a bundle says expired, by us and by the script, and is tampered when what is left of it is not', async () => {
    const dir = await worn();
    const engine = await openStore(dir);
    const bundle = join(dir, 'bundle');
    await proveAll(engine, readIdentity(join(dir, 'data')) as LogIdentity, bundle, () => undefined);
    await engine.close();
    expect(verifyOffline(bundle)).toMatchObject({ verdict: 'expired' });
    const script = () =>
      spawnSync(process.execPath, [join(packageRoot, 'docs/verify.mjs'), bundle], { encoding: 'utf8' });
    expect(script()).toMatchObject({ status: 4 });
    const records = join(bundle, 'trees', 'audit.ndjson.0.0', 'records.ndjson');
    const left = readFileSync(records, 'utf8').trimEnd().split('\n');
    // Of 500 records 300 went and one was erased.
    expect(left).toHaveLength(199);
    writeFileSync(records, `${left.filter((_, i) => i !== 20).join('\n')}\n`);
    expect(verifyOffline(bundle)).toMatchObject({ verdict: 'tampered' });
    expect(script()).toMatchObject({ status: 1 });
  }, 60_000);

  it('what is left can be proved; of what went the error says why not', async () => {
    const dir = await worn();
    const engine = await openStore(dir);
    const prove = (line: number) =>
      proveEvent(engine, readIdentity(join(dir, 'data')) as LogIdentity, {
        ...audit,
        offset: offsetOf(growing, line),
        idx: 0,
      });
    const folder = join(dir, 'proof');
    mkdirSync(folder);
    for (const [name, bytes] of await prove(300)) writeFileSync(join(folder, name), bytes);
    expect(verifyOffline(folder)).toMatchObject({ verdict: 'intact' });
    await expect(prove(299)).rejects.toThrow(
      /^KW_EVENT_GONE.* lies in ingest month 202509 .*\(keep 12m\) on the word of Ada and Grace/,
    );
    await expect(prove(310)).rejects.toThrow(
      /^KW_EVENT_GONE.* was erased \(GDPR 17\) on the word of Ada and Grace/,
    );
    await engine.close();
  }, 60_000);
});
