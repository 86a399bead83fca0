import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDispatcher } from '../../src/alert/dispatch.ts';
import { groupSignals } from '../../src/alert/group.ts';
import { blankRow } from '../../src/alert/log.ts';
import { recordAlerts } from '../../src/alert/record.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { Notifier } from '../../src/core/notifier.ts';
import { type AlertStore, openAlertStore } from '../../src/store/alertStore.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { openDeliveryLog } from '../../src/store/deliveryStore.ts';
import { migrate } from '../../src/store/migrate.ts';
import { day0, hour, signal } from './signals.ts';

let folder: string;
let engine: Engine;
let store: AlertStore;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kw-alerts-'));
  engine = await openEmbedded(join(folder, 'store'));
  await migrate(engine);
  store = openAlertStore(engine);
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

const signals = [
  signal('a', 1, 'root-used', 'high'),
  signal('b', 2, 'root-used', 'high', { secret: 'it\'s \\ "quoted"', srcIps: ['2001:db8::1'] }),
  signal('c', 3, 'first-read', 'low', { kind: 'baseline', group: 'human:bo', identity: 'human:bo' }),
];
const rowsOf = async (table: string) =>
  Number((await engine.rows(`SELECT count() AS n FROM ${table}`))[0]?.n);

test('an alert reads back from the store as it was written, and the same again writes nothing', async () => {
  const fresh = groupSignals(signals);
  const first = await recordAlerts(store, fresh, day0);
  expect(first.alerts.map((a) => a.id).sort()).toEqual(fresh.map((g) => g.alert.id).sort());
  for (const g of fresh) expect(await store.byId([g.alert.id])).toEqual([g.alert]);
  const anchors = (await store.grouped(0)).flatMap((g) => g.anchor ?? []);
  expect(anchors).toEqual(fresh.flatMap((g) => g.anchor ?? []));
  const rows = await rowsOf('kw.alerts');
  const again = await recordAlerts(store, groupSignals(signals), day0 + hour);
  expect(again.changed).toEqual([]);
  expect(again.alerts).toHaveLength(2);
  expect(await rowsOf('kw.alerts')).toBe(rows);
});

test('an alert that grew is one alert, in its newest version', async () => {
  const grown = groupSignals([...signals, signal('d', 4, 'root-used', 'critical')]);
  const { changed } = await recordAlerts(store, grown, day0);
  expect(changed).toMatchObject([{ severity: 'critical', eventsTotal: 3 }]);
  expect(await store.list({ all: true })).toHaveLength(2);
});

test('what a person decided outlives a new version, and what was taken leaves the list', async () => {
  const [strong] = groupSignals(signals);
  const id = strong?.alert.id ?? '';
  expect((await store.list({ all: false })).map((a) => a.id)).toContain(id);
  await store.act({ alert: id, at: day0, state: 'acknowledged', by: 'ana', reason: 'mine' });
  await recordAlerts(store, groupSignals([...signals, signal('e', 5, 'root-used', 'high')]), day0);
  expect(await store.byId([id])).toMatchObject([{ state: 'acknowledged' }]);
  expect((await store.list({ all: false })).map((a) => a.id)).not.toContain(id);
  await store.act({ alert: id, at: day0 + 1, state: 'resolved', by: 'ana', reason: 'drill' });
  expect((await store.list({ all: false })).map((a) => a.id)).not.toContain(id);
  expect((await store.list({ all: true })).map((a) => a.id)).toContain(id);
  expect((await store.acts(id)).map((a) => [a.state, a.by, a.reason])).toEqual([
    ['acknowledged', 'ana', 'mine'],
    ['resolved', 'ana', 'drill'],
  ]);
});

test('a weak alert whose day turned strong is replaced, not left beside the story', async () => {
  const strong = signal('f', 6, 'mass-read', 'medium', { group: 'human:bo', identity: 'human:bo' });
  const { replaced } = await recordAlerts(store, groupSignals([...signals, strong]), day0);
  expect(replaced).toHaveLength(1);
  const bo = (await store.list({ all: true })).filter((a) => a.identity === 'human:bo');
  expect(bo.map((a) => a.parts.map((p) => p.rule))).toEqual([['mass-read', 'first-read']]);
  expect(bo[0]?.id).toBe(replaced[0]?.by);
});

test('a rule that was taken away does not unsay what people were told', async () => {
  const before = (await store.list({ all: true })).length;
  expect((await recordAlerts(store, [], day0)).replaced).toEqual([]);
  expect(await store.list({ all: true })).toHaveLength(before);
});

test('the delivery log gives the newest line of each, what waits however old, and any key when asked', async () => {
  const log = openDeliveryLog(engine);
  const row = (key: string, seq: number, at: number, state: 'pending' | 'delivered') => {
    return { ...blankRow(key, 'slack', 'r'), seq, at: day0 + at, state, ref: `C:${seq}`, toldAt: day0 + at };
  };
  await log.append([row('old', 1, 0, 'pending'), row('waits', 1, 0, 'pending')]);
  await log.append([row('old', 2, hour, 'delivered'), row('new', 1, 2 * hour, 'delivered')]);
  const newest = await log.newest(day0 + 2 * hour);
  expect(newest.map((r) => [r.key, r.seq]).sort()).toEqual([
    ['new', 1],
    ['waits', 1],
  ]);
  expect(await log.lookUp(['old', 'none'])).toEqual([row('old', 2, hour, 'delivered')]);
});

test('with the real store a restart tells nothing twice, also long after', async () => {
  const heard: string[] = [];
  const notifier: Notifier = {
    name: 'slack',
    updatesInPlace: true,
    isLocal: false,
    paceMs: 0,
    send: async (m) => {
      heard.push(m.key);
      return { kind: 'delivered', ref: 'C:1' };
    },
    close: async () => {},
  };
  const start = async (now: number) => {
    const dispatcher = createDispatcher({
      notifiers: [notifier],
      log: openDeliveryLog(engine),
      clock: { ...systemClock, now: () => now },
      alertsById: store.byId,
    });
    await dispatcher.start();
    await dispatcher.offer(await store.list({ all: false }));
    await dispatcher.tick();
  };
  await start(day0);
  expect(heard).toHaveLength(1);
  await start(day0 + hour);
  await start(day0 + 30 * 24 * hour);
  expect(heard).toHaveLength(1);
});
