import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { notifier as slack } from '../../src/notify/slack.ts';
import { messageOf, rollupOf } from './messages.ts';
import { type SlackAnswer, type SlackServer, startSlackServer } from './slackServer.ts';

const deps = { clock: systemClock, command: 'npx keywitness' };
let server: SlackServer;
beforeEach(async () => {
  server = await startSlackServer();
});
afterEach(() => server.close());

const create = (more: object = {}) =>
  slack.create({ token: 'xoxb-test', channel: 'C0123', apiUrl: server.url, ...more }, deps);

describe('what an answer means', () => {
  const table: [string, SlackAnswer, object][] = [
    ['ok', 'ok', { kind: 'delivered', ref: 'C0123:170000000.000100' }],
    [
      '429 with Retry-After',
      { status: 429, headers: { 'retry-after': '17' } },
      { kind: 'retry', afterMs: 17_000, reason: 'rate limited (429)' },
    ],
    [
      '429 without Retry-After',
      { status: 429 },
      { kind: 'retry', afterMs: 60_000, reason: 'rate limited (429)' },
    ],
    ['500', { status: 500 }, { kind: 'retry', afterMs: 0, reason: 'HTTP 500', isAmbiguous: true }],
    ['404', { status: 404 }, { kind: 'reject', reason: 'HTTP 404' }],
    ['internal_error', { error: 'internal_error' }, { kind: 'retry', afterMs: 0, reason: 'internal_error' }],
    ['ratelimited', { error: 'ratelimited' }, { kind: 'retry', afterMs: 0, reason: 'ratelimited' }],
    ['invalid_auth', { error: 'invalid_auth' }, { kind: 'reject', reason: 'invalid_auth' }],
    ['channel_not_found', { error: 'channel_not_found' }, { kind: 'reject', reason: 'channel_not_found' }],
    [
      'an error text with a value in it',
      { error: 'no: xoxb-1' },
      { kind: 'retry', afterMs: 0, reason: 'unreadable answer', isAmbiguous: true },
    ],
    ['not JSON', 'garbage', { kind: 'retry', afterMs: 0, reason: 'unreadable answer', isAmbiguous: true }],
  ];
  test.each(table)('%s, with one call only: the client does not retry', async (_, answer, delivery) => {
    server.answerNext(answer);
    expect(await create().send(messageOf())).toEqual(delivery);
    expect(server.calls).toHaveLength(1);
  });

  test('no answer within 8 s is a retry that may have arrived', async () => {
    server.answerNext('hang');
    expect(await create().send(messageOf())).toEqual({
      kind: 'retry',
      afterMs: 0,
      reason: 'timeout',
      isAmbiguous: true,
    });
  });

  test('no server is a retry that cannot have arrived', async () => {
    const notifier = create();
    await server.close();
    expect(await notifier.send(messageOf())).toMatchObject({ reason: 'ECONNREFUSED', isAmbiguous: false });
    server = await startSlackServer();
  });
});

describe('one message per alert', () => {
  test('an update edits it in place and calls nobody', async () => {
    const notifier = create();
    const first = await notifier.send(messageOf());
    if (first.kind !== 'delivered') throw new Error(first.reason);
    const update = messageOf({ eventsTotal: 20 }, { change: 'updated', previous: first.ref, revision: 'r2' });
    expect(await notifier.send(update)).toEqual(first);
    expect(server.posted).toHaveLength(1);
    expect(server.calls.map((c) => c.method)).toEqual(['chat.postMessage', 'chat.update']);
    expect(server.calls[1]?.body.blocks).toContain('20 events');
  });

  test('when it gets worse it is edited and said again in its thread, with the mention for critical', async () => {
    const previous = 'C0123:170000000.000100';
    const notifier = create({ mention: '<!subteam^S123>' });
    await notifier.send(messageOf());
    await notifier.send(messageOf({ severity: 'critical' }, { change: 'raised', previous, mention: true }));
    expect(server.posted).toHaveLength(2);
    expect(server.posted[1]).toMatchObject({ thread_ts: '170000000.000100' });
    expect(server.posted[1]?.text).toMatch(/^<!subteam\^S123> Raised: CRITICAL: /);
  });

  test('a message that was deleted is posted anew', async () => {
    const gone = messageOf({}, { change: 'updated', previous: 'C0123:1.1' });
    expect(await create().send(gone)).toEqual({ kind: 'delivered', ref: 'C0123:170000000.000100' });
  });

  test('a post that arrived without an answer is found again instead of being posted twice', async () => {
    const notifier = create();
    server.answerNext({ status: 500 });
    const since = Date.now();
    await notifier.send(messageOf());
    expect(await notifier.send(messageOf({}, { ambiguousSince: since }))).toMatchObject({
      kind: 'delivered',
    });
    expect(server.posted).toHaveLength(1);
    const again = await notifier.send(messageOf({}, { ambiguousSince: since }));
    expect(again).toEqual({ kind: 'delivered', ref: 'C0123:170000000.000100' });
    expect(server.posted).toHaveLength(1);
  });

  test('an edit that arrived does not stand for the line in the thread that did not', async () => {
    const notifier = create();
    const since = Date.now();
    const previous = 'C0123:170000000.000100';
    const raised = { change: 'raised', previous, mention: true } as const;
    await notifier.send(messageOf());
    server.answerNext('ok', { status: 500 });
    expect(await notifier.send(messageOf({ severity: 'critical' }, raised))).toMatchObject({
      isAmbiguous: true,
    });
    const again = messageOf({ severity: 'critical' }, { ...raised, ambiguousSince: since });
    expect(await notifier.send(again)).toEqual({ kind: 'delivered', ref: previous });
    expect(server.posted.map((p) => p.thread_ts)).toEqual([undefined, '170000000.000100']);
    // The line is there now: not a third time.
    await notifier.send(again);
    expect(server.posted).toHaveLength(2);
  });

  test('where history may not be read, an ambiguous message is sent: twice is better than never', async () => {
    server.forbidReading();
    const delivery = await create().send(messageOf({}, { ambiguousSince: Date.now() }));
    expect(delivery).toMatchObject({ kind: 'delivered' });
  });
});

test('Slack takes every message: at most 50 blocks, 3000 characters a text, 150 in the header, a text fallback', async () => {
  const long = 'x&'.repeat(5000);
  const parts = Array.from({ length: 300 }, (_, i) => ({
    rule: `r${i}`,
    title: long,
    level: 'low' as const,
    count: 3,
    sentence: long,
  }));
  for (const message of [messageOf({ title: long, advice: long, parts }), messageOf(), rollupOf()]) {
    const { body } = await slack.render(message, {}, deps);
    const { text, blocks } = JSON.parse(body.toString());
    expect(text.length).toBeGreaterThan(10);
    expect(text.length).toBeLessThanOrEqual(3000);
    expect(blocks.length).toBeLessThanOrEqual(50);
    for (const block of blocks) {
      expect(block.text?.text.length ?? 0).toBeLessThanOrEqual(block.type === 'header' ? 150 : 3000);
      expect(block.fields?.length ?? 0).toBeLessThanOrEqual(10);
      for (const field of block.fields ?? []) expect(field.text.length).toBeLessThanOrEqual(2000);
    }
  }
});

test('the token travels in the header, never in the body', async () => {
  await create().send(messageOf());
  expect(server.calls[0]?.authorization).toBe('Bearer xoxb-test');
  expect(JSON.stringify(server.calls[0]?.body)).not.toContain('xoxb-test');
});
