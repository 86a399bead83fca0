import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the server answers the next calls; `{ok}` and `{then}` may be mixed. */
export type SlackAnswer =
  | 'ok'
  | 'hang'
  | 'hang-after-post'
  | 'garbage'
  | { readonly status: number; readonly headers?: Record<string, string> }
  | { readonly error: string };

interface SlackCall {
  readonly method: string;
  readonly body: Record<string, string>;
  readonly authorization: string;
}

interface Posted {
  readonly ts: string;
  text: string;
  metadata: unknown;
  readonly thread_ts?: string;
}

/** Speaks chat.postMessage, chat.update and conversations.history as Slack documents them. */
export async function startSlackServer() {
  const calls: SlackCall[] = [];
  const posted: Posted[] = [];
  const answers: SlackAnswer[] = [];
  let standing: SlackAnswer = 'ok';
  let canRead = true;
  const held = new Set<ServerResponse>();

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
      const method = (request.url ?? '').replace(/^\/api\//, '');
      calls.push({ method, body, authorization: request.headers.authorization ?? '' });
      answer(method, body, response);
    });
  });

  const answer = (method: string, body: Record<string, string>, response: ServerResponse) => {
    const json = (value: object) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(value));
    };
    const next = answers.shift() ?? standing;
    if (next === 'hang') return void held.add(response);
    if (next === 'garbage') return void response.end('<html>not slack</html>');
    if (typeof next === 'object' && 'status' in next) {
      response.writeHead(next.status, next.headers);
      return void response.end('trouble');
    }
    if (typeof next === 'object') return json({ ok: false, error: next.error });
    if (method === 'conversations.history') {
      return json(canRead ? { ok: true, messages: posted } : { ok: false, error: 'missing_scope' });
    }
    if (method === 'chat.update') {
      const found = posted.find((p) => p.ts === body.ts);
      if (!found) return json({ ok: false, error: 'message_not_found' });
      found.text = body.text ?? '';
      if (body.metadata !== undefined) found.metadata = JSON.parse(body.metadata);
      return json({ ok: true, channel: body.channel, ts: body.ts });
    }
    const ts = `17000000${posted.length}.000100`;
    const metadata = body.metadata === undefined ? undefined : JSON.parse(body.metadata);
    posted.push({
      ts,
      text: body.text ?? '',
      metadata,
      ...(body.thread_ts ? { thread_ts: body.thread_ts } : {}),
    });
    if (next === 'hang-after-post') return void held.add(response);
    json({ ok: true, channel: 'C0123', ts, message: {} });
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`,
    calls,
    posted,
    answerNext: (...next: SlackAnswer[]) => void answers.push(...next),
    answerAlways: (next: SlackAnswer) => {
      standing = next;
    },
    forbidReading: () => {
      canRead = false;
    },
    async close() {
      for (const response of held) response.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type SlackServer = Awaited<ReturnType<typeof startSlackServer>>;
