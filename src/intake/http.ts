/**
 * `POST /ingest/STREAM`: one record a line (NDJSON), or one JSON document as one record. 202 says that they are
 * durable and read back, nothing less. A record's offset is the accept sequence of this store, its time the time
 * it was accepted. Delivery is at least once: a client that got no answer sends again, and its records are stored
 * again, unless it names the request with `Idempotency-Key` (docs/http.md).
 */

import { type Context, Hono } from 'hono';
import type { Clock } from '../core/clock.ts';
import type { Header, KwRecord } from '../core/record.ts';
import * as events from '../telemetry/intakeEvents.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { linesOf, readBody } from './httpBody.ts';
import { AcceptQueue } from './httpQueue.ts';
import { isAuthorised } from './httpTokens.ts';
import type { IntakeSink } from './intake.ts';

export interface HttpStreamOptions {
  readonly name: string;
  /** `sha256:` and 64 hex digits each; two while a token is being replaced. */
  readonly tokens: readonly string[];
}

export interface HttpIntake {
  readonly app: Hono;
  /** Takes no more and waits for what was taken. */
  stop(): Promise<void>;
}

/** One request's body, and what a gzip one may grow to. */
const bodyBytesMax = 16 * 1024 * 1024;
/** Its lines: each costs far more memory than its bytes, and a flush must stay one block of the store. */
const bodyLinesMax = 100_000;
/** Bodies being received, all together: many slow senders must not fill the memory before the queue does. */
const readingBytesMax = 64 * 1024 * 1024;
/** Audit JSON packs about this well. */
const gzipRatio = 20;
/** The queue is a second or two of work: longer than this is better waited for outside. */
const retryAfterSeconds = '2';
const types = ['application/x-ndjson', 'application/ndjson', 'application/json', 'text/plain'];

/** The routes of the intake; @hono/node-server serves them on the address of the config. */
export function httpIntake(options: {
  readonly streams: readonly HttpStreamOptions[];
  readonly sink: IntakeSink;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly bodyBytesMax?: number;
}): HttpIntake {
  const { telemetry, clock } = options;
  const bytesMax = options.bodyBytesMax ?? bodyBytesMax;
  const streams = new Map(options.streams.map((stream) => [stream.name, stream]));
  const queue = new AcceptQueue({ sink: options.sink, telemetry, clock });
  let readingBytes = 0;
  const app = new Hono();
  const answer = (c: Context, status: 202 | 400 | 401 | 413 | 415 | 503, body: Record<string, unknown>) => {
    events.httpAnswered(telemetry, 'ingest', status);
    return c.json(body, status);
  };

  app.post('/ingest/:stream', async (c) => {
    // An unknown stream and a wrong token look the same from outside: nobody learns which streams there are.
    const stream = streams.get(c.req.param('stream'));
    if (!isAuthorised(c.req.header('authorization'), stream?.tokens ?? []) || stream === undefined) {
      c.header('WWW-Authenticate', 'Bearer');
      return answer(c, 401, { error: 'no valid token for this stream' });
    }
    const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
    const encoding = (c.req.header('content-encoding') ?? 'identity').toLowerCase();
    if (!types.includes(type) || !['identity', 'gzip'].includes(encoding)) {
      return answer(c, 415, { error: `send ${types[0]}, plain or gzip` });
    }
    if (Number(c.req.header('content-length') ?? 0) > bytesMax) return tooLarge(c);
    const expected = expectedBytes(c.req.header('content-length'), encoding, bytesMax);
    if (queue.isFull || readingBytes + expected > readingBytesMax) return busy(c);
    readingBytes += expected;
    const body = await readBody(c.req.raw.body, encoding === 'gzip', bytesMax).finally(() => {
      readingBytes -= expected;
    });
    if (body.kind === 'too-large') return tooLarge(c);
    if (body.kind === 'damaged')
      return answer(c, 400, { error: 'the body broke off, or its gzip is damaged' });
    const values = type === 'application/json' ? wholeOf(body.bytes) : linesOf(body.bytes, bodyLinesMax);
    if (values === undefined) return tooLarge(c);
    const key = c.req.header('idempotency-key') ?? '';
    const headers: Header[] = key === '' ? [] : [[Buffer.from('idempotency-key'), Buffer.from(key)]];
    const record = (offset: bigint, value: Buffer): KwRecord => {
      const at = { stream: stream.name, partition: 0, epoch: 0, offset, timestamp: clock.now() };
      return { ...at, key: null, headers, value };
    };
    const result = await queue.accept(stream.name, key, values, record);
    if (result.kind === 'busy') return busy(c);
    return answer(c, 202, { records: result.records, repeated: result.isRepeated });
  });
  app.all('/ingest/*', (c) => {
    events.httpAnswered(telemetry, 'ingest', 405);
    return c.json({ error: 'POST only' }, 405);
  });

  function tooLarge(c: Context) {
    const most = `${bytesMax} bytes, also after gunzip, and ${bodyLinesMax} lines`;
    return answer(c, 413, { error: `at most ${most}; send several requests` });
  }
  function busy(c: Context) {
    c.header('Retry-After', retryAfterSeconds);
    return answer(c, 503, { error: 'not stored; send it again' });
  }
  return { app, stop: () => queue.stop() };
}

function wholeOf(bytes: Buffer): Buffer[] {
  return bytes.length === 0 ? [] : [bytes];
}

function expectedBytes(length: string | undefined, encoding: string, bytesMax: number): number {
  if (length === undefined) return bytesMax;
  return Math.min(bytesMax, Number(length) * (encoding === 'gzip' ? gzipRatio : 1));
}
