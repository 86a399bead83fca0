import type { ChatPostMessageArguments } from '@slack/web-api';
import {
  LogLevel,
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
  WebClient,
} from '@slack/web-api';
import type { Delivery, Message, Notifier } from '../core/notifier.ts';
import { commandDefault, defineNotifier, type NotifierDependencies, secretOf } from './notifier.ts';
import { slackBlocks, slackThreadLine } from './render/slackBlocks.ts';
import { storyOf } from './render/story.ts';

interface SlackSettings {
  readonly token?: unknown;
  /** Channel id (C…) or name. */
  readonly channel?: string;
  readonly apiUrl?: string;
  /** Who is called for critical alerts: `<!channel>`, `<!here>`, `<@U…>` or `<!subteam^S…>`. */
  readonly mention?: string;
}

/** A call that takes longer is stuck; short enough that a stop within 10 s can wait for it. */
export const slackTimeoutMs = 8000;

/** https://docs.slack.dev/apis/web-api/rate-limits: about one message a second and channel. */
export const slackPaceMs = 1100;

/** A 429 without a readable Retry-After: Slack's limits are counted by the minute. */
const rateLimitDefaultMs = 60_000;

const mentionDefault = '<!channel>';

/** Answers that Slack means for later; every other platform error will be the same the next time. */
const passing = new Set([
  'ratelimited',
  'rate_limited',
  'message_limit_exceeded',
  'internal_error',
  'fatal_error',
  'service_unavailable',
  'request_timeout',
  'team_added_to_org',
]);

/** The message to edit is gone or closed: say it anew. */
const notEditable = new Set([
  'message_not_found',
  'cant_update_message',
  'edit_window_closed',
  'channel_not_found',
]);

/** No connection was made, so nothing can have arrived. */
const neverSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

const metadataType = 'keywitness_message';

/**
 * Slack over chat.postMessage and chat.update: one message per alert, edited in place; a line in its thread when
 * it got worse. Scopes: `chat:write`; with `channels:history` an unanswered post is looked for before it is repeated.
 * @example notify: { slack: { token: "${SLACK_TOKEN}", channel: C0123456789 } }
 */
export const notifier = defineNotifier({
  name: 'slack',
  create: (settings, deps) => createSlack(settings as SlackSettings, deps),
  async render(message, settings, deps) {
    const body = content(message, settings as SlackSettings, deps.command);
    return { extension: 'slack.json', body: Buffer.from(`${JSON.stringify(body, null, 2)}\n`) };
  },
});

function createSlack(settings: SlackSettings, deps: NotifierDependencies): Notifier {
  const client = new WebClient(secretOf(settings.token)?.reveal(), {
    ...(settings.apiUrl === undefined ? {} : { slackApiUrl: settings.apiUrl }),
    timeout: slackTimeoutMs,
    // One stage retries: ours. The client's own logger would print to the console.
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    logLevel: LogLevel.ERROR,
    logger: silentLogger,
    allowAbsoluteUrls: false,
  });
  return {
    name: 'slack',
    updatesInPlace: true,
    isLocal: false,
    paceMs: slackPaceMs,
    async send(message) {
      try {
        return { kind: 'delivered', ref: await deliver(client, message, settings, deps.command) };
      } catch (error) {
        return classifySlack(error);
      }
    },
    close: async () => {},
  };
}

async function deliver(client: WebClient, message: Message, settings: SlackSettings, command: string) {
  if (message.ambiguousSince !== undefined) {
    const found = await findEarlier(client, message, settings.channel ?? '');
    if (found) return message.previous ?? found;
  }
  const body = content(message, settings, command);
  const previous = parseRef(message.previous);
  if (!previous) return post(client, body);
  try {
    await client.chat.update({ ...body, channel: previous.channel, ts: previous.ts } as never);
  } catch (error) {
    if (error instanceof WebAPIPlatformError && notEditable.has(error.data.error)) return post(client, body);
    throw error;
  }
  if (message.change !== 'updated') {
    const text = slackThreadLine(storyOf(message, command), mentionOf(message, settings));
    await post(client, {
      channel: previous.channel,
      text,
      thread_ts: previous.ts,
      reply_broadcast: true,
      metadata: metadataOf(threadName(message)),
      unfurl_links: false,
      unfurl_media: false,
    });
  }
  return message.previous ?? '';
}

async function post(client: WebClient, body: object): Promise<string> {
  const { channel, ts } = await client.chat.postMessage(body as ChatPostMessageArguments);
  return `${channel ?? ''}:${ts ?? ''}`;
}

function content(message: Message, settings: SlackSettings, command = commandDefault) {
  const { text, blocks } = slackBlocks(storyOf(message, command), mentionOf(message, settings));
  return {
    channel: settings.channel ?? '#security-alerts',
    text,
    blocks,
    metadata: metadataOf(messageName(message)),
    unfurl_links: false,
    unfurl_media: false,
  };
}

function mentionOf(message: Message, settings: SlackSettings): string {
  return message.mention ? (settings.mention ?? mentionDefault) : '';
}

function metadataOf(id: string) {
  return { event_type: metadataType, event_payload: { id } };
}

function messageName(message: Message): string {
  return `${message.key}/${message.change}/${message.revision}`;
}

/** Of its own: the edited message bears the new name before the line is posted. */
function threadName(message: Message): string {
  return `${messageName(message)}/thread`;
}

/** The message of an attempt that got no answer, by its metadata. Without the scope we cannot look: then not found. */
async function findEarlier(
  client: WebClient,
  message: Message,
  channel: string,
): Promise<string | undefined> {
  const oldest = String(Math.floor((message.ambiguousSince ?? 0) / 1000) - 60);
  try {
    const { messages } = await client.conversations.history({
      channel,
      oldest,
      limit: 200,
      include_all_metadata: true,
    });
    const isThread = message.previous !== undefined && message.change !== 'updated';
    const id = isThread ? threadName(message) : messageName(message);
    const found = messages?.find((m) => {
      const payload = m.metadata?.event_payload as { id?: unknown } | undefined;
      return m.metadata?.event_type === metadataType && payload?.id === id;
    });
    return found?.ts === undefined ? undefined : `${channel}:${found.ts}`;
  } catch (error) {
    if (error instanceof WebAPIPlatformError && !passing.has(error.data.error)) return undefined;
    throw error;
  }
}

function parseRef(ref: string | undefined): { channel: string; ts: string } | undefined {
  const [channel, ts] = ref?.split(':') ?? [];
  return channel && ts ? { channel, ts } : undefined;
}

const unreadable: Delivery = { kind: 'retry', afterMs: 0, reason: 'unreadable answer', isAmbiguous: true };

/** What an error of the client means for the message. Codes only: texts of errors may hold the URL or the body. */
export function classifySlack(error: unknown): Delivery {
  if (error instanceof WebAPIRateLimitedError) {
    return { kind: 'retry', afterMs: error.retryAfter * 1000, reason: 'rate limited (429)' };
  }
  if (error instanceof WebAPIPlatformError) {
    const code = error.data.error;
    // The client takes any body that is no JSON for an error: a proxy's page in the way, not Slack's word.
    if (!/^[a-z_]{1,60}$/.test(code)) return unreadable;
    return passing.has(code) ? { kind: 'retry', afterMs: 0, reason: code } : { kind: 'reject', reason: code };
  }
  if (error instanceof WebAPIHTTPError) {
    // A gateway's error says nothing about what stood behind it; 4xx never got that far.
    const isAmbiguous = error.statusCode >= 500;
    const reason = `HTTP ${error.statusCode}`;
    const isPassing = isAmbiguous || error.statusCode === 408 || error.statusCode === 429;
    return isPassing ? { kind: 'retry', afterMs: 0, reason, isAmbiguous } : { kind: 'reject', reason };
  }
  if (error instanceof WebAPIRequestError) return classifyNetwork(error.original);
  const isRateLimit = error instanceof Error && /^Retry header/.test(error.message);
  if (isRateLimit) return { kind: 'retry', afterMs: rateLimitDefaultMs, reason: 'rate limited (429)' };
  return unreadable;
}

function classifyNetwork(error: Error): Delivery {
  if (error.name === 'TimeoutError')
    return { kind: 'retry', afterMs: 0, reason: 'timeout', isAmbiguous: true };
  const cause = error.cause as { code?: unknown } | undefined;
  const code = typeof cause?.code === 'string' ? cause.code : 'network error';
  return { kind: 'retry', afterMs: 0, reason: code, isAmbiguous: !neverSent.has(code) };
}

const silentLogger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  setLevel() {},
  getLevel: () => LogLevel.ERROR,
  setName() {},
};
