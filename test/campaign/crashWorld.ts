/** What a crash is set in: a topic with real records, a receiver of messages, and the service as a process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import type { Message } from 'kafkajs';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { startSlackServer } from '../notify/slackServer.ts';
import { freshTopic, produce, withAdmin } from '../support/kafka.ts';
import { freePort } from '../support/kafkaProcess.ts';
import { until } from '../support/wait.ts';
import type { CrashPlan } from './crashPlan.ts';

export const partitions = 4;
/** Records of one load and partition: with their bytes a fetch holds about 600. */
const recordsEach = 300;

const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
  .toString('utf8')
  .trimEnd()
  .split('\n');

export interface Run {
  readonly child: ChildProcess;
  /** Its configuration. */
  readonly file: string;
  readonly group: string;
  readonly log: () => string;
  readonly get: (path: string) => Promise<Response>;
}

export interface World {
  readonly addresses: readonly string[];
  readonly topic: string;
  readonly data: string;
  readonly anchor: string;
  readonly slack: Awaited<ReturnType<typeof startSlackServer>>;
  /** Records that were produced. */
  total(): number;
  /** Adds a load: real records, some that nothing can read, one that calls for an alert. */
  load(): Promise<void>;
  start(plan?: CrashPlan): Promise<Run>;
  /** Everything that was produced is stored. */
  stored(run: Run): Promise<boolean>;
  close(): Promise<void>;
}

export interface Places {
  readonly data: string;
  readonly anchor: string;
}

/** `places`: where the data directory and the anchor lie; default: side by side. */
export async function openWorld(addresses: readonly string[], places?: Places): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'keywitness-crash-'));
  const { data, anchor } = places ?? { data: join(folder, 'data'), anchor: join(folder, 'data.anchor') };
  const slack = await startSlackServer();
  const topic = await freshTopic(addresses, partitions);
  const running = new Set<ChildProcess>();
  let loads = 0;
  let starts = 0;
  const total = () => loads * partitions * recordsEach;
  return {
    addresses,
    topic,
    data,
    anchor,
    slack,
    total,
    async load() {
      for (let partition = 0; partition < partitions; partition++) {
        await produce(addresses, topic, loadOf(loads, partition), { partition });
      }
      loads++;
    },
    async start(plan) {
      const port = await freePort();
      // A group of its own each time: who was killed stays a member for 15 s, and the group's offsets play no part.
      const group = `${topic}-${++starts}`;
      const file = join(folder, `config-${starts}.yaml`);
      writeFileSync(
        file,
        `data: ${data}
anchor: ${anchor}
listen: 127.0.0.1:${port}
cluster: main
kafka:
  brokers: ${JSON.stringify(addresses)}
  groupId: ${group}
  topics: [{ name: ${topic}, source: vault }]
notify:
  slack: { token: xoxb-of-this-test, channel: C0123, apiUrl: "${slack.url}" }
`,
      );
      const words = [join(packageRoot, 'test/campaign/crashWorker.ts'), file, JSON.stringify(plan ?? {})];
      const child = spawn(process.execPath, ['--import', 'tsx', ...words], {
        env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      running.add(child);
      child.once('exit', () => running.delete(child));
      let log = '';
      child.stderr?.on('data', (chunk) => {
        log += String(chunk);
      });
      const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
      return { child, file, group, log: () => log, get };
    },
    async stored({ group, child, log }) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended: ${log()}`);
      const offsets = await withAdmin(addresses, (admin) =>
        admin.fetchOffsets({ groupId: group, topics: [topic] }),
      );
      const sum = (offsets[0]?.partitions ?? []).reduce((n, p) => n + Math.max(0, Number(p.offset)), 0);
      return sum === total();
    },
    async close() {
      for (const child of running) child.kill('SIGKILL');
      await slack.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until the process killed itself. */
export async function killedItself({ child, log }: Run): Promise<void> {
  await until(
    'it killed itself',
    () => {
      if (child.exitCode !== null) throw new Error(`it ended by itself: ${log()}`);
      return child.signalCode === 'SIGKILL';
    },
    60_000,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${log()}`);
  });
}

/** Rounds and messages follow within a second of the last record; on a busy machine later. */
export async function messagesSettled({ slack }: World): Promise<void> {
  for (let seen = -1; seen !== slack.posted.length; ) {
    seen = slack.posted.length;
    await sleep(2_500);
  }
}

/** The program as an operator starts it, on the configuration of a run, until it ends. */
export async function runProgram({ file }: Run): Promise<{ code: number | null; said: string }> {
  const words = ['--import', 'tsx', join(packageRoot, 'src/main.ts'), 'run', '--config', file];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, said };
}

/** Tells it to drain, and waits for the end. */
export async function stopRun({ child, log }: Run): Promise<void> {
  child.kill('SIGTERM');
  await until('it ended', () => child.exitCode !== null || child.signalCode !== null, 20_000);
  if (child.exitCode !== 0) throw new Error(`it ended with ${child.exitCode}: ${log()}`);
}

function loadOf(load: number, partition: number): Message[] {
  const from = (load * partitions + partition) * recordsEach;
  const messages = lines.slice(from, from + recordsEach).map(
    (value, i): Message => ({
      value,
      timestamp: String(1_780_000_000_000 + from + i),
      ...(i % 7 === 0 ? { key: `k${i}`, headers: { trace: randomBytes(3), empty: '' } } : {}),
    }),
  );
  const put = (i: number, value: string | Buffer | null) => {
    messages[i] = { ...messages[i], value };
  };
  put(5, null);
  put(6, '');
  put(7, '{"cut":');
  put(8, Buffer.from([0xff, 0x00, 0xc3]));
  if (partition === load % partitions) put(100 + load, auditDisabled(load, lines[from + 100] ?? ''));
  return messages;
}

/** Somebody takes an audit device away: one alert for each who does. */
function auditDisabled(load: number, near: string): string {
  const { time } = JSON.parse(near) as { time: string };
  return JSON.stringify({
    time,
    type: 'response',
    auth: {
      display_name: `oidc-person${load}`,
      policies: ['admin'],
      token_type: 'service',
      entity_id: `e-${load}`,
    },
    request: {
      id: `00000000-0000-0000-0000-00000000000${load}`,
      operation: 'delete',
      path: 'sys/audit/file',
      remote_address: '192.0.2.9',
    },
  });
}
