import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDispatcher } from '../../src/alert/dispatch.ts';
import { groupSignals } from '../../src/alert/group.ts';
import { recordAlerts } from '../../src/alert/record.ts';
import type { Clock } from '../../src/core/clock.ts';
import { createNotifiers } from '../../src/notify/registry.ts';
import { openAlertStore } from '../../src/store/alertStore.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { openDeliveryLog } from '../../src/store/deliveryStore.ts';
import { migrate } from '../../src/store/migrate.ts';
import { day0, signal } from '../alert/signals.ts';
import { startMailServer } from './mailServer.ts';
import { startSlackServer } from './slackServer.ts';

let folder: string;
let engine: Engine;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kw-trouble-'));
  engine = await openEmbedded(join(folder, 'store'));
  await migrate(engine);
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

/** Time moves by hand; the network is real. */
function handClock(): Clock & { advance(ms: number): void } {
  let now = day0;
  const advance = (ms: number) => {
    now += ms;
  };
  return { now: () => now, sleep: async (ms) => advance(ms), advance };
}

test('real Slack API and SMTP server down, then back: every alert arrives once, nobody restarts anything', async () => {
  const clock = handClock();
  const slackServer = await startSlackServer();
  let mailServer = await startMailServer({ tls: 'none' });
  const { port } = mailServer;
  const outbox = join(folder, 'outbox');
  const notifiers = await createNotifiers(
    {
      slack: { token: 'xoxb-test', channel: 'C0123', apiUrl: slackServer.url },
      email: {
        smtp: `smtp://127.0.0.1:${port}`,
        insecure: true,
        from: 'kw@example.org',
        to: ['soc@example.org'],
      },
    },
    outbox,
    { clock, command: 'npx keywitness' },
  );
  const store = openAlertStore(engine);
  const words: string[] = [];
  const dispatcher = createDispatcher({
    notifiers,
    clock,
    log: openDeliveryLog(engine),
    alertsById: store.byId,
    observe: {
      channelDown: (channel, reason) => words.push(`${channel} down (${reason})`),
      channelUp: (channel) => words.push(`${channel} up`),
    },
  });
  await dispatcher.start();

  slackServer.answerAlways({ status: 500 });
  slackServer.answerNext({ status: 429, headers: { 'retry-after': '30' } });
  await mailServer.close();
  const signals = ['ana', 'bo', 'cy'].map((n) =>
    signal(n, 1, 'root-used', 'high', { group: n, identity: n }),
  );
  const { alerts } = await recordAlerts(store, groupSignals(signals), clock.now());
  await dispatcher.offer(alerts);
  for (let i = 0; i < 20; i++) {
    await dispatcher.tick();
    clock.advance(20_000);
  }
  expect(dispatcher.waiting()).toBe(6);
  expect(words.sort()).toEqual(['email down (ESOCKET)', 'slack down (rate limited (429))']);

  slackServer.answerAlways('ok');
  mailServer = await startMailServer({ tls: 'none', port });
  for (let i = 0; i < 60 && dispatcher.waiting() > 0; i++) {
    clock.advance(20_000);
    await dispatcher.tick();
  }
  expect(dispatcher.waiting()).toBe(0);
  expect(slackServer.posted).toHaveLength(3);
  const mails = await Promise.all(mailServer.mails.map((m) => simpleParser(m)));
  expect(new Set(mails.map((m) => m.messageId)).size).toBe(3);
  expect(mails).toHaveLength(3);
  expect(words).toContain('slack up');
  expect(words).toContain('email up');
  expect(existsSync(outbox)).toBe(false);
  await slackServer.close();
  await mailServer.close();
});

test('a post that Slack took but did not answer is not posted again after the restart', async () => {
  const clock = handClock();
  const slackServer = await startSlackServer();
  const store = openAlertStore(engine);
  const start = async () => {
    const all = await createNotifiers(
      { slack: { token: 'xoxb-test', channel: 'C0123', apiUrl: slackServer.url } },
      join(folder, 'outbox'),
      { clock, command: 'npx keywitness' },
    );
    const dispatcher = createDispatcher({
      notifiers: all.filter((n) => n.name === 'slack'),
      clock,
      log: openDeliveryLog(engine),
      alertsById: store.byId,
    });
    await dispatcher.start();
    return dispatcher;
  };
  slackServer.answerNext('hang-after-post');
  const one = signal('dee', 1, 'root-used', 'high', { group: 'dee', identity: 'dee' });
  const { alerts } = await recordAlerts(store, groupSignals([one]), clock.now());
  const dispatcher = await start();
  await dispatcher.offer(alerts);
  await dispatcher.tick();
  expect(dispatcher.waiting()).toBe(1);
  clock.advance(60_000);
  const next = await start();
  await next.tick();
  expect(next.waiting()).toBe(0);
  expect(slackServer.posted).toHaveLength(1);
  await slackServer.close();
});

test('the outbox of a real dispatch holds the rendered messages, and a second run writes nothing', async () => {
  const outbox = join(folder, 'outbox-two');
  const run = async () => {
    const clock = handClock();
    const notifiers = await createNotifiers({}, outbox, { clock, command: 'npx keywitness' });
    const store = openAlertStore(engine);
    const log = openDeliveryLog(engine);
    const dispatcher = createDispatcher({ notifiers, clock, log, alertsById: store.byId });
    await dispatcher.start();
    const fresh = groupSignals([
      signal('eve', 1, 'root-used', 'critical', { group: 'eve', identity: 'eve' }),
    ]);
    await dispatcher.offer((await recordAlerts(store, fresh, day0)).alerts);
    await dispatcher.tick();
    const lines = await engine.rows('SELECT count() AS n FROM kw.deliveries');
    return [Number(lines[0]?.n), readdirSync(outbox).sort()] as const;
  };
  const first = await run();
  const files = first[1];
  expect(files.map((f) => f.replace(/-[0-9a-f]{16}\./, '-ID.'))).toEqual([
    '2026-07-15T0100-critical-ID.eml',
    '2026-07-15T0100-critical-ID.slack.json',
  ]);
  expect(readFileSync(join(outbox, files[1] ?? ''), 'utf8')).toContain('CRITICAL: Title of root-used');
  expect(await run()).toEqual(first);
});
