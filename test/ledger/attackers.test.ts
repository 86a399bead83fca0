import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newestCheckpoint, proveEvent } from '../../src/ledger/audit/prove.ts';
import { verifyStore } from '../../src/ledger/audit/verify.ts';
import { type LogIdentity, readIdentity } from '../../src/ledger/keys.ts';
import { leafHash } from '../../src/ledger/leaf.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import type { Engine } from '../../src/store/client.ts';
import {
  base,
  columns,
  fileOf,
  lines,
  now,
  offsetOf,
  openAt,
  remove,
  removeRows,
  storeOf,
  tree,
  update,
  verifyAfter,
} from './tampering.ts';

const insertMeta = async (engine: Engine, kind: string, ...more: string[]) => {
  const text = ['keywitness-meta/v1', `kind ${kind}`, `time ${new Date(now).toISOString()}`, ...more];
  await engine.command(
    `INSERT INTO kw.meta SELECT max(index) + 1, '${kind}', fromUnixTimestamp64Milli(${now}), '${text.join('\\n')}\\n' FROM kw.meta`,
  );
};
const classes = (report: { findings: readonly { class: string; tree: string }[] }) =>
  report.findings.map((f) => `${f.class} ${f.tree}`);
/** A copy of a record and its event under another offset, with the leaf that belongs to them. */
async function insertCopy(engine: Engine, from: number, offset: bigint): Promise<void> {
  const key = { stream: 'audit.ndjson', partition: 0, epoch: 0 };
  const value = Buffer.from(lines[from] ?? '');
  const leaf = leafHash({ ...key, offset, timestamp: 0, key: null, headers: [], value }, 'file');
  await engine.command(
    `INSERT INTO kw.records (${columns}, offset) SELECT * REPLACE (unhex('${leaf.toString('hex')}') AS leaf), ${offset} FROM (SELECT ${columns} FROM kw.records WHERE offset = ${offsetOf(from)})`,
  );
  await engine.command(
    `INSERT INTO kw.events SELECT * REPLACE (toUInt64(${offset}) AS offset) FROM (SELECT * FROM kw.events WHERE offset = ${offsetOf(from)})`,
  );
}

describe('A1, who can only INSERT', () => {
  it('is found when a record with a right leaf and a right event follows the orderly end', async () => {
    const end = offsetOf(600);
    const report = await verifyAfter((engine) => insertCopy(engine, 9, end));
    expect(report).toMatchObject({ exit: 1, first: `inserted ${tree} ${end}` });
    expect(report.exposure.unsignedRecords).toBe(1);
  });

  it('cannot have signed records read in another way by settings that reach back', async () => {
    const settings = ['transport file', 'source vault', 'set cluster main', 'set host main'];
    const report = await verifyAfter(async (engine) => {
      await insertMeta(engine, 'settings', `tree ${tree}`, 'from 0', ...settings, 'set store other');
      const other = (column: string) => `replaceAll(${column}, 'vault:main', 'vault:other') AS ${column}`;
      const list = "arrayMap(o -> replaceAll(o, 'vault:main', 'vault:other'), objects) AS objects";
      await engine.command(
        `INSERT INTO kw.events SETTINGS insert_deduplicate = 0 SELECT * REPLACE (${other('object_id')}, ${other('actor_id')}, ${list}, 'other' AS object_store, 9 AS writer) FROM (SELECT * FROM kw.events)`,
      );
      await remove(engine, 'kw.events', 'writer != 9');
    });
    expect(report.exit).toBe(1);
    expect(classes(report)).toContain('modified meta');
    expect(classes(report)).toContain(`column-modified ${tree}`);
  });

  it('cannot blind the audit with a pin that is no number', async () => {
    const report = await verifyAfter(async (engine) => {
      const [row] = await engine.rows(
        "SELECT any(origin) AS o FROM kw.checkpoints WHERE origin NOT LIKE '%/meta'",
      );
      await insertMeta(engine, 'heartbeat', `stream ${row?.o} x ${'A'.repeat(43)}=`);
      await removeRows(engine, `offset = ${offsetOf(400)}`);
    });
    expect(report.exit).toBe(1);
    expect(report.findings).toContainEqual(
      expect.objectContaining({ class: 'deleted', tree, offset: offsetOf(400) }),
    );
    expect(report.exposure.unsignedRecords).toBe(0);
  });

  it('cannot pass off a log that went silent as one that was closed in order', async () => {
    const report = await verifyAfter(
      async (engine) => {
        // The stop of the second sitting was never signed: as after a crash.
        await remove(engine, 'kw.checkpoints', "size > 4 AND origin LIKE '%/meta'");
      },
      undefined,
      (anchor) => anchor.filter((line) => !/\/meta 5 /.test(line)),
    );
    expect(report).toMatchObject({ exit: 2, first: 'stale meta -' });
  });

  it('cannot have a checkpoint given out that nobody signed', async () => {
    await verifyAfter(async (engine, dir) => {
      const identity = readIdentity(join(dir, 'data')) as LogIdentity;
      const ref = { stream: 'audit.ndjson', partition: 0, epoch: 0, offset: 0n, idx: 0 };
      expect(await newestCheckpoint(engine, identity)).toMatch(/\/meta\n5\n/);
      await expect(proveEvent(engine, identity, ref)).resolves.toBeInstanceOf(Map);
      await engine.command(
        'INSERT INTO kw.checkpoints SELECT * REPLACE (made_at + 1 AS made_at, upper(note) AS note) FROM kw.checkpoints',
      );
      await expect(newestCheckpoint(engine, identity)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
      await expect(proveEvent(engine, identity, ref)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
    });
  });

  it('is named when rows stand under a name no stream can have, or under no stream at all', async () => {
    const moved = (table: string, stream: string) => (engine: Engine) =>
      engine.command(
        `INSERT INTO ${table} SELECT * REPLACE ('${stream}' AS stream) FROM (SELECT * FROM ${table} LIMIT 1)`,
      );
    const records = await verifyAfter(moved('kw.records', 'bad name'));
    expect(records).toMatchObject({ exit: 1, first: 'inserted bad name/0/0 -' });
    const events = await verifyAfter(moved('kw.events', 'a/b'));
    expect(events).toMatchObject({ exit: 1, first: 'inserted a/b/0/0 -' });
    const unknown = await verifyAfter(moved('kw.events', 'unknown'));
    expect(unknown.exit).toBe(1);
    expect(unknown.first).toMatch(/^event-inserted unknown\/0\/0 \d+$/);
  });
});

describe('an end with a record in the store that is in no tree', () => {
  it('claims no order, so that the next start mends it and nobody is accused', async () => {
    const dir = join(base, '../half-way');
    const app = await openAt(dir);
    await app.ingestFile(fileOf(dir, 300), { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
    await insertCopy(app.engine, 9, offsetOf(300));
    await app.close();
    const kinds = async (engine: Engine) =>
      (await engine.rows('SELECT kind FROM kw.meta ORDER BY index')).map((r) => r.kind);
    const again = await openAt(dir);
    expect(await kinds(again.engine)).toEqual(['start', 'settings', 'start']);
    await again.close();
    const engine = await storeOf(dir);
    expect(await kinds(engine)).toEqual(['start', 'settings', 'start', 'stop']);
    const [dataDir, anchorFile] = [join(dir, 'data'), join(dir, 'data.anchor')];
    expect(await verifyStore({ engine, dataDir, anchorFile, now })).toMatchObject({ exit: 0 });
    await engine.close();
  });
});

describe('A2, who can change everything in the store', () => {
  it('is found when all rows are gone, and when the tail is cut right after a checkpoint', async () => {
    const all = await verifyAfter((engine) => removeRows(engine, '1'));
    expect(all).toMatchObject({ exit: 2, first: `truncated ${tree} -` });
    const half = await verifyAfter((engine) => removeRows(engine, `offset >= ${offsetOf(300)}`));
    expect(half).toMatchObject({ exit: 2, first: `truncated ${tree} ${offsetOf(299)}` });
  });

  it('is found when bytes lie behind a null, or flags and seal say what nobody wrote', async () => {
    const at = offsetOf(200);
    for (const set of ["key = 'k'", 'flags = flags + 4', 'sealed = 1']) {
      const report = await verifyAfter((e) => update(e, 'kw.records', set, `offset = ${at}`));
      expect(report, set).toMatchObject({ exit: 1, first: `modified ${tree} ${at}` });
    }
  });

  it('is found when a column of events was given a type that loses what was in it, or is gone', async () => {
    const alter = (change: string) => (engine: Engine) =>
      engine.command(`ALTER TABLE kw.events ${change} SETTINGS mutations_sync = 2`);
    for (const [column, change] of [
      ['session_start', 'MODIFY COLUMN session_start Date32'],
      ['record_bytes', 'MODIFY COLUMN record_bytes UInt8'],
      ['client_id', 'DROP COLUMN client_id'],
    ] as const) {
      const report = await verifyAfter(alter(change));
      expect(report, change).toMatchObject({ exit: 1, first: 'column-modified  -' });
      expect(report.findings[0]?.detail).toContain(column);
    }
  });

  it('is found when kind or time of a row of the meta-log is not what its leaf says', async () => {
    const kind = await verifyAfter((e) => update(e, 'kw.meta', "kind = 'gap'", 'index = 1'));
    expect(kind).toMatchObject({ exit: 1, first: 'modified meta 1' });
    const time = await verifyAfter((e) => update(e, 'kw.meta', 'made_at = made_at + 1', 'index = 1'));
    expect(time).toMatchObject({ exit: 1, first: 'modified meta 1' });
  });
});
