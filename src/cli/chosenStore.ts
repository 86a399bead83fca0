import { join, resolve } from 'node:path';
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

/** The store this command works on. */
export function openChosenStore(dataDir: string): Promise<Engine> {
  return server === undefined ? openEmbedded(join(resolve(dataDir), 'store')) : openServer(server);
}
