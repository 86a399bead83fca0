import { type ParsedMail, simpleParser } from 'mailparser';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { notifier as email } from '../../src/notify/email.ts';
import { certificate, type MailServerOptions, startMailServer } from './mailServer.ts';
import { messageOf, rollupOf } from './messages.ts';

const deps = { clock: systemClock, command: 'npx keywitness' };
const settings = { from: 'Keywitness <kw@example.org>', to: ['soc@example.org'] };
const at = (server: { port: number }, login = '') => ({ smtp: `smtp://${login}localhost:${server.port}` });
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function start(options: MailServerOptions) {
  const server = await startMailServer(options);
  open.push(server);
  return server;
}

const parse = async (mails: readonly Buffer[], index = 0): Promise<ParsedMail> =>
  simpleParser(mails[index] ?? Buffer.alloc(0));

describe('TLS is required unless it was renounced by name', () => {
  test('STARTTLS with a trusted certificate delivers, encrypted', async () => {
    const server = await start({ tls: 'starttls' });
    const notifier = email.create({ ...settings, ...at(server), ca: certificate }, deps);
    expect(await notifier.send(messageOf())).toMatchObject({ kind: 'delivered' });
    expect(server.secured).toEqual([true]);
  });

  test('implicit TLS (smtps) delivers, encrypted from the first byte', async () => {
    const server = await start({ tls: 'implicit' });
    const smtp = `smtps://localhost:${server.port}`;
    const notifier = email.create({ ...settings, smtp, ca: certificate }, deps);
    expect(await notifier.send(messageOf())).toMatchObject({ kind: 'delivered' });
    expect(server.secured).toEqual([true]);
  });

  test('an address that is no SMTP URL is a configuration error that does not repeat it', () => {
    const create = () => email.create({ ...settings, smtp: 'https://kw:hidden@host' }, deps);
    expect(create).toThrow(/^KW_CONFIG/);
    expect(create).not.toThrow(/hidden/);
  });

  test('a certificate nobody vouches for gets no mail', async () => {
    const server = await start({ tls: 'starttls' });
    const notifier = email.create({ ...settings, ...at(server) }, deps);
    expect(await notifier.send(messageOf())).toMatchObject({ kind: 'retry' });
    expect(server.mails).toHaveLength(0);
  });

  test('a server without STARTTLS gets no mail, and no password', async () => {
    const server = await start({ tls: 'none', user: 'kw', password: 'secret' });
    const login = at(server, 'kw:secret@');
    const strict = email.create({ ...settings, ...login, ca: certificate }, deps);
    expect(await strict.send(messageOf())).toMatchObject({ kind: 'retry' });
    expect(server.mails).toHaveLength(0);
    const plain = email.create({ ...settings, ...login, insecure: true }, deps);
    expect(await plain.send(messageOf())).toMatchObject({ kind: 'delivered' });
    expect(server.secured).toEqual([false]);
  });
});

describe('what an answer means', () => {
  const send = async (code: number, step: 'rcpt' | 'data', to = settings.to, only?: string) => {
    const server = await start({ tls: 'none' });
    server.refuse(code, step, only);
    return email.create({ ...settings, to, ...at(server), insecure: true }, deps).send(messageOf());
  };

  test.each([
    [451, 'data', 'retry', 'SMTP 451 (EMESSAGE)'],
    [550, 'data', 'reject', 'SMTP 550 (EMESSAGE)'],
    [450, 'rcpt', 'retry', 'SMTP 450 (EENVELOPE)'],
    [550, 'rcpt', 'reject', 'SMTP 550 (EENVELOPE)'],
  ] as const)('%i to %s is %s', async (code, step, kind, reason) => {
    expect(await send(code, step)).toMatchObject({ kind, reason });
  });

  test('one of two receivers refused is delivered, and said', async () => {
    const two = ['soc@example.org', 'gone@example.org'];
    expect(await send(550, 'rcpt', two, 'gone@example.org')).toMatchObject({
      kind: 'delivered',
      note: '1 of 2 receivers refused',
    });
  });

  test('a wrong password is refused for good', async () => {
    const server = await start({ tls: 'none', user: 'kw', password: 'right' });
    const wrong = { ...settings, ...at(server, 'kw:wrong@'), insecure: true };
    expect(await email.create(wrong, deps).send(messageOf())).toEqual({
      kind: 'reject',
      reason: 'SMTP 535 (EAUTH)',
    });
  });
});

test('a mail is text and HTML with the headers that thread it and keep robots quiet', async () => {
  const server = await start({ tls: 'none' });
  const notifier = email.create({ ...settings, ...at(server), insecure: true }, deps);
  await notifier.send(messageOf({}, { mention: true }));
  const mail = await parse(server.mails);
  expect(mail.subject).toBe('[HIGH] Production secret read by a non-production identity: Build service (14)');
  expect(mail.messageId).toBe('<0123456789abcdef@example.org>');
  expect(mail.headers.get('auto-submitted')).toBe('auto-generated');
  expect(mail.headers.get('list')).toMatchObject({ id: { id: 'alerts.example.org' } });
  expect(mail.text).toContain('Build service (service:build)');
  expect(mail.html).toContain('Build service (service:build)');
  expect(mail.html).not.toMatch(/src=|href=|url\(/);
});

test('a retry is the same mail, an update another one in the same thread', async () => {
  const server = await start({ tls: 'none' });
  const notifier = email.create({ ...settings, ...at(server), insecure: true }, deps);
  const first = await notifier.send(messageOf());
  await notifier.send(messageOf());
  if (first.kind !== 'delivered') throw new Error(first.reason);
  const update = messageOf(
    { severity: 'critical' },
    { change: 'raised', previous: first.ref, revision: 'r2' },
  );
  await notifier.send(update);
  await notifier.send(update);
  await notifier.send({ ...update, change: 'repeated', previous: 'another' });
  const mails = await Promise.all(server.mails.map((m) => simpleParser(m)));
  const ids = mails.map((m) => m.messageId);
  expect(ids[1]).toBe(ids[0]);
  expect(ids[3]).toBe(ids[2]);
  expect(new Set(ids).size).toBe(3);
  expect(mails[2]?.references).toContain(ids[0]);
  expect(mails[2]?.references?.[0]).toBe([mails[0]?.references].flat()[0]);
  expect(mails[2]?.subject).toMatch(/^Raised: \[CRITICAL\] /);
});

test('a roll-up has an id of its own that holds no rule text', async () => {
  const { body } = await email.render(rollupOf(), {}, deps);
  const mail = await simpleParser(body);
  expect(mail.messageId).toMatch(/^<[0-9a-f]{16}@localhost>$/);
  expect(mail.subject).toBe('[MEDIUM] A noisy rule: 37 more alerts');
});
