import { startMailServer } from './mailServer.ts';
import { startSlackServer } from './slackServer.ts';

/** A real receiver for a notifier, and everything it was sent, decoded as people would read it. */
export interface Receiver {
  readonly settings: Readonly<Record<string, unknown>>;
  /** Values of the settings that must not appear in a message. */
  readonly secrets: readonly string[];
  received(): Promise<string>;
  /** What the reader's program takes as markup: the HTML of mails, Slack's mrkdwn. */
  markup(): Promise<string>;
  close(): Promise<void>;
}

/** One per notifier: the shared suite fails for a notifier that has none here. */
export const receivers: Readonly<Record<string, () => Promise<Receiver>>> = {
  async slack() {
    const server = await startSlackServer();
    const token = 'xoxb-canary-token-of-the-settings';
    return {
      settings: { token, channel: 'C0123', apiUrl: server.url },
      secrets: [token],
      received: async () => JSON.stringify(server.calls.map((c) => c.body)),
      markup: async () => server.calls.map((c) => c.body.text + mrkdwnOf(c.body.blocks ?? '[]')).join('\n'),
      close: () => server.close(),
    };
  },
  async email() {
    const { simpleParser } = await import('mailparser');
    const server = await startMailServer({
      tls: 'none',
      user: 'kw',
      password: 'canary-password-of-the-settings',
    });
    return {
      settings: {
        smtp: `smtp://kw:canary-password-of-the-settings@127.0.0.1:${server.port}`,
        insecure: true,
        from: 'Keywitness <kw@example.org>',
        to: ['soc@example.org'],
      },
      secrets: ['canary-password-of-the-settings'],
      async received() {
        const parsed = await Promise.all(server.mails.map((m) => simpleParser(m)));
        return parsed.map((p) => `${server.mails.join('\n')}\n${p.subject}\n${p.text}\n${p.html}`).join('\n');
      },
      async markup() {
        const parsed = await Promise.all(server.mails.map((m) => simpleParser(m)));
        return parsed.map((p) => String(p.html)).join('\n');
      },
      close: () => server.close(),
    };
  },
};

function mrkdwnOf(blocks: string): string {
  const texts: string[] = [];
  JSON.parse(blocks, (_, value: { type?: unknown; text?: unknown } | null) => {
    if (value?.type === 'mrkdwn') texts.push(String(value.text));
    return value;
  });
  return texts.join('\n');
}
