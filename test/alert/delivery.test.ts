import { describe, expect, test } from 'vitest';
import { createDispatcher, type Dispatcher } from '../../src/alert/dispatch.ts';
import { memoryDeliveryLog } from '../../src/alert/log.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { DeliveryRow } from '../../src/core/delivery.ts';
import type { Delivery, Message, Notifier } from '../../src/core/notifier.ts';
import type { Alert } from '../../src/core/signal.ts';
import { alertOf } from '../notify/messages.ts';

const minute = 60_000;
const hour = 60 * minute;

function handClock(): Clock & { advance(ms: number): void } {
  let now = Date.parse('2026-10-01T08:00:00Z');
  return {
    now: () => now,
    sleep: async (ms) => {
      now += ms;
    },
    advance: (ms) => {
      now += ms;
    },
  };
}

function hearer(name: string, more: Partial<Notifier> = {}) {
  const heard: Message[] = [];
  const answers: Delivery[] = [];
  let standing: Delivery | undefined;
  const notifier: Notifier = {
    name,
    updatesInPlace: name === 'slack',
    isLocal: false,
    paceMs: 0,
    send: async (message) => {
      heard.push(message);
      return answers.shift() ?? standing ?? { kind: 'delivered', ref: `${name}-${heard.length}` };
    },
    close: async () => {},
    ...more,
  };
  return {
    notifier,
    heard,
    answerNext: (...next: Delivery[]) => void answers.push(...next),
    answerAlways: (next: Delivery | undefined) => {
      standing = next;
    },
  };
}

function house(options: { log?: ReturnType<typeof memoryDeliveryLog>; stored?: Map<string, Alert> } = {}) {
  const clock = handClock();
  const log = options.log ?? memoryDeliveryLog();
  const slack = hearer('slack');
  const mail = hearer('email');
  const stored = options.stored ?? new Map<string, Alert>();
  const lines: string[] = [];
  const make = (): Dispatcher =>
    createDispatcher({
      notifiers: [slack.notifier, mail.notifier],
      log,
      clock,
      random: () => 0.5,
      alertsById: async (ids) => ids.flatMap((id) => stored.get(id) ?? []),
      observe: {
        channelDown: (channel, reason, waiting) =>
          lines.push(`${channel} down: ${reason}, ${waiting} waiting`),
        channelUp: (channel) => lines.push(`${channel} up`),
        rejected: (channel, _, reason) => lines.push(`${channel} rejected: ${reason}`),
      },
    });
  const dispatcher = make();
  const offer = async (...alerts: Alert[]) => {
    for (const alert of alerts) stored.set(alert.id, alert);
    await dispatcher.offer(alerts);
    await dispatcher.tick();
  };
  const later = async (ms: number) => {
    clock.advance(ms);
    await dispatcher.tick();
  };
  return { clock, log, slack, mail, stored, lines, make, dispatcher, offer, later };
}

const reasons = (rows: readonly DeliveryRow[], key: string, channel: string) =>
  rows.filter((r) => r.key === key && r.channel === channel).map((r) => `${r.state}: ${r.reason}`);

describe('who hears of what', () => {
  test('medium and above reach every channel, below is stored only, and the log says why', async () => {
    const { offer, slack, mail, log } = house();
    await offer(alertOf({ id: 'a', severity: 'low' }), alertOf({ id: 'b', severity: 'medium' }));
    expect(slack.heard.map((m) => m.key)).toEqual(['b']);
    expect(mail.heard.map((m) => m.key)).toEqual(['b']);
    expect(reasons(log.lines, 'a', '-')).toEqual(['suppressed: stored-only']);
  });

  test('critical calls people and goes first', async () => {
    const { offer, slack } = house();
    await offer(alertOf({ id: 'a', severity: 'medium' }), alertOf({ id: 'b', severity: 'critical' }));
    expect(slack.heard.map((m) => [m.key, m.mention])).toEqual([
      ['b', true],
      ['a', false],
    ]);
  });
});

describe('no repeats', () => {
  test('the same alert offered again is not told again, and adds no line', async () => {
    const { offer, slack, mail, log } = house();
    await offer(alertOf());
    const lines = log.lines.length;
    await offer(alertOf());
    await offer(alertOf());
    expect([slack.heard.length, mail.heard.length]).toEqual([1, 1]);
    expect(log.lines.length).toBe(lines);
  });

  test('news edits the Slack message after 30 s and mails again only after 4 h', async () => {
    const { offer, later, slack, mail } = house();
    await offer(alertOf());
    await offer(alertOf({ eventsTotal: 20 }));
    expect(slack.heard).toHaveLength(1);
    await later(30_000);
    expect(slack.heard[1]).toMatchObject({ change: 'updated', previous: 'slack-1', mention: false });
    expect(mail.heard).toHaveLength(1);
    await offer(alertOf({ eventsTotal: 30 }));
    await later(4 * hour - 2 * minute);
    expect(mail.heard).toHaveLength(1);
    await later(2 * minute);
    expect(mail.heard).toHaveLength(2);
    expect(mail.heard[1]).toMatchObject({ change: 'updated', alert: { eventsTotal: 30 } });
  });

  test('a raised severity is told at once, also when someone has taken the alert', async () => {
    const { offer, slack, mail } = house();
    await offer(alertOf({ severity: 'medium' }));
    await offer(alertOf({ severity: 'critical', state: 'acknowledged' }));
    expect(slack.heard[1]).toMatchObject({ change: 'raised', mention: true, previous: 'slack-1' });
    expect(mail.heard[1]).toMatchObject({ change: 'raised' });
  });

  test('critical is said again every 4 h until someone takes it; high is not', async () => {
    const { offer, later, stored, slack } = house();
    await offer(alertOf({ id: 'c', severity: 'critical' }), alertOf({ id: 'h' }));
    await later(4 * hour);
    expect(slack.heard.map((m) => `${m.key} ${m.change}`)).toEqual(['c new', 'h new', 'c repeated']);
    stored.set('c', alertOf({ id: 'c', severity: 'critical', state: 'acknowledged' }));
    await later(4 * hour);
    await later(40 * hour);
    expect(slack.heard).toHaveLength(3);
  });

  test('an alert that was closed or taken while it waited is not sent, and the log says why', async () => {
    const { offer, later, stored, slack, log } = house();
    slack.answerAlways({ kind: 'retry', afterMs: 0, reason: 'HTTP 500' });
    await offer(alertOf({ id: 'a' }), alertOf({ id: 'b' }));
    stored.set('a', alertOf({ id: 'a', state: 'acknowledged' }));
    stored.set('b', alertOf({ id: 'b', state: 'false-positive' }));
    slack.answerAlways(undefined);
    const before = slack.heard.length;
    await later(10 * minute);
    expect(slack.heard.length).toBe(before);
    expect(reasons(log.lines, 'a', 'slack').at(-1)).toBe('suppressed: acknowledged');
    expect(reasons(log.lines, 'b', 'slack').at(-1)).toBe('suppressed: closed');
  });
});

describe('a flood', () => {
  const flood = Array.from({ length: 40 }, (_, i) => alertOf({ id: `a${i}`, severity: 'medium' }));

  test('is ten messages an hour and rule, and one roll-up for the rest, updated while it grows', async () => {
    const { offer, later, slack, log } = house();
    await offer(...flood.slice(0, 30));
    expect(slack.heard).toHaveLength(10);
    await later(10 * minute);
    expect(slack.heard).toHaveLength(11);
    expect(slack.heard[10]).toMatchObject({ kind: 'rollup', count: 20, change: 'new', severity: 'medium' });
    await offer(...flood.slice(30));
    await later(10 * minute);
    expect(slack.heard).toHaveLength(12);
    expect(slack.heard[11]).toMatchObject({
      kind: 'rollup',
      count: 30,
      change: 'updated',
      previous: 'slack-11',
    });
    expect(reasons(log.lines, 'a39', 'slack')).toEqual(['rolled-up: rule-limit']);
    expect(new Set(log.lines.map((r) => r.key)).size).toBe(41);
  });

  test('never swallows a critical alert', async () => {
    const { offer, slack } = house();
    await offer(...flood, alertOf({ id: 'c', severity: 'critical' }));
    expect(slack.heard.map((m) => m.key)).toContain('c');
    await offer(alertOf({ id: 'a39', severity: 'critical' }));
    expect(slack.heard.at(-1)).toMatchObject({ key: 'a39', mention: true });
  });

  test('does not count against files on this machine', async () => {
    const clock = handClock();
    const outbox = hearer('slack', { isLocal: true });
    const dispatcher = createDispatcher({
      notifiers: [outbox.notifier],
      log: memoryDeliveryLog(),
      clock,
      alertsById: async (ids) => flood.filter((a) => ids.includes(a.id)),
    });
    await dispatcher.offer(flood);
    await dispatcher.tick();
    expect(outbox.heard).toHaveLength(40);
  });
});

describe('trouble', () => {
  test('both receivers down: nothing is lost, one line each, and recovery needs nobody', async () => {
    const { offer, later, slack, mail, lines, dispatcher } = house();
    const down = { kind: 'retry', afterMs: 0, reason: 'ECONNREFUSED' } as const;
    slack.answerAlways(down);
    mail.answerAlways(down);
    await offer(...Array.from({ length: 5 }, (_, i) => alertOf({ id: `a${i}` })));
    for (let i = 0; i < 120; i++) await later(minute);
    expect(dispatcher.waiting()).toBe(10);
    expect(lines).toEqual(['slack down: ECONNREFUSED, 10 waiting', 'email down: ECONNREFUSED, 10 waiting']);
    // At most one attempt per wait of up to 5 minutes, not five alerts × every tick.
    expect(slack.heard.length).toBeLessThan(60);
    slack.answerAlways(undefined);
    mail.answerAlways(undefined);
    const before = slack.heard.length;
    for (let i = 0; i < 12; i++) await later(minute);
    expect(dispatcher.waiting()).toBe(0);
    expect(new Set(slack.heard.slice(before).map((m) => m.key)).size).toBe(5);
    expect(lines.slice(2).sort()).toEqual(['email up', 'slack up']);
  });

  test('one receiver down holds up no other', async () => {
    const { offer, slack, mail } = house();
    slack.answerAlways({ kind: 'retry', afterMs: 0, reason: 'timeout' });
    await offer(alertOf({ id: 'a' }), alertOf({ id: 'b' }));
    expect(mail.heard.map((m) => m.key)).toEqual(['a', 'b']);
  });

  test('Retry-After is waited for, and a mad one is cut to an hour', async () => {
    const { offer, later, slack } = house();
    slack.answerNext({ kind: 'retry', afterMs: 90_000, reason: '429' });
    await offer(alertOf());
    await later(89_000);
    expect(slack.heard).toHaveLength(1);
    await later(1000);
    expect(slack.heard).toHaveLength(2);
    slack.answerNext({ kind: 'retry', afterMs: 1e15, reason: '429' });
    await offer(alertOf({ id: 'z' }));
    await later(hour);
    expect(slack.heard.at(-1)?.key).toBe('z');
    expect(slack.heard).toHaveLength(4);
  });

  test('a message the receiver keeps failing on does not hold up the others', async () => {
    const { offer, later, slack } = house();
    const send = slack.notifier.send.bind(slack.notifier);
    Object.assign(slack.notifier, {
      send: async (m: Message): Promise<Delivery> =>
        m.key === 'poison' ? { kind: 'retry', afterMs: 0, reason: 'HTTP 500' } : send(m),
    });
    await offer(alertOf({ id: 'poison', severity: 'critical' }));
    for (let i = 0; i < 30; i++) await later(minute);
    await offer(alertOf({ id: 'a', severity: 'medium' }), alertOf({ id: 'b', severity: 'medium' }));
    for (let i = 0; i < 11; i++) await later(minute);
    expect(slack.heard.map((m) => m.key)).toEqual(['a', 'b']);
  });

  test('what was refused is logged with its reason and tried once more after a restart', async () => {
    const { offer, slack, lines, log, make } = house();
    slack.answerNext({ kind: 'reject', reason: 'invalid_auth' });
    await offer(alertOf());
    expect(lines).toEqual(['slack rejected: invalid_auth']);
    expect(reasons(log.lines, alertOf().id, 'slack').at(-1)).toBe('rejected: invalid_auth');
    const next = make();
    await next.start();
    await next.tick();
    expect(slack.heard).toHaveLength(2);
    expect(reasons(log.lines, alertOf().id, 'slack').at(-1)).toBe('delivered: new');
  });

  test('a notifier that throws loses nothing', async () => {
    const { offer, later, slack } = house();
    const send = slack.notifier.send.bind(slack.notifier);
    let isFirst = true;
    Object.assign(slack.notifier, {
      send: async (m: Message) => {
        if (isFirst) {
          isFirst = false;
          throw new TypeError('bug');
        }
        return send(m);
      },
    });
    await offer(alertOf());
    await later(minute);
    expect(slack.heard).toHaveLength(1);
    expect(slack.heard[0]?.ambiguousSince).toBeGreaterThan(0);
  });
});

describe('a crash', () => {
  test('after the intent, before the call: the next start sends', async () => {
    const { dispatcher, stored, make, slack, mail } = house();
    stored.set(alertOf().id, alertOf());
    await dispatcher.offer([alertOf()]);
    const next = make();
    await next.start();
    await next.tick();
    expect([slack.heard.length, mail.heard.length]).toEqual([1, 1]);
    expect(slack.heard[0]?.ambiguousSince).toBeUndefined();
  });

  test('between the call and its result: the next start says since when it may have arrived', async () => {
    const { dispatcher, stored, make, slack, log } = house();
    stored.set(alertOf().id, alertOf());
    await dispatcher.offer([alertOf()]);
    const append = log.append.bind(log);
    Object.assign(log, {
      append: async (rows: readonly DeliveryRow[]) => {
        if (rows.some((r) => r.state === 'delivered')) throw new Error('killed');
        return append(rows);
      },
    });
    await expect(dispatcher.tick()).rejects.toThrow('killed');
    Object.assign(log, { append });
    const next = make();
    await next.start();
    await next.tick();
    expect(slack.heard).toHaveLength(2);
    expect(slack.heard[1]?.ambiguousSince).toBe(Date.parse('2026-10-01T08:00:00Z'));
  });

  test('after delivery: the next start tells nothing twice, and remembers the message to edit', async () => {
    const { offer, make, slack, stored, clock } = house();
    await offer(alertOf());
    const next = make();
    await next.start();
    await next.offer([alertOf()]);
    await next.tick();
    expect(slack.heard).toHaveLength(1);
    clock.advance(minute);
    stored.set(alertOf().id, alertOf({ eventsTotal: 99 }));
    await next.offer([alertOf({ eventsTotal: 99 })]);
    await next.tick();
    expect(slack.heard[1]).toMatchObject({ change: 'updated', previous: 'slack-1' });
  });
});

test('an early alert that belongs to another story hands its message over', async () => {
  const { offer, dispatcher, clock, slack, log } = house();
  await offer(alertOf({ id: 'early' }));
  clock.advance(minute);
  await dispatcher.replace([{ id: 'early', by: 'final' }]);
  const lines = log.lines.length;
  await dispatcher.replace([{ id: 'early', by: 'final' }]);
  expect(log.lines.length).toBe(lines);
  await offer(alertOf({ id: 'final', eventsTotal: 15 }));
  expect(slack.heard.map((m) => [m.key, m.change, m.previous])).toEqual([
    ['early', 'new', undefined],
    ['final', 'updated', 'slack-1'],
  ]);
  expect(reasons(log.lines, 'early', 'slack').at(-1)).toBe('suppressed: replaced');
});

test('an alert that changed while its message was on its way is told in its new form afterwards', async () => {
  const { dispatcher, stored, slack, later } = house();
  const send = slack.notifier.send.bind(slack.notifier);
  let duringSend: (() => Promise<void>) | undefined = async () => {
    const grown = alertOf({ eventsTotal: 77 });
    stored.set(grown.id, grown);
    await dispatcher.offer([grown]);
  };
  Object.assign(slack.notifier, {
    send: async (m: Message) => {
      const run = duringSend;
      duringSend = undefined;
      await run?.();
      return send(m);
    },
  });
  stored.set(alertOf().id, alertOf());
  await dispatcher.offer([alertOf()]);
  await dispatcher.tick();
  await later(minute);
  expect(slack.heard.at(-1)).toMatchObject({ change: 'updated', alert: { eventsTotal: 77 } });
});
