import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { excessOf, missingOf } from '../../src/store/grants.ts';
import { openTestStore, type TestStore } from '../store/support.ts';

const sql = readFileSync(join(packageRoot, 'docs/deploy/clickhouse-users.sql'), 'utf8');
const statements = sql
  .replace(/^--.*$/gm, '')
  .split(/;\s*$/m)
  .map((s) => s.trim())
  .filter((s) => s !== '');

/** Every table our migrations make, from their text. */
const folder = join(packageRoot, 'src/store/migrations');
const tables = [
  'migrations',
  ...readdirSync(folder).flatMap((name) =>
    [...readFileSync(join(folder, name), 'utf8').matchAll(/CREATE TABLE IF NOT EXISTS kw\.(\w+)/g)].map(
      (m) => m[1] ?? '',
    ),
  ),
];
const grantsTo = (role: string) =>
  statements.filter((s) => s.startsWith('GRANT ') && s.endsWith(` TO ${role}`));

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
});
afterAll(() => store.close());

describe('the accounts of docs/deploy/clickhouse-users.sql', () => {
  it.each(statements)("%s is a statement of the engine's language", async (statement) => {
    await store.engine.rows(`EXPLAIN AST ${statement}`);
  });

  it('the writer may write and read every table, each by its name, and nothing else', () => {
    const grants = grantsTo('keywitness_writer');
    expect(missingOf(grants, tables, 'keywitness_writer')).toEqual([]);
    expect(excessOf(grants)).toEqual([]);
    for (const table of tables)
      expect(grants).toContain(`GRANT SELECT, INSERT ON kw.${table} TO keywitness_writer`);
    expect(grants).toHaveLength(tables.length + 1);
  });

  it('the reader may only look, and the migrator only make', () => {
    expect(grantsTo('keywitness_reader')).toEqual(['GRANT SELECT ON kw.* TO keywitness_reader']);
    expect(excessOf(grantsTo('keywitness_migrator'))).toEqual([]);
  });

  it('retention alone may delete, and only from tables of records and what is derived from them', () => {
    const roles = ['keywitness_writer', 'keywitness_reader', 'keywitness_migrator'];
    expect(roles.flatMap((role) => excessOf(grantsTo(role)))).toEqual([]);
    const found = excessOf(grantsTo('keywitness_retention')).map((e) => `${e.privilege} ${e.on}`);
    expect(found.filter((f) => !f.startsWith('ALTER DELETE'))).toEqual(['ALTER UPDATE kw.records']);
    for (const table of ['meta', 'checkpoints', 'tiles', 'streams', 'alert_acts', 'deliveries']) {
      expect(found.join()).not.toContain(`kw.${table}`);
    }
  });

  it('no account is made with a password that somebody could know, or without one', () => {
    const users = statements.filter((s) => s.startsWith('CREATE USER'));
    expect(users).toHaveLength(3);
    for (const user of users)
      expect(user).toMatch(/IDENTIFIED WITH sha256_password BY 'PUT THE |'PUT RETENTION/);
  });
});

describe("the engine's own list of privileges", () => {
  it('holds none that changes stored rows and is not seen as too much', async () => {
    const rows = await store.engine.rows(
      'SELECT toString(privilege) AS name, toString(parent_group) AS parent FROM system.privileges',
    );
    const parents = new Map(rows.map((r) => [String(r.name), String(r.parent ?? '')]));
    const isBelow = (name: string, group: string): boolean =>
      name === group || (parents.get(name) !== undefined && isBelow(parents.get(name) ?? '', group));
    const changing = [...parents.keys()].filter((n) =>
      ['ALTER', 'DROP', 'TRUNCATE', 'OPTIMIZE'].some((g) => isBelow(n, g)),
    );
    expect(changing.length).toBeGreaterThan(40);
    expect(changing.filter((name) => excessOf([`GRANT ${name} ON kw.* TO w`]).length === 0)).toEqual([]);
    const harmless = [...parents.keys()].filter((n) =>
      ['SELECT', 'INSERT', 'SHOW'].some((g) => isBelow(n, g)),
    );
    expect(harmless.flatMap((name) => excessOf([`GRANT ${name} ON kw.* TO w`]))).toEqual([]);
  });
});
