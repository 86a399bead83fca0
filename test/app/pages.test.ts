import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventDays, eventsOfDays, eventsOfFlushes } from '../../src/detect/observed.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-pages-'));
let engine: Engine;
let rowsMax = 0;

/** Three days: quiet, one of 70,000 events in some hours with a second that holds 3,000 of them, and quiet again. */
beforeAll(async () => {
  engine = await openEmbedded(join(folder, 'store'));
  await migrate(engine);
  const add = (from: string, every: string, first: number, count: number) =>
    engine.command(
      'INSERT INTO kw.events (stream, offset, time, source, phase, dup_key, ingested_at) ' +
        `SELECT 'main.a', ${first} + number, toDateTime64('${from}', 9, 'UTC') + ${every}, 'vault', 'final', toString(${first} + number), ` +
        `toDateTime64('2026-07-04 00:00:00', 3, 'UTC') + intDiv(${first} + number, 7000) FROM numbers(${count})`,
    );
  await add('2026-07-01 10:00:00', 'number', 0, 500);
  await add('2026-07-02 00:00:00', 'number / 5', 500, 67_000);
  await add('2026-07-02 01:00:00', 'number / 10000', 67_500, 3_000);
  await add('2026-07-03 23:59:58', 'number / 300', 70_500, 500);
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The store, with the most rows one answer had. */
const watched = (): Engine => {
  rowsMax = 0;
  return {
    ...engine,
    async rows(sql, params) {
      const rows = await engine.rows(sql, params);
      if (sql.includes('hit_rules')) rowsMax = Math.max(rowsMax, rows.length);
      return rows;
    },
  };
};

describe('what detection reads of a large store', () => {
  it('is every event once, in order of time, and never more at once than fits', async () => {
    const store = watched();
    const offsets: string[] = [];
    let days = 0;
    for await (const page of eventsOfDays(store, await eventDays(store))) {
      days += page.days;
      for (const event of page.events) offsets.push(event.ref.split('/')[3] ?? '');
    }
    const inOrder = await engine.rows('SELECT toString(offset) AS o FROM kw.events ORDER BY time, offset');
    expect(days).toBe(3);
    expect(offsets).toHaveLength(71_000);
    expect(offsets).toEqual(inOrder.map((r) => r.o));
    expect(rowsMax).toBeLessThanOrEqual(20_000);
  });

  it('is every event once by flushes, whole flushes together', async () => {
    const [from, to] = [Date.parse('2026-07-04T00:00:00Z'), Date.parse('2026-07-04T00:00:09Z')];
    const offsets = new Set<string>();
    let seen = 0;
    let until = 0;
    for await (const page of eventsOfFlushes(watched(), from, to)) {
      seen += page.events.length;
      for (const event of page.events) offsets.add(event.ref);
      expect(page.until).toBeGreaterThan(until);
      until = page.until;
    }
    // Flush 0 was seen before; of flushes of 7,000 nine follow up to and with the ninth.
    expect({ seen, distinct: offsets.size, until }).toEqual({ seen: 63_000, distinct: 63_000, until: to });
    expect(rowsMax).toBeLessThanOrEqual(20_000);
  });
});
