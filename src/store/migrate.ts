import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import { packageRoot } from '../core/packageRoot.ts';
import type { Engine } from './client.ts';

const folder = join(packageRoot, 'src/store/migrations');

/**
 * Applies the numbered SQL files that this store has not seen, in order. Forward only: an applied file whose
 * text changed is refused, because the store would no longer be what its history says.
 */
export async function migrate(engine: Engine): Promise<void> {
  // A server's writer may only INSERT and SELECT: what stands is not asked for again.
  const [found] = await engine.rows(
    "SELECT count() AS n FROM system.tables WHERE database = 'kw' AND name = 'migrations'",
  );
  if (Number(found?.n) === 0) {
    await engine.command('CREATE DATABASE IF NOT EXISTS kw');
    await engine.command(
      "CREATE TABLE IF NOT EXISTS kw.migrations (name String, sha256 String, applied_at DateTime64(3, 'UTC')) " +
        'ENGINE = MergeTree ORDER BY name SETTINGS fsync_after_insert = 1',
    );
  }
  const applied = new Map(
    (await engine.rows('SELECT name, sha256 FROM kw.migrations')).map((r) => [
      String(r.name),
      String(r.sha256),
    ]),
  );
  for (const { name, sql } of migrations()) {
    const hash = createHash('sha256').update(sql).digest('hex');
    const known = applied.get(name);
    if (known === hash) continue;
    if (known !== undefined) {
      throw new KeywitnessError(
        'KW_STORE',
        `Migration ${name} was applied to ${engine.where} with another text. Run the version that made the store, or begin a new data directory.`,
      );
    }
    for (const statement of statements(sql)) await engine.command(statement);
    await engine.command(`INSERT INTO kw.migrations VALUES ('${name}', '${hash}', now64(3))`);
  }
}

/** Migrations of this version that the store has not seen. Asks, and changes nothing. */
export async function pendingMigrations(engine: Engine): Promise<string[]> {
  const [found] = await engine.rows(
    "SELECT count() AS n FROM system.tables WHERE database = 'kw' AND name = 'migrations'",
  );
  const rows = Number(found?.n) === 0 ? [] : await engine.rows('SELECT name FROM kw.migrations');
  const applied = new Set(rows.map((r) => String(r.name)));
  return migrations().flatMap(({ name }) => (applied.has(name) ? [] : [name]));
}

/** Every table of `kw`, by the text that makes it. */
export function tablesOfMigrations(): string[] {
  const made = migrations().flatMap(({ sql }) => [...sql.matchAll(/CREATE TABLE IF NOT EXISTS kw\.(\w+)/g)]);
  return ['migrations', ...made.map((m) => m[1] ?? '')];
}

function migrations(): { readonly name: string; readonly sql: string }[] {
  const names = readdirSync(folder).filter((f) => f.endsWith('.sql'));
  return names.sort().map((name) => ({ name, sql: readFileSync(join(folder, name), 'utf8') }));
}

/** Our files hold no `;` inside a literal; comments are whole lines. */
function statements(sql: string): string[] {
  const code = sql.replace(/^--.*$/gm, '');
  return code
    .split(/;\s*$/m)
    .map((s) => s.trim())
    .filter((s) => s !== '');
}
