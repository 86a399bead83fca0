/** Several instances of the service, as processes, on one store over HTTP and one topic; and an oracle. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { openKeys } from '../../src/ledger/openKeys.ts';
import type { Engine } from '../../src/store/client.ts';
import { type StandIn, startStandIn } from '../support/clickhouse.ts';
import { freshTopic, produce } from '../support/kafka.ts';
import { freePort } from '../support/kafkaProcess.ts';
import { until as untilWithin } from '../support/wait.ts';
import type { ReplayedRoot } from './independent.ts';

/** Two services, a store and a broker share two cores: a start takes its time. */
const patienceMs = 90_000;
export const until = (what: string, isTrue: () => boolean | Promise<boolean>) =>
  untilWithin(what, isTrue, patienceMs);

const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
  .toString('utf8')
  .trimEnd()
  .split('\n');

export interface Instance {
  readonly name: string;
  readonly child: ChildProcess;
  readonly log: () => string;
  readonly metric: (name: string) => Promise<number>;
}

export const hasEnded = ({ child }: Instance) => child.exitCode !== null || child.signalCode !== null;

export class InstanceWorld {
  readonly partitions = 3;
  readonly folder = mkdtempSync(join(tmpdir(), 'keywitness-instances-'));
  readonly addresses: readonly string[];
  readonly topic: string;
  readonly server: StandIn;
  readonly engine: Engine;
  /** Records in each partition. */
  sent = 0;
  #running: Instance[] = [];

  private constructor(addresses: readonly string[], topic: string, server: StandIn, engine: Engine) {
    this.addresses = addresses;
    this.topic = topic;
    this.server = server;
    this.engine = engine;
  }

  static async open(addresses: readonly string[]): Promise<InstanceWorld> {
    const server = await startStandIn();
    return new InstanceWorld(addresses, await freshTopic(addresses, 3), server, await server.open());
  }

  /** Real lines to every partition. */
  async send(each: number): Promise<void> {
    const first = this.sent;
    this.sent += each;
    for (let partition = 0; partition < this.partitions; partition++) {
      const messages = Array.from({ length: each }, (_, i) => ({
        value: lines[(first + i) % lines.length] ?? '',
        timestamp: String(1_780_000_000_000 + first + i),
      }));
      await produce(this.addresses, this.topic, messages, { partition });
    }
  }

  dataOf(name: string): string {
    return join(this.folder, name);
  }

  /** Starts an instance on the data directory of its name. All of them are one log: the same key and id. */
  async start(name: string): Promise<Instance> {
    const ledger = join(this.folder, 'ledger');
    if (!existsSync(ledger)) await openKeys(this.folder, {});
    const data = this.dataOf(name);
    if (!existsSync(join(data, 'ledger'))) cpSync(ledger, join(data, 'ledger'), { recursive: true });
    const port = await freePort();
    writeFileSync(this.#config(name), this.#configText(data, port));
    const words = [
      '--import',
      'tsx',
      join(packageRoot, 'src/main.ts'),
      'run',
      '--config',
      this.#config(name),
    ];
    const child = spawn(process.execPath, words, {
      env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr?.on('data', (chunk) => {
      log += String(chunk);
    });
    const metric = async (of: string) => {
      const text = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(2_000) })
        .then((r) => r.text())
        .catch(() => '');
      return [...text.matchAll(new RegExp(`^keywitness_${of}(?:{[^}]*})? (\\S+)$`, 'gm'))].reduce(
        (n, m) => n + Number(m[1]),
        0,
      );
    };
    const instance = { name, child, log: () => log, metric };
    this.#running.push(instance);
    return instance;
  }

  #config(name: string): string {
    return join(this.folder, `${name}.yaml`);
  }

  #configText(data: string, port: number): string {
    return `data: ${data}
listen: 127.0.0.1:${port}
cluster: main
store: { url: "${this.server.url}" }
kafka:
  brokers: ${JSON.stringify(this.addresses)}
  groupId: ${this.topic}
  topics: [{ name: ${this.topic}, source: vault }]
`;
  }

  get running(): readonly Instance[] {
    return this.#running;
  }

  /** Two that have both joined, with records stored. */
  async two(): Promise<readonly [Instance, Instance]> {
    await this.send(300);
    const a = await this.start('a');
    await this.keeper();
    const b = await this.start('b');
    await this.joined(2);
    await this.send(300);
    await this.allStored();
    return [a, b];
  }

  async joined(instances: number): Promise<void> {
    await until(
      `${instances} have joined`,
      async () => (await this.number('SELECT uniqExact(instance) AS n FROM kw.claims')) >= instances,
    );
  }

  /** The orderly end. */
  async end(instance: Instance): Promise<void> {
    instance.child.kill('SIGTERM');
    await until('the instance ended', () => hasEnded(instance));
    this.#running = this.#running.filter((i) => i !== instance);
    if (instance.child.exitCode !== 0)
      throw new Error(`${instance.name} ended with ${instance.child.exitCode}: ${instance.log()}`);
  }

  /** Those that do not keep the log first. */
  async endAll(): Promise<void> {
    const keeper = await this.keeper();
    for (const instance of this.#running) if (instance !== keeper) await this.end(instance);
    await this.end(keeper);
  }

  /** Killed, or ended by itself: nobody waits for it any more. */
  async kill(instance: Instance): Promise<void> {
    instance.child.kill('SIGKILL');
    await until('it is gone', () => hasEnded(instance));
    this.#running = this.#running.filter((i) => i !== instance);
  }

  async number(sql: string): Promise<number> {
    return Number(Object.values((await this.engine.rows(sql))[0] ?? {})[0]);
  }

  get ofTopic(): string {
    return `stream = 'main.${this.topic}'`;
  }

  metaCount(kind: string): Promise<number> {
    return this.number(`SELECT count() AS n FROM kw.meta WHERE kind = '${kind}'`);
  }

  async allStored(): Promise<void> {
    const all = this.sent * this.partitions;
    const sql = `SELECT uniqExact(partition, offset) AS n FROM kw.records WHERE ${this.ofTopic}`;
    await until(`${all} records are stored`, async () => {
      const dead = this.#running.find(hasEnded);
      if (dead !== undefined) throw new Error(`${dead.name} ended: ${dead.log()}`);
      // A store that is ill has not got them.
      return (await this.number(sql).catch(() => 0)) === all;
    });
  }

  /** Who keeps the log now, by what they say of themselves. */
  async keeper(of: readonly Instance[] = this.#running): Promise<Instance> {
    for (const end = Date.now() + patienceMs; Date.now() < end; await sleep(100)) {
      for (const instance of of) if ((await instance.metric('control')) === 1) return instance;
    }
    throw new Error('nobody keeps the log');
  }

  verify(name: string): { exit: number | null; rows: Record<string, unknown>[] } {
    const words = [
      '--import',
      'tsx',
      join(packageRoot, 'src/main.ts'),
      'verify',
      '--json',
      '--config',
      this.#config(name),
    ];
    const { status, stdout } = spawnSync(process.execPath, words, { encoding: 'utf8' });
    const texts = stdout
      .trimEnd()
      .split('\n')
      .filter((l) => l !== '');
    return { exit: status, rows: texts.map((l) => JSON.parse(l) as Record<string, unknown>) };
  }

  /** After the orderly end of all: what is not as it must be, in words. The whole log must be there, once. */
  async faults(name: string): Promise<string[]> {
    const wrong: string[] = [];
    const say = (what: string, got: unknown, must: unknown) => {
      if (String(got) !== String(must)) wrong.push(`${what}: ${String(got)}, not ${String(must)}`);
    };
    const at = 'stream, partition, epoch, offset, idx';
    const derived = (columns: string) =>
      `SELECT ${columns} FROM kw.events UNION ALL SELECT ${columns} FROM kw.set_aside`;
    const key = 'stream, partition, epoch, offset';
    say(
      'records',
      await this.number(`SELECT count() AS n FROM kw.records WHERE ${this.ofTopic}`),
      this.sent * this.partitions,
    );
    say(
      'records without a row',
      await this.number(
        `SELECT count() AS n FROM kw.records AS r LEFT ANTI JOIN (${derived(key)}) AS d USING (${key})`,
      ),
      0,
    );
    say(
      'rows of one part',
      await this.number(`SELECT max(n) AS m FROM (SELECT count() AS n FROM (${derived(at)}) GROUP BY ${at})`),
      1,
    );
    say(
      'hits stored twice',
      await this.number(
        `SELECT count() AS n FROM (SELECT 1 FROM kw.hits GROUP BY rule, ${at} HAVING count() > 1)`,
      ),
      0,
    );
    const { exit, rows } = this.verify(name);
    say(
      'verify',
      [exit, ...rows.filter((r) => r.kind !== 'tree').map((r) => r.verdict ?? r.class)].join(),
      '0,intact',
    );
    say(
      'the last meta leaf',
      (await this.engine.rows('SELECT argMax(kind, `index`) AS kind FROM kw.meta'))[0]?.kind,
      'stop',
    );
    const expected = this.#rootsOfTopic();
    const ours = rows.filter((r) => r.kind === 'tree' && r.stream === `main.${this.topic}`);
    const signed = await this.engine.rows(
      `SELECT toUInt32(splitByChar('/', origin)[-2]) AS partition, base64Encode(argMax(root, size)) AS root FROM kw.checkpoints WHERE position(origin, '/main.${this.topic}/') > 0 GROUP BY origin`,
    );
    for (const { partition, root } of expected) {
      say(`root of ${partition}`, ours.find((r) => r.partition === partition)?.root, root);
      say(`signed root of ${partition}`, signed.find((r) => Number(r.partition) === partition)?.root, root);
    }
    return wrong;
  }

  /** As a stranger with the topic would compute them, in a process and with code of its own. */
  #rootsOfTopic(): readonly ReplayedRoot[] {
    const script = join(packageRoot, 'test/campaign/independent.ts');
    const words = [
      '--import',
      'tsx',
      script,
      this.addresses.join(),
      this.topic,
      String(this.sent * this.partitions),
    ];
    const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as ReplayedRoot[];
  }

  async close(): Promise<void> {
    for (const { child } of this.#running) if (child.exitCode === null) child.kill('SIGKILL');
    await this.engine.close();
    await this.server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
