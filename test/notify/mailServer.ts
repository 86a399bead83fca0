import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export const certificate = readFileSync(new URL('./tls/localhost-cert.pem', import.meta.url), 'utf8');
const key = readFileSync(new URL('./tls/localhost-key.pem', import.meta.url), 'utf8');

export interface MailServerOptions {
  /** `starttls` offers it, `implicit` demands it from the first byte, `none` has none. */
  readonly tls: 'starttls' | 'implicit' | 'none';
  readonly user?: string;
  readonly password?: string;
  readonly port?: number;
}

/** A real SMTP server on loopback that keeps what it was given. `refuse` sets the answer to DATA or RCPT. */
export async function startMailServer(options: MailServerOptions) {
  const mails: Buffer[] = [];
  const secured: boolean[] = [];
  let refusal: { code: number; at: 'rcpt' | 'data'; only?: string } | undefined;
  const refuse = (code: number) => Object.assign(new Error('not now'), { responseCode: code });
  const server = new SMTPServer({
    key,
    cert: certificate,
    secure: options.tls === 'implicit',
    hideSTARTTLS: options.tls !== 'starttls',
    authOptional: options.user === undefined,
    allowInsecureAuth: true,
    closeTimeout: 200,
    disabledCommands: options.tls === 'none' ? ['STARTTLS'] : [],
    onAuth(auth, _session, done) {
      const isRight = auth.username === options.user && auth.password === options.password;
      if (isRight) done(null, { user: 'ok' });
      else done(Object.assign(new Error('no'), { responseCode: 535 }));
    },
    onRcptTo(address, _session, done) {
      const hit = refusal?.at === 'rcpt' && (refusal.only ?? address.address) === address.address;
      if (hit && refusal) done(refuse(refusal.code));
      else done();
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        if (refusal?.at === 'data') return done(refuse(refusal.code));
        mails.push(Buffer.concat(chunks));
        secured.push(session.secure);
        done();
      });
    },
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    secured,
    refuse: (code: number, at: 'rcpt' | 'data' = 'data', only?: string) => {
      refusal = only === undefined ? { code, at } : { code, at, only };
    },
    accept: () => {
      refusal = undefined;
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
