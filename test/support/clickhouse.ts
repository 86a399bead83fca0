import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { Secret } from '../../src/core/secret.ts';
import { type Engine, openServer } from '../../src/store/client.ts';
import { freePort, terminate, waitForPort } from './kafkaProcess.ts';

/** What the store does from now on. */
export interface Fault {
  /**
   * `down`: nobody listens. `slow`: waits before it runs a statement. `read-only`: writes are refused. `refuse`:
   * every statement is. `answer-lost`: runs it and closes the connection. `hang`: runs it and never answers.
   * `late`: closes the connection and runs it afterwards.
   */
  readonly kind: 'none' | 'down' | 'slow' | 'read-only' | 'refuse' | 'answer-lost' | 'hang' | 'late';
  /** Only statements that match this expression. */
  readonly match?: string;
  /** That many statements; absent = until told otherwise. */
  readonly times?: number;
  readonly delayMs?: number;
  /** What SHOW GRANTS answers, one grant a line; stays until it is given again. */
  readonly grants?: string;
  /** What SHOW GRANTS FINAL answers: the roles' too. Absent = the same. */
  readonly finalGrants?: string;
  /** The setting `readonly` of the account, likewise. */
  readonly accountReadOnly?: number;
}

export interface StandIn {
  readonly url: string;
  fault(fault: Fault): Promise<void>;
  /** Statements run so far. */
  statements(): Promise<number>;
  /** A client as the program opens it. */
  open(more?: { readonly requestTimeoutMs?: number }): Promise<Engine>;
  stop(): Promise<void>;
}

/** Starts the stand-in for a ClickHouse server (clickhouseServer.ts) in a directory of its own. */
export async function startStandIn(): Promise<StandIn> {
  const directory = mkdtempSync(join(tmpdir(), 'keywitness-server-'));
  const [port, controlPort] = [await freePort(), await freePort()];
  const words = [
    join(packageRoot, 'test/support/clickhouseServer.ts'),
    directory,
    `${port}`,
    `${controlPort}`,
  ];
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', ...words], {
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await waitForPort(controlPort, 30_000);
  const control = `http://127.0.0.1:${controlPort}/`;
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    async fault(fault) {
      // A test may block its own process for longer than a connection is kept.
      const headers = { connection: 'close' };
      const response = await fetch(control, { method: 'POST', headers, body: JSON.stringify(fault) });
      if (!response.ok) throw new Error(await response.text());
    },
    async statements() {
      const { statements } = (await (await fetch(control)).json()) as { statements: number };
      return statements;
    },
    open: (more = {}) => openServer({ url, user: 'default', password: new Secret(''), ...more }),
    async stop() {
      if (child.pid !== undefined && child.exitCode === null) await terminate(child.pid);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
