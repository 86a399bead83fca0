import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ok } from '../../src/core/outcome.ts';
import { leafHash } from '../../src/ledger/leaf.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { openKeys } from '../../src/ledger/openKeys.ts';
import { loadSources, type RegisteredSource } from '../../src/sources/registry.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { checkAccounts } from '../../src/store/accounts.ts';
import { openLedgerStore } from '../../src/store/ledgerStore.ts';
import {
  base,
  clock,
  columns,
  lines,
  now,
  offsetOf,
  remove,
  removeRows,
  tree,
  update,
  verifyAfter,
} from './tampering.ts';

describe('verify', () => {
  it('says intact when nothing was changed, with every record, event and row set aside accounted for', async () => {
    const report = await verifyAfter(async () => undefined);
    expect(report).toMatchObject({ verdict: 'intact', exit: 0, findings: [] });
    expect(report.trees).toMatchObject([
      {
        verdict: 'intact',
        records: 600,
        signed: 600,
        events: 599,
        setAside: 1,
        first: 0n,
        last: offsetOf(599),
      },
    ]);
    expect(report.exposure.unsignedRecords).toBe(0);
  });

  it('names the offset after one byte of one stored value was changed', async () => {
    const at = offsetOf(123);
    const report = await verifyAfter((engine) =>
      update(engine, 'kw.records', "value = replaceOne(value, 'type', 'tipe')", `offset = ${at}`),
    );
    expect(report).toMatchObject({ exit: 1, first: `modified ${tree} ${at}` });
    expect(report.findings).toHaveLength(1);
  });

  it('names the offset after the leaf was changed with the bytes, or alone', async () => {
    const at = offsetOf(400);
    const both = await verifyAfter((engine) =>
      update(engine, 'kw.records', "value = '{}', leaf = unhex(repeat('ab', 32))", `offset = ${at}`),
    );
    expect(both).toMatchObject({ exit: 1, first: `modified ${tree} ${at}` });
    const alone = await verifyAfter((engine) =>
      update(engine, 'kw.records', "leaf = unhex(repeat('ab', 32))", `offset = ${at}`),
    );
    expect(alone).toMatchObject({ exit: 1, first: `leaf-modified ${tree} ${at}` });
  });

  for (const [where, line] of [
    ['in the first sitting', 10],
    ['in the last sitting', 450],
    ['at the very beginning', 0],
  ] as const) {
    it(`names the offset of a record deleted ${where}, in all tables`, async () => {
      const report = await verifyAfter((engine) => removeRows(engine, `offset = ${offsetOf(line)}`));
      expect(report.exit).toBe(1);
      expect(report.findings[0]).toMatchObject({ class: 'deleted', tree, offset: offsetOf(line) });
    });
  }

  it('names the offset of a record that was doubled', async () => {
    const at = offsetOf(77);
    const report = await verifyAfter((engine) =>
      engine.command(
        `INSERT INTO kw.records SETTINGS insert_deduplicate = 0 SELECT * FROM kw.records WHERE offset = ${at}`,
      ),
    );
    expect(report).toMatchObject({ exit: 1, first: `inserted ${tree} ${at}` });
  });

  it('names the offset of a record that was slipped in between two others', async () => {
    const at = offsetOf(77) + 5n;
    const report = await verifyAfter((engine) =>
      engine.command(
        `INSERT INTO kw.records (${columns}, offset) SELECT ${columns}, ${at} FROM kw.records WHERE offset = ${offsetOf(3)}`,
      ),
    );
    expect(report.exit).toBe(1);
    expect(report.findings.map((f) => f.offset)).toContain(at);
  });

  it('says reordered when two records were put in each other’s place', async () => {
    const [a, b] = [offsetOf(200), offsetOf(201)];
    const swapped = (column: string) =>
      `${column} = if(offset = ${a}, (SELECT ${column} FROM kw.records WHERE offset = ${b}), (SELECT ${column} FROM kw.records WHERE offset = ${a}))`;
    const report = await verifyAfter((engine) =>
      update(engine, 'kw.records', `${swapped('value')}, ${swapped('leaf')}`, `offset IN (${a}, ${b})`),
    );
    expect(report).toMatchObject({ exit: 1, first: `reordered ${tree} ${a}` });
  });

  it('names event and column when a normalised column was changed', async () => {
    const at = offsetOf(300);
    const report = await verifyAfter((engine) =>
      update(engine, 'kw.events', "actor_name = 'somebody else', outcome = 'denied'", `offset = ${at}`),
    );
    expect(report).toMatchObject({ exit: 1, first: `column-modified ${tree} ${at}` });
    expect(report.findings[0]?.detail).toMatch(/outcome, actor_name|actor_name, outcome/);
  });

  it('finds a derived row removed, invented, or set aside for another reason', async () => {
    const at = offsetOf(300);
    expect(await verifyAfter((e) => remove(e, 'kw.events', `offset = ${at}`))).toMatchObject({
      exit: 1,
      first: `event-deleted ${tree} ${at}`,
    });
    const invented = await verifyAfter((engine) =>
      engine.command(
        `INSERT INTO kw.events SETTINGS insert_deduplicate = 0 SELECT * REPLACE (idx + 1 AS idx) FROM kw.events WHERE offset = ${at}`,
      ),
    );
    expect(invented).toMatchObject({ exit: 1, first: `event-inserted ${tree} ${at}` });
    const reason = await verifyAfter((e) => update(e, 'kw.set_aside', "reason = 'other'", '1'));
    expect(reason).toMatchObject({ exit: 1, first: `column-modified ${tree} ${offsetOf(50)}` });
  });

  it('says that derived rows were deleted, not lost in a crash, also of the last records that were signed', async () => {
    const at = offsetOf(590);
    const report = await verifyAfter((engine) => remove(engine, 'kw.events', `offset >= ${at}`));
    expect(report).toMatchObject({ exit: 1, first: `event-deleted ${tree} ${at}` });
    expect(report.findings).toHaveLength(10);
  });

  it('names a tile that is not its leaves, is gone, or is of leaves that are not there', async () => {
    const name = 'tile 0/1';
    const changed = await verifyAfter((e) =>
      update(
        e,
        'kw.tiles',
        "hashes = concat(repeat('x', 32), substring(hashes, 33))",
        'index = 1 AND level = 0',
      ),
    );
    const root = await verifyAfter((e) =>
      update(e, 'kw.tiles', "root = unhex(repeat('ab', 32))", 'index = 1'),
    );
    const gone = await verifyAfter((e) => remove(e, 'kw.tiles', 'index = 1'));
    const more = await verifyAfter((e) =>
      e.command(
        'INSERT INTO kw.tiles SETTINGS insert_deduplicate = 0 SELECT * REPLACE (toUInt64(9) AS index) FROM (SELECT * FROM kw.tiles WHERE index = 1)',
      ),
    );
    for (const [report, kind] of [
      [changed, 'modified'],
      [root, 'modified'],
      [gone, 'deleted'],
    ] as const) {
      expect(report).toMatchObject({ exit: 1, first: `${kind} ${tree} ${offsetOf(511)}` });
      expect(report.findings[0]?.detail).toContain(name);
    }
    expect(more.findings[0]).toMatchObject({ class: 'inserted', tree });
    expect(more.findings[0]?.detail).toContain('tile 0/9');
  });

  it('says not rebuilt, never modified, for rows of an older adapter', async () => {
    const newer = (await loadSources()).map(
      (s): RegisteredSource => ({
        ...s,
        adapter: s.adapter + 1,
        normalise(part, settings) {
          const outcome = s.normalise(part, settings);
          return outcome.kind === 'ok' ? ok({ ...outcome.value, adapter: s.adapter + 1 }) : outcome;
        },
      }),
    );
    const report = await verifyAfter(async () => undefined, undefined, undefined, undefined, {
      registry: newer,
    });
    expect(report.exit).toBe(3);
    expect(report.findings.map((f) => f.class)).toEqual(['not-rebuilt']);
  });

  it('says modified for rows of an adapter that never was', async () => {
    const report = await verifyAfter((engine) => update(engine, 'kw.events', 'adapter = 0', 'offset = 0'));
    expect(report).toMatchObject({ exit: 1, first: `column-modified ${tree} 0` });
    expect(report.findings[0]?.detail).toContain('adapter');
  });

  it('says truncated when the tail was cut, and names the last record left', async () => {
    const cut = `offset >= ${offsetOf(590)}`;
    const report = await verifyAfter((engine) => removeRows(engine, cut));
    expect(report).toMatchObject({ exit: 2, first: `truncated ${tree} ${offsetOf(589)}` });
  });

  it('finds the cut tail by the anchor when checkpoints and meta-log in the store were cut with it', async () => {
    const report = await verifyAfter(async (engine) => {
      await removeRows(engine, `offset >= ${offsetOf(300)}`);
      await remove(engine, 'kw.checkpoints', `made_at >= toDateTime64('2026-10-01 00:01:30', 3, 'UTC')`);
      await remove(
        engine,
        'kw.meta',
        `made_at >= toDateTime64('2026-10-01 00:01:00', 3, 'UTC') AND kind != 'x' AND index >= 3`,
      );
    });
    expect(report.exit).toBe(2);
    const classes = report.findings.map((f) => f.class);
    expect(classes).toContain('rolled-back');
    expect(classes).toContain('truncated');
  });

  it('finds a history rewritten and signed again with the stolen key, by the anchor', async () => {
    const report = await verifyAfter(async (engine, dir) => {
      const at = offsetOf(9);
      const value = (lines[9] ?? '').replace('type', 'tipe');
      const key = { stream: 'audit.ndjson', partition: 0, epoch: 0 };
      const record = { ...key, offset: at, timestamp: 0, key: null, headers: [], value: Buffer.from(value) };
      const leaf = leafHash(record, 'file').toString('hex');
      const set = `value = base64Decode('${record.value.toString('base64')}'), leaf = unhex('${leaf}')`;
      await update(engine, 'kw.records', set, `offset = ${at}`);
      for (const table of ['kw.meta', 'kw.checkpoints']) await remove(engine, table, '1');
      const ledger = await Ledger.open({
        store: openLedgerStore(engine),
        keys: await openKeys(join(dir, 'data'), {}),
        anchorFile: join(dir, 'forged.anchor'),
        clock,
      });
      await ledger.start();
      await ledger.bind(
        { stream: 'audit.ndjson', partition: 0, epoch: 0 },
        { transport: 'file', source: 'vault', settings: { ...defaultStreamSettings } },
      );
      await ledger.stop();
    });
    expect(report.exit).toBe(1);
    // Bytes, leaf and signatures agree now: the tiles still say which leaf it was.
    const found = report.findings.find((f) => f.tree === tree);
    expect(found).toMatchObject({ class: 'rewritten', offset: offsetOf(9) });
  });

  it('finds a changed, a removed and a doubled leaf of the meta-log', async () => {
    const changed = await verifyAfter((e) =>
      update(e, 'kw.meta', "text = replaceOne(text, 'after stop', 'after none')", '1'),
    );
    expect(changed.exit).toBe(1);
    expect(changed.findings.map((f) => `${f.class} ${f.tree}`)).toContain('modified meta');
    const removed = await verifyAfter((e) => remove(e, 'kw.meta', 'index = 1'));
    expect(removed.findings.map((f) => `${f.class} ${f.tree} ${f.offset}`)).toContain('deleted meta 1');
    const doubled = await verifyAfter((e) =>
      e.command('INSERT INTO kw.meta SETTINGS insert_deduplicate = 0 SELECT * FROM kw.meta WHERE index = 2'),
    );
    expect(doubled.findings.map((f) => `${f.class} ${f.tree} ${f.offset}`)).toContain('inserted meta 2');
  });

  it('finds a forged signature, another key, and an anchor that is gone', async () => {
    const forged = await verifyAfter((e) =>
      update(e, 'kw.checkpoints', "note = replaceOne(note, '\\n600\\n', '\\n601\\n')", '1'),
    );
    expect(forged.findings.map((f) => f.class)).toContain('forged');
    expect(forged.exit).toBe(1);
    const other = await verifyAfter(async (_, dir) => {
      const mine = await openKeys(join(dir, 'other'), {});
      const log = join(dir, 'data/ledger/log.txt');
      const [logId] = readFileSync(log, 'utf8').split(' ');
      writeFileSync(log, `${logId} ${mine.publicKey.toString('base64')}\n`);
    });
    expect(other).toMatchObject({ exit: 1, first: 'wrong-key  -' });
    const gone = await verifyAfter(async (_, dir) => rmSync(join(dir, 'data.anchor')));
    expect(gone).toMatchObject({ exit: 3, first: 'no-anchor  -' });
  });

  it('a heartbeat’s own check finds a record without rows, and records that are not the tree’s leaves', async () => {
    const breaches: string[][] = [];
    await verifyAfter(async (engine) => {
      const check = async (leaves: number) =>
        breaches.push(
          (await checkAccounts(engine, () => ({ leaves, expired: [] }))).map(
            (b) => `${b.kind} ${b.sentence.split(' ')[0]}`,
          ),
        );
      await check(600);
      await check(599);
      await remove(engine, 'kw.set_aside', '1');
      await check(600);
    });
    expect(breaches).toEqual([
      [],
      [`records-are-not-leaves ${tree}`],
      [`record-without-rows ${tree}/${offsetOf(50)}`],
    ]);
  });

  it('says stale when the last run has no stop leaf and the last heartbeat is old', async () => {
    const report = await verifyAfter(async (engine, dir) => {
      const options = {
        store: openLedgerStore(engine),
        keys: await openKeys(join(dir, 'data'), {}),
        anchorFile: join(dir, 'data.anchor'),
        clock: { ...clock, now: () => now - 60_000 },
      };
      const ledger = await Ledger.open(options);
      await ledger.start();
      await ledger.abandon();
    });
    expect(report).toMatchObject({ exit: 2, first: 'stale meta -' });
  });

  it('holds the log against a checkpoint kept by someone else', async () => {
    const kept =
      readFileSync(join(base, 'data.anchor'), 'utf8').trimEnd().split('\n').at(-1)?.split(' ') ?? [];
    const [, , origin, size, root, signature] = kept;
    const note = `${origin}\n${size}\n${root}\n\n— ${origin} ${signature}\n`;
    expect(await verifyAfter(async () => undefined, note)).toMatchObject({ exit: 0 });
    const other = note.replaceAll(/keywitness\/[0-9a-f]+/g, 'keywitness/0000000000000000');
    expect(await verifyAfter(async () => undefined, other)).toMatchObject({
      exit: 2,
      first: 'rolled-back  -',
    });
  });
});
