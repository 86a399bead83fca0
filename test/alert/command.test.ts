import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDispatcher } from '../../src/alert/dispatch.ts';
import { groupSignals } from '../../src/alert/group.ts';
import { recordAlerts } from '../../src/alert/record.ts';
import { systemClock } from '../../src/core/clock.ts';
import { metaValue, parseMeta } from '../../src/ledger/meta.ts';
import { createNotifiers } from '../../src/notify/registry.ts';
import { openAlertStore } from '../../src/store/alertStore.ts';
import { openEmbedded } from '../../src/store/client.ts';
import { openDeliveryLog } from '../../src/store/deliveryStore.ts';
import { migrate } from '../../src/store/migrate.ts';
import { day0, signal } from './signals.ts';

let data: string;
let ids: string[];

beforeAll(async () => {
  data = join(mkdtempSync(join(tmpdir(), 'kw-alerts-cli-')), 'data');
  const engine = await openEmbedded(join(data, 'store'));
  await migrate(engine);
  const store = openAlertStore(engine);
  const evil = { group: 'human:bo', identity: 'human:bo', identityName: 'bo\u001b[2J' };
  const fresh = groupSignals([signal('a', 1, 'root-used', 'high'), signal('b', 2, 'left', 'medium', evil)]);
  ids = fresh.map((g) => g.alert.id);
  const { alerts } = await recordAlerts(store, fresh, day0);
  const deps = { clock: systemClock, command: 'npx keywitness' };
  const dispatcher = createDispatcher({
    notifiers: await createNotifiers({}, join(data, 'outbox'), deps),
    log: openDeliveryLog(engine),
    alertsById: store.byId,
    clock: systemClock,
  });
  await dispatcher.start();
  await dispatcher.offer(alerts);
  await dispatcher.tick();
  await engine.close();
});
afterAll(() => rmSync(join(data, '..'), { recursive: true, force: true }));

function alerts(...args: string[]): Promise<{ exit: number | null; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', 'alerts', ...args], {
      env: { ...process.env, KEYWITNESS_DATA: data },
    });
    const text = { out: '', err: '' };
    child.stdout.on('data', (chunk) => {
      text.out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      text.err += chunk;
    });
    child.on('error', reject);
    child.on('close', (exit) => resolve({ exit, ...text }));
  });
}

test('list prints one line an alert, with the keys scripts rely on, newest first', async () => {
  const { exit, out } = await alerts('list', '--json');
  expect(exit).toBe(0);
  const lines = out
    .trimEnd()
    .split('\n')
    .map((l) => JSON.parse(l));
  expect(lines.map((l) => l.id)).toEqual([...ids].reverse());
  expect(lines[1]).toEqual({
    id: ids[0],
    rule: 'root-used',
    title: 'Title of root-used',
    severity: 'high',
    state: 'open',
    first: '2026-07-15T01:00:00.000Z',
    last: '2026-07-15T01:00:00.000Z',
    identity: 'human:ana',
    secret: 'vault:main/kv/prod/db',
    requests: ['req-a'],
    events: ['audit/0/0/a/0'],
    summary: 'Sentence of a.',
  });
});

test('--fail-on turns what is listed into the exit code', async () => {
  expect((await alerts('list', '--fail-on', 'high')).exit).toBe(1);
  expect((await alerts('list', '--fail-on', 'critical')).exit).toBe(0);
  expect((await alerts('list', '--fail-on', 'loud')).exit).toBe(2);
});

test('show takes the beginning of an id and says who was told', async () => {
  const { exit, out } = await alerts('show', (ids[0] ?? '').slice(0, 6));
  expect(exit).toBe(0);
  const shown = JSON.parse(out);
  expect(shown).toMatchObject({ id: ids[0], parts: [{ rule: 'root-used' }], acts: [] });
  expect(
    shown.deliveries.map((d: { channel: string; state: string }) => `${d.channel} ${d.state}`).sort(),
  ).toEqual(['email delivered', 'email pending', 'slack delivered', 'slack pending']);
});

test('an id that is none is exit 2 with a hint', async () => {
  for (const id of ['ffffffffffff', 'ab', "'; DROP"]) {
    const { exit, err } = await alerts('show', id);
    expect(exit).toBe(2);
    expect(err).toContain('KW_ALERT_UNKNOWN');
  }
});

test('ack needs a name, takes the alert off the list, and is a leaf of the meta-log', async () => {
  const id = ids[0] ?? '';
  expect((await alerts('ack', id)).exit).toBe(2);
  const { exit, out, err } = await alerts('ack', id, '--by', 'ana', '--reason', 'it was\na drill');
  expect([exit, err]).toEqual([0, '']);
  expect(JSON.parse(out)).toMatchObject({ id, state: 'acknowledged' });
  expect((await alerts('list')).out).not.toContain(id);
  expect((await alerts('list', '--all')).out).toContain(id);
  expect(JSON.parse((await alerts('show', id)).out).acts).toMatchObject([
    { state: 'acknowledged', by: 'ana', reason: 'it was\na drill' },
  ]);

  const engine = await openEmbedded(join(data, 'store'));
  const rows = await engine.rows('SELECT base64Encode(text) AS t FROM kw.meta ORDER BY `index`');
  await engine.close();
  const leaves = rows.flatMap((r) => parseMeta(Buffer.from(String(r.t), 'base64')) ?? []);
  expect(leaves.map((l) => l.kind)).toEqual(['start', 'ack', 'stop']);
  const ack = leaves[1];
  expect(ack && ['alert', 'state', 'by', 'reason'].map((n) => metaValue(ack, n))).toEqual([
    id,
    'acknowledged',
    'ana',
    'it was\na drill',
  ]);
});

test('without a store the command says so and exits 4', async () => {
  const { exit, err } = await alerts('list', '--data', join(data, 'none'));
  expect(exit).toBe(4);
  expect(err).toContain('KW_DATA_MISSING');
});
