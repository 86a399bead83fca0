import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';
import { type Engine, openEmbedded, openServer, type ServerOptions } from '../store/client.ts';

/** The server that `--config` names: one for the command this process runs, as the environment is. */
let server: ServerOptions | undefined;

/** Said once, before the command acts; undefined = the embedded store below the data directory. */
export function chooseStore(named: ServerOptions | undefined): void {
  server = named;
}

/** True when the store is a server: it has no directory to look for and none to lock. */
export function isStoreServer(): boolean {
  return server !== undefined;
}

/**
 * The store with the right to drop and erase. On a server that is an account of its own, which the service does
 * not have (docs/retention.md): without one the server refuses what the writer may not do.
 */
export function openStoreToDrop(dataDir: string, env: Environment): Promise<Engine> {
  const user = env.KEYWITNESS_RETENTION_USER;
  if (server === undefined || user === undefined) return openChosenStore(dataDir);
  return openServer({ ...server, user, password: new Secret(passwordOf(env)) });
}

type Environment = Readonly<Record<string, string | undefined>>;

/** From a file (its first line), else from the environment itself. @throws KW_CONFIG */
function passwordOf(env: Environment): string {
  const file = env.KEYWITNESS_RETENTION_PASSWORD_FILE;
  if (file === undefined) return env.KEYWITNESS_RETENTION_PASSWORD ?? '';
  try {
    return readFileSync(file, 'utf8').split('\n')[0] ?? '';
  } catch (cause) {
    throw new KeywitnessError(
      'KW_CONFIG',
      `KEYWITNESS_RETENTION_PASSWORD_FILE names ${file}, which cannot be read.`,
      {
        cause,
      },
    );
  }
}

/** The store this command works on. */
export function openChosenStore(dataDir: string): Promise<Engine> {
  return server === undefined ? openEmbedded(join(resolve(dataDir), 'store')) : openServer(server);
}
