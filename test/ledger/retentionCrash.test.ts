import { afterAll, describe, expect, it } from 'vitest';
import { addHold } from '../../src/app/hold.ts';
import { readExpired } from '../../src/ledger/audit/lawfulLeaves.ts';
import type { Engine } from '../../src/store/client.ts';
import {
  apply,
  growing,
  leafOf,
  newWorld,
  old,
  openStore,
  removeWorld,
  rowsOf,
  treeHash,
  verify,
  withLedger,
} from './retentionWorld.ts';

afterAll(removeWorld);

/** A store that ends the run instead of its nth change: every state a killed run can leave behind. */
function dyingAt(n: number, seen: string[]): (dir: string) => Promise<Engine> {
  return async (dir) => {
    const engine = await openStore(dir);
    const change = async (what: string, make: () => Promise<void>) => {
      if (seen.push(what) > n) throw new Error('dead');
      await make();
    };
    return {
      ...engine,
      command: (sql) => change(sql, () => engine.command(sql)),
      insert: (table, ...rest) => change(`INSERT ${table}`, () => engine.insert(table, ...rest)),
    };
  };
}

const left =
  'SELECT (SELECT count() FROM kw.records) AS records, (SELECT count() FROM kw.events) AS events, (SELECT count() FROM kw.set_aside) AS aside, (SELECT count() FROM kw.hits) AS hits';
const leaves = (stream: string, file: readonly string[], count: number) =>
  Array.from({ length: count }, (_, i) => leafOf(stream, file, i));

describe('a run of retention that is killed is finished by the next', () => {
  it('at whatever change it was killed', async () => {
    const said = [
      ['audit.ndjson/0/0', '202509', treeHash(leaves('audit.ndjson', growing, 300)).toString('hex')],
      ['old.ndjson/0/0', '202509', treeHash(leaves('old.ndjson', old, 70)).toString('hex')],
    ];
    let seen: string[] = [];
    for (let n = 0, isDead = true; isDead; n += 1) {
      const dir = await newWorld();
      seen = [];
      isDead = await apply(dir, dyingAt(n, seen)).then(
        () => false,
        (error: Error) => error.message.includes('dead'),
      );
      // Whatever was said or done so far was lawful. A killed run leaves no stop: within 30 s that is no fault.
      const made = isDead ? seen.slice(0, -1) : seen;
      const isGone = made.some((sql) => sql.startsWith('ALTER TABLE kw.records'));
      expect([n, (await verify(dir)).exit]).toEqual([n, isGone ? 4 : 0]);
      if (isDead) await apply(dir);
      const engine = await openStore(dir);
      const [found] = await engine.rows(left);
      expect([n, found]).toEqual([n, { records: 200, events: 200, aside: 0, hits: 0 }]);
      const told = await readExpired(engine);
      await engine.close();
      expect([n, told.map((r) => [r.tree, r.month, r.root.toString('hex')])]).toEqual([n, said]);
    }
    // The word comes before the deed, signed; the records go after all that is derived from them.
    const deeds = seen.flatMap((sql) => /^ALTER TABLE kw\.(\w+)/.exec(sql)?.[1] ?? []);
    expect(deeds).toEqual(['sessions', 'hits', 'set_aside', 'events', 'records']);
    const words = seen.slice(
      0,
      seen.findIndex((sql) => sql.startsWith('ALTER')),
    );
    expect(words).toEqual(
      [
        ...['kw.meta', 'kw.checkpoints'],
        ...['kw.tiles', 'kw.meta', 'kw.tiles', 'kw.meta'],
        ...['kw.meta', 'kw.checkpoints'],
      ].map((table) => `INSERT ${table}`),
    );
  }, 300_000);

  it('but not under a hold that came in between', async () => {
    const seen: string[] = [];
    await apply(await newWorld(), dyingAt(1_000, seen));
    const deed = seen.findIndex((sql) => sql.startsWith('ALTER'));
    const dir = await newWorld();
    await expect(apply(dir, dyingAt(deed, []))).rejects.toThrow('dead');
    await withLedger(dir, (parts) => addHold(parts, { scope: {}, by: 'Ada', reason: 'case 7' }));
    const { dropped, held } = await apply(dir);
    expect([dropped, held].map((ms) => ms.map((m) => m.month))).toEqual([[], ['202509']]);
    expect(await rowsOf(dir, 'SELECT count() AS n FROM kw.records')).toEqual([{ n: 570 }]);
  }, 60_000);
});
