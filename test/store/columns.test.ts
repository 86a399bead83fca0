import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blankEvent } from '../../src/core/event.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { actColumns, alertColumns } from '../../src/store/alertStore.ts';
import { claimColumns } from '../../src/store/claims.ts';
import { adapterColumns, type Column, eventColumns } from '../../src/store/columns.ts';
import { deliveryColumns } from '../../src/store/deliveryStore.ts';
import { checkpointColumns } from '../../src/store/ledgerStore.ts';
import { metaColumns } from '../../src/store/metaAppend.ts';
import { migrate } from '../../src/store/migrate.ts';
import {
  hitColumns,
  recordColumns,
  sessionColumns,
  setAsideColumns,
  streamColumns,
} from '../../src/store/tables.ts';
import { tileColumns } from '../../src/store/tileStore.ts';
import { openTestStore, storedEvent, type TestStore } from './support.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await migrate(store.engine);
});
afterAll(() => store.close());

const written: Readonly<Record<string, readonly Column<never>[]>> = {
  records: recordColumns,
  events: eventColumns,
  set_aside: setAsideColumns,
  sessions: sessionColumns,
  hits: hitColumns,
  streams: streamColumns,
  meta: metaColumns,
  checkpoints: checkpointColumns,
  alerts: alertColumns,
  alert_acts: actColumns,
  deliveries: deliveryColumns,
  tiles: tileColumns,
  claims: claimColumns,
};

async function described(table: string): Promise<string[]> {
  const rows = await store.engine.rows(
    `SELECT name, type FROM system.columns WHERE database = 'kw' AND table = '${table}' ORDER BY position`,
  );
  // A dictionary is the engine's matter: the value travels plain.
  return rows.map((r) => `${String(r.name)} ${String(r.type).replace(/LowCardinality\((\w+)\)/g, '$1')}`);
}

describe('what is written is what the engine describes', () => {
  it('in every table of the store', async () => {
    const tables = await store.engine.rows(
      "SELECT name FROM system.tables WHERE database = 'kw' AND name != 'migrations'",
    );
    expect(Object.keys(written).sort()).toEqual(tables.map((t) => String(t.name)).sort());
  });

  it.each(Object.keys(written))('kw.%s: the same columns, types and order', async (table) => {
    const ours = (written[table] ?? []).map((c) => `${c.name} ${c.type}`);
    expect(ours).toEqual(await described(table));
  });
});

describe('AuditEvent, its columns and its page are one list', () => {
  const adapterNames = adapterColumns.map((c) => c.name);

  it('every field of an event has its column, and every column its field', () => {
    expect(adapterNames).toEqual(Object.keys(blankEvent()).slice(0, adapterNames.length));
    expect(eventColumns.map((c) => c.name).sort()).toEqual(Object.keys(storedEvent(0n)).sort());
  });

  it('docs/events.md has one row for each, in the order of the table', async () => {
    const page = readFileSync(join(packageRoot, 'docs/events.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `([a-z_0-9]+)` \| ([^|]+) \|/gm)].map(
      (m) => `${m[1]} ${m[2]?.trim()}`,
    );
    const types = await store.engine.rows(
      "SELECT name, type FROM system.columns WHERE database = 'kw' AND table = 'events' ORDER BY position",
    );
    const expected = types.map(
      (t) => `${String(t.name)} ${String(t.type).replace(/LowCardinality\((\w+)\)/g, '$1')}`,
    );
    expect(rows).toEqual(expected);
  });
});
