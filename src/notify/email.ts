import { createHash } from 'node:crypto';
import nodemailer, { type SendMailOptions } from 'nodemailer';
import { KeywitnessError } from '../core/errors.ts';
import type { Delivery, Message, Notifier } from '../core/notifier.ts';
import { defineNotifier, type NotifierDependencies, secretOf } from './notifier.ts';
import { mailHtml } from './render/mailHtml.tsx';
import { mailText } from './render/mailText.ts';
import { storyOf } from './render/story.ts';

interface EmailSettings {
  /** `smtp://user:password@host:587` (STARTTLS) or `smtps://…:465` (TLS from the first byte); holds a password. */
  readonly smtp?: unknown;
  readonly from?: string;
  readonly to?: readonly string[];
  /** Sends in clear. False: STARTTLS or implicit TLS, or no mail. */
  readonly insecure?: boolean;
  /** PEM of a private authority. */
  readonly ca?: string;
}

/** Submission with STARTTLS (RFC 6409) and with implicit TLS (RFC 8314). */
const portDefault = 587;
const portImplicitTls = 465;

/** Mail servers greylist and think; still bounded, so that a stop within 10 s can wait for one. */
export const smtpTimeoutMs = 8000;

const fromDefault = 'Keywitness <keywitness@localhost>';

/** Where a 5xx is about this message or our settings, and will be the same the next time; nodemailer's codes. */
const finalCodes = new Set(['EENVELOPE', 'EMESSAGE', 'EAUTH', 'ENOAUTH', 'ECONFIG']);

/**
 * Mail over SMTP: text and HTML, threads by alert and by (rule, entity).
 * @example notify: { email: { smtp: "file:smtp-url", from: kw@example.org, to: [soc@example.org] } }
 */
export const notifier = defineNotifier({
  name: 'email',
  create: (settings, deps) => createEmail(settings as EmailSettings, deps),
  async render(message, settings, deps) {
    const told = message.kind === 'alert' ? message.alert.last : message.until;
    const mail = compose(message, settings as EmailSettings, deps.command, new Date(told));
    const stream = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
    const info = await stream.sendMail(mail);
    return { extension: 'eml', body: info.message as Buffer };
  },
});

function createEmail(settings: EmailSettings, deps: NotifierDependencies): Notifier {
  const isPlain = settings.insecure === true;
  const server = serverOf(secretOf(settings.smtp)?.reveal() ?? '');
  const transport = nodemailer.createTransport({
    ...server,
    requireTLS: !isPlain,
    ignoreTLS: isPlain,
    connectionTimeout: smtpTimeoutMs,
    greetingTimeout: smtpTimeoutMs,
    socketTimeout: smtpTimeoutMs,
    dnsTimeout: smtpTimeoutMs,
    // Content is ours alone: no attachment by path or URL can be asked for.
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(settings.ca === undefined ? {} : { tls: { ca: settings.ca } }),
  });
  return {
    name: 'email',
    updatesInPlace: false,
    isLocal: false,
    paceMs: 0,
    async send(message) {
      const mail = compose(message, settings, deps.command, new Date(deps.clock.now()));
      try {
        const info = await transport.sendMail(mail);
        const refused = info.rejected.length;
        const note =
          refused > 0 ? { note: `${refused} of ${refused + info.accepted.length} receivers refused` } : {};
        return { kind: 'delivered', ref: String(mail.messageId), ...note };
      } catch (error) {
        return classifySmtp(error);
      }
    },
    close: async () => transport.close(),
  };
}

/** @throws KW_CONFIG; the URL holds a password, so the message does not repeat it. */
function serverOf(text: string) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isImplicit = url?.protocol === 'smtps:';
  if (!url || url.hostname === '' || !(isImplicit || url.protocol === 'smtp:')) {
    throw new KeywitnessError(
      'KW_CONFIG',
      '`notify.email.smtp` is not smtp://HOST[:PORT] or smtps://HOST[:PORT].',
    );
  }
  const user = decodeURIComponent(url.username);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (isImplicit ? portImplicitTls : portDefault) : Number(url.port),
    secure: isImplicit,
    ...(user === '' ? {} : { auth: { user, pass: decodeURIComponent(url.password) } }),
  };
}

function compose(message: Message, settings: EmailSettings, command: string, date: Date): SendMailOptions {
  const story = storyOf(message, command);
  const from = settings.from ?? fromDefault;
  const domain = /@([A-Za-z0-9.-]+)/.exec(from)?.[1] ?? 'localhost';
  const id = (name: string) => `<${name}@${domain}>`;
  const key = /^[0-9a-f]{16}$/.test(message.key) ? message.key : digest(message.key);
  const first = id(key);
  const thread = id(`thread.${digest(threadOf(message))}`);
  const isFirst = message.previous === undefined;
  // The same message has the same id however often it is tried, so that a mailbox that got it twice shows it
  // once; a repetition is another message.
  const own = isFirst
    ? first
    : id(`${key}.${digest(`${message.previous} ${message.change} ${message.revision}`)}`);
  const urgent = story.severity === 'critical' ? { priority: 'high' as const } : {};
  return {
    from,
    to: [...(settings.to ?? ['keywitness@localhost'])],
    subject: `${story.change}${story.subject}`,
    text: mailText(story),
    html: mailHtml(story),
    messageId: own,
    inReplyTo: isFirst ? thread : first,
    references: isFirst ? [thread] : [thread, first],
    date,
    headers: {
      // RFC 3834: no vacation notice answers us.
      'Auto-Submitted': 'auto-generated',
      'List-Id': `Keywitness alerts <alerts.${domain}>`,
      'X-Keywitness-Alert': key,
      'X-Keywitness-Severity': story.severity,
    },
    // Chosen by the message, so that the outbox's file is the same every time.
    ...{ baseBoundary: digest(`${own} boundary`) },
    textEncoding: 'quoted-printable',
    ...urgent,
  };
}

function threadOf(message: Message): string {
  return message.kind === 'alert' ? `${message.alert.rule}\0${message.alert.identity}` : message.rule;
}

/**
 * What an SMTP error means for the message: 4xx later, 5xx never (RFC 5321, 4.2.1), but a server that refuses
 * the greeting or STARTTLS is in trouble itself. Codes only, no texts.
 */
export function classifySmtp(error: unknown): Delivery {
  const { code, responseCode } = error as { code?: unknown; responseCode?: unknown };
  const name = typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? code : 'error';
  const reason = typeof responseCode === 'number' ? `SMTP ${responseCode} (${name})` : name;
  const isPassing = typeof responseCode === 'number' && responseCode < 500;
  return finalCodes.has(name) && !isPassing
    ? { kind: 'reject', reason }
    : { kind: 'retry', afterMs: 0, reason };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
