import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { httpIntake } from '../../src/intake/http.ts';
import { capture } from '../support/capture.ts';
import { MemorySink, storeRefused } from '../support/memorySink.ts';
import { until } from '../support/wait.ts';

const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const oldToken = 'old-token-canary';
const newToken = 'new-token-canary';

function setup(bodyBytesMax?: number) {
  const sink = new MemorySink();
  const log = capture();
  const { app, stop } = httpIntake({
    streams: [
      { name: 'vault', tokens: [sha256(oldToken), sha256(newToken)] },
      { name: 'other', tokens: [sha256('other-token')] },
    ],
    sink,
    telemetry: log.telemetry,
    clock: { ...systemClock, now: () => 1_753_401_600_000 },
    ...(bodyBytesMax === undefined ? {} : { bodyBytesMax }),
  });
  const post = (body: string | Buffer, headers: Record<string, string> = {}, stream = 'vault') =>
    app.request(`/ingest/${stream}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : new Uint8Array(body),
      headers: {
        'content-length': String(body.length),
        authorization: `Bearer ${newToken}`,
        'content-type': 'application/x-ndjson',
        ...headers,
      },
    });
  return { sink, log, app, post, stop };
}

describe('an accepted request', () => {
  test('is stored before it is answered: a record a line, the accept sequence as offset', async () => {
    const { sink, post } = setup();
    let storedAtAnswer = -1;
    const answer = await Promise.resolve(post('{"a":1}\r\n\n{"b":2}')).then((response) => {
      storedAtAnswer = sink.stored.length;
      return response;
    });
    expect(answer.status).toBe(202);
    expect(await answer.json()).toEqual({ records: 2, repeated: false });
    expect(storedAtAnswer).toBe(2);
    const at = {
      stream: 'vault',
      partition: 0,
      epoch: 0,
      timestamp: 1_753_401_600_000,
      key: null,
      headers: [],
    };
    expect(sink.stored).toEqual([
      { ...at, offset: 0n, value: Buffer.from('{"a":1}') },
      { ...at, offset: 1n, value: Buffer.from('{"b":2}') },
    ]);
  });

  test('goes on after what the store has, and many small ones become one flush', async () => {
    const { sink, post } = setup();
    await post('1\n2\n3');
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => post(`{"n":${i}}`)));
    expect(answers.every((a) => a.status === 202)).toBe(true);
    expect(sink.stored.map((r) => r.offset)).toEqual(Array.from({ length: 53 }, (_, i) => BigInt(i)));
    expect(sink.flushSizes).toEqual([3, 50]);
  });

  test('may be gzipped, or one JSON document', async () => {
    const { sink, post } = setup();
    await post(gzipSync('{"a":1}\n'), { 'content-encoding': 'gzip' });
    await post('{\n "Records": []\n}', { 'content-type': 'application/json; charset=utf-8' });
    expect(sink.values()).toEqual(['{"a":1}', '{\n "Records": []\n}']);
  });

  test('with an Idempotency-Key adds nothing when it is sent again, also at the same time', async () => {
    const { sink, post } = setup();
    const send = () => post('{"a":1}', { 'idempotency-key': 'k-1' });
    const answers = [...(await Promise.all([send(), send()])), await send()];
    expect(await Promise.all(answers.map((a) => a.json()))).toEqual([
      { records: 1, repeated: false },
      { records: 1, repeated: true },
      { records: 1, repeated: true },
    ]);
    expect(sink.values()).toEqual(['{"a":1}']);
    await post('{"a":1}', { 'idempotency-key': 'k-2' });
    expect(sink.stored).toHaveLength(2);
  });
});

describe('a refused request stores nothing', () => {
  test.each([
    ['no token', { authorization: '' }, 'vault'],
    ['a wrong token', { authorization: 'Bearer wrong' }, 'vault'],
    ['an empty token', { authorization: 'Bearer ' }, 'vault'],
    ['another scheme', { authorization: `Basic ${newToken}` }, 'vault'],
    ['the token of another stream', { authorization: 'Bearer other-token' }, 'vault'],
    ['the hash for a token', { authorization: `Bearer ${sha256(newToken)}` }, 'vault'],
    ['a stream that is not', {}, 'none'],
  ])('401 for %s', async (_, headers, stream) => {
    const { sink, post } = setup();
    const answer = await post('{}', headers, stream);
    expect(answer.status).toBe(401);
    expect(await answer.json()).toEqual({ error: 'no valid token for this stream' });
    expect(sink.stored).toEqual([]);
  });

  test('both tokens are valid while one is being replaced', async () => {
    const { post } = setup();
    expect((await post('{}', { authorization: `Bearer ${oldToken}` })).status).toBe(202);
    expect((await post('{}', { authorization: `Bearer ${newToken}` })).status).toBe(202);
  });

  test('415 for another type or encoding', async () => {
    const { sink, post } = setup();
    expect((await post('a=b', { 'content-type': 'application/x-www-form-urlencoded' })).status).toBe(415);
    expect((await post('{}', { 'content-encoding': 'br' })).status).toBe(415);
    expect(sink.stored).toEqual([]);
  });

  test('413 for what is too large, also when it only becomes so after gunzip', async () => {
    const { sink, post } = setup(1_000_000);
    expect((await post('x'.repeat(1_000_001))).status).toBe(413);
    // 1.9 MB of zeros travel as 2 kB.
    expect((await post(gzipSync(Buffer.alloc(1_900_000)), { 'content-encoding': 'gzip' })).status).toBe(413);
    expect(sink.stored).toEqual([]);
  });

  test('413 for more lines than a flush may hold, however small they are', async () => {
    const { sink, post } = setup();
    expect((await post('1\n'.repeat(100_001))).status).toBe(413);
    expect(sink.stored).toEqual([]);
    expect((await post('1\n'.repeat(100_000))).status).toBe(202);
  });

  test('a bomb does not fill the memory', async () => {
    const { post } = setup();
    // Gzip members one after another are one stream: 200 kB that would become 200 MB.
    const bomb = Buffer.concat(Array.from({ length: 20 }, () => gzipSync(Buffer.alloc(10_000_000))));
    const before = process.memoryUsage().arrayBuffers;
    expect((await post(bomb, { 'content-encoding': 'gzip' })).status).toBe(413);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 1024 * 1024);
  });

  test('400 for a damaged gzip', async () => {
    const { post } = setup();
    const damaged = gzipSync('{"a":1}').subarray(0, 15);
    expect((await post(damaged, { 'content-encoding': 'gzip' })).status).toBe(400);
  });

  test('400 when the sender goes away in the middle: no error of ours', async () => {
    const { sink, app } = setup();
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.from('{"a":1}\n{"b'));
        controller.error(new Error('aborted'));
      },
    });
    const headers = { authorization: `Bearer ${newToken}`, 'content-type': 'text/plain' };
    // Node asks for `duplex` with a streamed body; the DOM's type does not know it.
    const request = { method: 'POST', body, headers, duplex: 'half' };
    expect((await app.request('/ingest/vault', request)).status).toBe(400);
    expect(sink.stored).toEqual([]);
  });

  test('nothing of a token or a body reaches the log', async () => {
    const { sink, log, post } = setup();
    sink.before = () => {
      throw storeRefused();
    };
    await post('{"password":"body-canary"}', { 'idempotency-key': 'key-canary' });
    await post('{}', { authorization: 'Bearer wrong-canary' });
    expect(log.text()).toContain('flush_failed');
    expect(log.text()).not.toContain('canary');
  });
});

describe('a store in trouble', () => {
  test('503 with Retry-After, and sent again it is stored once, without a hole', async () => {
    const { sink, log, post } = setup();
    await post('0');
    let refusals = 2;
    sink.before = () => {
      if (refusals-- > 0) throw storeRefused();
    };
    const first = await post('1\n2', { 'idempotency-key': 'k' });
    expect([first.status, first.headers.get('retry-after')]).toEqual([503, '2']);
    expect((await post('3')).status).toBe(503);
    expect((await post('1\n2', { 'idempotency-key': 'k' })).status).toBe(202);
    expect(sink.stored.map((r) => [r.offset, String(r.value)])).toEqual([
      [0n, '0'],
      [1n, '1'],
      [2n, '2'],
    ]);
    const told = log.lines().map((line) => line.event);
    expect(told).toEqual(['flush_failed', 'store_recovered']);
  });

  test('a flush that was stored and not acknowledged is answered as stored', async () => {
    const { sink, post } = setup();
    let failures = 1;
    sink.after = () => {
      if (failures-- > 0) throw storeRefused();
    };
    expect((await post('1\n2')).status).toBe(202);
    expect((await post('3')).status).toBe(202);
    expect(sink.stored.map((r) => r.offset)).toEqual([0n, 1n, 2n]);
  });

  test('503 when the queue is full, at once; what is queued is still stored', async () => {
    const { sink, post, stop } = setup();
    let release: (() => void) | undefined;
    sink.before = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const lines = '{}\n'.repeat(20_000);
    const underWay = post(lines);
    await until('the first flush began', () => release !== undefined);
    const queued = post(lines);
    await until('the queue is full', async () => {
      const answer = await post('{}');
      return answer.status === 503 && answer.headers.get('retry-after') === '2';
    });
    sink.before = () => {};
    release?.();
    expect((await underWay).status).toBe(202);
    expect((await queued).status).toBe(202);
    await stop();
    expect(sink.stored.length % 20_000).toBeLessThan(100);
    expect((await post('{}')).status).toBe(503);
  });
});
