import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { levels } from '../../src/core/signal.ts';
import type { NotifierModule } from '../../src/notify/notifier.ts';
import { loadNotifiers } from '../../src/notify/registry.ts';
import { messageOf, rollupOf } from './messages.ts';
import { type Receiver, receivers } from './receivers.ts';

const deps = { clock: systemClock, command: 'npx keywitness' };
const modules = await loadNotifiers();

test('the folder is the registry: the notifiers are found by their files', () => {
  expect(modules.map((m) => m.name)).toEqual(['email', 'slack']);
});

// What an event may hold and a message must not: tokens, keys, passwords, and the accessor of a session.
const canaries = [
  'hvs.CAESIJcanarycanarycanarycanarycanary',
  's.canarycanarycanarycanary',
  'AKIACANARYCANARY1234',
  'ghp_canarycanarycanarycanarycanary0123',
  'eyJjYW5hcnkiOiJjYW5hcnkifQ.eyJjYW5hcnkiOiJ0cnVlIn0.c2lnbmF0dXJl',
  'xoxb-1234567890-canarycanary',
];

describe.each(modules.map((m) => [m.name, m] as const))('%s', (name, module: NotifierModule) => {
  let receiver: Receiver;
  beforeEach(async () => {
    const start = receivers[name];
    if (!start) throw new Error(`test/notify/receivers.ts has no receiver for ${name}`);
    receiver = await start();
  });
  afterEach(() => receiver.close());

  const sendAll = async (...messages: Parameters<NotifierModule['render']>[0][]) => {
    const notifier = module.create(receiver.settings, deps);
    for (const message of messages) expect(await notifier.send(message)).toMatchObject({ kind: 'delivered' });
    await notifier.close();
    const rendered = await Promise.all(messages.map((m) => module.render(m, receiver.settings, deps)));
    return [await receiver.received(), ...rendered.map((r) => r.body.toString())];
  };

  test('no token, key or accessor of an event is in any message', async () => {
    const planted = canaries.join(' ');
    const alert = {
      identityName: `ana ${planted}`,
      identity: `human:${canaries[0]}`,
      title: `Read ${planted}`,
      secret: `kv/${canaries[1]}`,
      secrets: [`kv/${canaries[1]}`, `kv/${canaries[2]}`],
      owner: planted,
      sessions: ['accessor-canary-0123456789'],
      requests: [canaries[0] ?? '', 'postgres://kw:canary-db-password@db/x'],
      events: [`${canaries[3]}/0/0/1/0`],
      srcIps: [canaries[4] ?? ''],
      summary: `saw postgres://kw:canary-db-password@db/x and ${planted}`,
      advice: planted,
      parts: [{ rule: 'r', title: planted, level: 'high' as const, count: 2, sentence: planted }],
    };
    const one = messageOf(alert);
    const many = rollupOf({ title: planted, alerts: [one.alert, one.alert], count: 2 });
    for (const text of await sendAll(one, many)) {
      for (const canary of [...canaries, 'accessor-canary', 'canary-db-password', ...receiver.secrets]) {
        expect(text).not.toContain(canary);
      }
    }
  });

  test('what a record says cannot steer the reader: markup, mentions, control and bidirectional characters', async () => {
    const evil =
      '<!channel> <https://evil.example|ok> <img src=x onerror=a()> & \u202Etxt\u0007\u001b[2J\r\nBcc: x@evil.example';
    const alert = {
      identityName: evil,
      title: evil,
      parts: [{ rule: 'r', title: evil, level: 'high' as const, count: 1, sentence: evil }],
      requests: [`'; DROP TABLE kw.events; --`, '$(touch evil)', '`id`'],
    };
    for (const text of await sendAll(messageOf(alert))) {
      expect(text).not.toMatch(/\u202E|\u001b|\u0007/);
      expect(text).not.toMatch(/^Bcc:/im);
      expect(text).not.toMatch(/DROP TABLE|\$\(touch|`id`/);
    }
    expect(await receiver.markup()).not.toMatch(/<!channel>|<https:|<img/);
  });

  test('a message of any size is cut to what the receiver takes', async () => {
    const long = '\u{1F511}'.repeat(10_000);
    const part = { rule: 'r', title: long, level: 'low' as const, count: 1e6, sentence: long };
    const alert = {
      title: long,
      identityName: long,
      summary: long,
      advice: long,
      secrets: Array.from({ length: 500 }, (_, i) => `${i}${long}`),
      srcIps: Array.from({ length: 500 }, (_, i) => `10.0.0.${i}`),
      requests: Array.from({ length: 500 }, (_, i) => `req-${i}`),
      parts: Array.from({ length: 500 }, () => part),
    };
    for (const text of await sendAll(messageOf(alert), rollupOf({ title: long }))) {
      expect(text.length).toBeLessThan(400_000);
      expect(text).not.toContain('\uFFFD');
    }
  });

  test('every message answers who, which secret, what, how unusual, since when, what to do, how to see it', async () => {
    for (const text of await sendAll(messageOf())) {
      const flat = text.replace(/=\r\n/g, '');
      for (const answer of [
        'Build service (service:build)',
        'vault:main/kv/prod/db',
        'Production secret read by a non-production identity',
        'Expected 0 production reads by a build identity, saw 14.',
        '2026-07-15 09:12 to 09:40 UTC',
        'Revoke the session and rotate what it read.',
        'npx keywitness alerts show 0123456789abcdef',
        'npx keywitness prove audit/0/0/77/0',
      ]) {
        expect(flat).toContain(answer);
      }
    }
  });

  test('every severity and change renders, the same message to the same bytes', async () => {
    for (const severity of levels) {
      for (const change of ['new', 'updated', 'raised', 'repeated'] as const) {
        const message = messageOf(
          { severity },
          { change, previous: 'C0123:1.2', mention: severity === 'critical' },
        );
        const once = await module.render(message, {}, deps);
        expect((await module.render(message, {}, deps)).body.equals(once.body)).toBe(true);
      }
    }
  });

  test('a receiver that is not there is a retry, not a loss', async () => {
    await receiver.close();
    const notifier = module.create(receiver.settings, deps);
    expect(await notifier.send(messageOf())).toMatchObject({ kind: 'retry' });
    await notifier.close();
    receiver = await (receivers[name] as () => Promise<Receiver>)();
  });
});
