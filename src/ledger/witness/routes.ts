import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import * as events from '../../telemetry/witnessEvents.ts';
import type { WitnessAnswer } from './witness.ts';

/** Old size, 63 hashes, and a note with far more than the 16 post-quantum signatures a verifier must accept. */
const bodyBytesMax = 256 * 1024;

/**
 * `POST /add-checkpoint` of C2SP tlog-witness, below whatever prefix the server is reached by.
 * @see https://c2sp.org/tlog-witness
 */
export function witnessRoutes(add: (body: Uint8Array) => WitnessAnswer, telemetry: Telemetry): Hono {
  const app = new Hono();
  const limit = bodyLimit({
    maxSize: bodyBytesMax,
    onError: (c) => {
      events.addCheckpointAnswered(telemetry, 413);
      // The rest is not read: the connection cannot be used again, and the sender should know.
      c.header('Connection', 'close');
      return c.text(`at most ${bodyBytesMax} bytes\n`, 413);
    },
  });
  app.post('/add-checkpoint', limit, async (c) => {
    const body = await c.req.arrayBuffer().catch(() => undefined);
    let answer: WitnessAnswer = { status: 400, reason: 'the body broke off' };
    try {
      if (body !== undefined) answer = add(new Uint8Array(body));
    } catch (error) {
      // The state could not be written: nothing was cosigned, and what was remembered before still is.
      events.stateNotWritten(telemetry, error);
      return c.text('not remembered, so not cosigned; send it again\n', 503);
    }
    events.addCheckpointAnswered(telemetry, answer.status);
    if ('submitted' in answer) events.contradictionRefused(telemetry, answer);
    if (answer.status === 200) {
      events.checkpointCosigned(telemetry, answer.checkpoint);
      return c.body(answer.cosignature, 200, { 'Content-Type': 'text/plain; charset=utf-8' });
    }
    if (answer.status === 409) {
      // With one size and two roots too: the client sees its own old size told back.
      return c.body(`${answer.size}\n`, 409, { 'Content-Type': 'text/x.tlog.size' });
    }
    const reason = 'reason' in answer ? answer.reason : 'the consistency proof does not hold';
    return c.text(`${reason}\n`, answer.status);
  });
  app.all('/add-checkpoint', (c) => {
    c.header('Allow', 'POST');
    return c.text('POST only\n', 405);
  });
  return app;
}
