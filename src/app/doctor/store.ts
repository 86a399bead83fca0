import { KeywitnessError } from '../../core/errors.ts';
import type { Engine } from '../../store/client.ts';
import { excessOf, missingOf, rolesOf } from '../../store/grants.ts';
import { pendingMigrations, tablesOfMigrations } from '../../store/migrate.ts';
import { type Finding, ok } from './finding.ts';

/** What evidence rests on in each table (docs/store.md): the token that drops a repeated block, and the disk. */
const tableSettings = ['non_replicated_deduplication_window = 10000', 'fsync_after_insert = 1'];

/** The store, embedded or on a server; on a server also what our own account may do there. */
export async function storeFindings(open: () => Promise<Engine>, account?: string): Promise<Finding[]> {
  let engine: Engine;
  try {
    engine = await open();
  } catch (error) {
    return [unreachable(error)];
  }
  try {
    const found = [
      ...(await tableFindings(engine)),
      ...(account === undefined ? [] : await grantFindings(engine, account)),
    ];
    return found.some((f) => f.state !== 'ok') ? found.filter((f) => f.state !== 'ok') : found;
  } catch (error) {
    return [unreachable(error)];
  } finally {
    await engine.close();
  }
}

function unreachable(error: unknown): Finding {
  if (!(error instanceof KeywitnessError)) throw error;
  const fix =
    'Start it, or correct `store:` (address, user, password); `run` waits and tries again by itself';
  return { check: 'store', state: 'missing', detail: error.message, fix };
}

async function tableFindings(engine: Engine): Promise<Finding[]> {
  const [about] = await engine.rows('SELECT version() AS version');
  const found: Finding[] = [];
  const pending = await pendingMigrations(engine);
  if (pending.length > 0) {
    const fix = engine.isShared
      ? 'GRANT keywitness_migrator to the account for one start (docs/deploy/clickhouse.md)'
      : 'The next start makes them';
    const detail = `tables of this version are not made yet: ${pending.join(', ')}`;
    found.push({ check: 'tables', state: engine.isShared ? 'wrong' : 'advice', detail, fix });
  }
  const tables = await engine.rows(
    "SELECT name, engine_full AS settings FROM system.tables WHERE database = 'kw' AND engine LIKE '%MergeTree' AND name != 'migrations'",
  );
  for (const { name, settings } of tables) {
    const lacking = tableSettings.filter((s) => !String(settings).includes(s));
    if (lacking.length === 0) continue;
    const detail = `kw.${name} was made without ${lacking.join(' and ')}`;
    found.push({
      check: 'tables',
      state: 'wrong',
      detail,
      fix: `ALTER TABLE kw.${name} MODIFY SETTING ${lacking.join(', ')}`,
    });
  }
  return [ok('store', `${engine.where}, ClickHouse ${about?.version}, ${tables.length} tables`), ...found];
}

async function grantFindings(engine: Engine, account: string): Promise<Finding[]> {
  const direct = await grantLines(engine, 'SHOW GRANTS');
  // FINAL adds what roles give; older servers do not know it.
  const all = await grantLines(engine, 'SHOW GRANTS FINAL').catch(() => direct);
  const own = excessOf(direct);
  const excess = excessOf(all).map((e): Finding => {
    const isOwn = own.some((o) => o.privilege === e.privilege && o.on === e.on);
    return {
      check: 'grants',
      state: 'wrong',
      detail: `${account} has ${e.privilege} on ${e.on}: ${e.why}`,
      fix: isOwn
        ? e.fix
        : `It comes with a role: REVOKE ${rolesOf(direct).join(', ')} FROM ${account}, or take it from the role`,
    };
  });
  const missing = missingOf(all, tablesOfMigrations(), account).map(
    (fix): Finding => ({ check: 'grants', state: 'wrong', detail: `${account} lacks a right it needs`, fix }),
  );
  if (excess.length > 0 && account === 'default') {
    const fix = 'Make accounts with docs/deploy/clickhouse-users.sql and name one in `store:`';
    const detail =
      '`default` is the administrator of users.xml: it has every right, and REVOKE does not reach it';
    return [{ check: 'grants', state: 'wrong', detail, fix }, ...missing];
  }
  return excess.length + missing.length > 0
    ? [...excess, ...missing]
    : [ok('grants', `${account} may add and read`)];
}

async function grantLines(engine: Engine, sql: string): Promise<string[]> {
  return (await engine.rows(sql)).map((row) => String(Object.values(row)[0] ?? ''));
}
