import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { freePort } from './kafkaProcess.ts';

/** `keywitness witness` as a process of its own. */
export interface WitnessProcess {
  readonly url: string;
  readonly vkey: string;
  readonly pid: number;
  /** What it said to people so far. */
  said(): string;
  /** Posts a body; the answer as it came. */
  add(body: string | Buffer): Promise<{ status: number; type: string; body: string }>;
  /** Ends it; resolves with the exit code. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** Runs the command line; for one that is expected to fail, `witnessFailure`. */
function spawnWitness(args: readonly string[], env: Record<string, string>): ChildProcess {
  const words = ['--import', 'tsx', join(packageRoot, 'src/main.ts'), 'witness', ...args];
  return spawn(process.execPath, words, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

export async function startWitness(
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly port?: number } = {},
): Promise<WitnessProcess> {
  const port = options.port ?? (await freePort());
  const child = spawnWitness(['--listen', `127.0.0.1:${port}`, ...args], options.env ?? {});
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += chunk;
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const first = await Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`ended with ${code}: ${said}`))),
  ]);
  const { vkey } = JSON.parse(first) as { vkey: string };
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    vkey,
    pid: child.pid as number,
    said: () => said,
    async add(body) {
      const response = await fetch(`${url}/add-checkpoint`, {
        method: 'POST',
        body: new Uint8Array(Buffer.from(body)),
      });
      const type = response.headers.get('content-type') ?? '';
      return { status: response.status, type, body: await response.text() };
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
      return code as number | null;
    },
  };
}

/** Exit code and words of a start that must fail. */
export async function witnessFailure(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ exit: number | null; said: string }> {
  const child = spawnWitness(args, env);
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += chunk;
  });
  const [exit] = await once(child, 'close');
  return { exit: exit as number | null, said };
}
