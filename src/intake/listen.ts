import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { serve } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Listen } from '../config/config.ts';
import { KeywitnessError } from '../core/errors.ts';

/** A PEM file that the configuration names. @throws KW_CONFIG */
export function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error';
    throw new KeywitnessError('KW_CONFIG', `${path} cannot be read (${code}).`, { cause });
  }
}

/** Serves routes on an address of the configuration; resolves once it listens, with the function that ends it. @throws KW_LISTEN */
export async function listen(address: Listen, routes: Hono): Promise<() => Promise<void>> {
  const { host, port, tls } = address;
  const server = serve({
    fetch: routes.fetch,
    hostname: host,
    port,
    ...(tls === undefined
      ? {}
      : { createServer, serverOptions: { cert: readPem(tls.cert), key: readPem(tls.key) } }),
  });
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve);
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new KeywitnessError('KW_LISTEN', `${host}:${port} cannot be listened on (${cause.code}).`, { cause }),
      ),
    );
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
    });
}
