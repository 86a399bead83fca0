import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatStorage, kafkaHome } from './kafkaHome.ts';
import { brokerProperties, freePort, isAlive, launch, terminate, waitForPort } from './kafkaProcess.ts';

/** What a test may add to before the broker starts. */
export interface BrokerFiles {
  readonly dir: string;
  readonly data: string;
  readonly properties: string;
  readonly port: number;
  readonly controllerPort: number;
  readonly libs: string;
}

/** A real Apache Kafka broker with a data directory and port of its own, for tests that stop or kill it. */
export class Broker {
  readonly address: string;
  readonly dir: string;
  readonly #port: number;
  readonly #launch: () => number;
  #pid = 0;

  private constructor(dir: string, port: number, launchBroker: () => number) {
    this.dir = dir;
    this.#port = port;
    this.address = `127.0.0.1:${port}`;
    this.#launch = launchBroker;
  }

  /** Prepared but not started: the port is known and nobody listens on it. */
  static async prepare(
    dir = mkdtempSync(join(tmpdir(), 'keywitness-kafka-')),
    prepareMore: (at: BrokerFiles) => Promise<void> = async () => {},
  ): Promise<Broker> {
    const home = await kafkaHome();
    mkdirSync(dir, { recursive: true });
    const data = join(dir, 'data');
    const properties = join(dir, 'server.properties');
    cpSync(home.formatted, data, { recursive: true });
    const port = await freePort();
    const controllerPort = await freePort();
    writeFileSync(properties, brokerProperties({ port, controllerPort, data }));
    await prepareMore({ dir, data, properties, port, controllerPort, libs: home.libs });
    const flags = existsSync(home.archive) ? [`-XX:SharedArchiveFile=${home.archive}`] : [];
    const options = { classpath: join(home.libs, '*'), properties, flags, log: join(dir, 'broker.log') };
    return new Broker(dir, port, () => launch(options));
  }

  static async start(dir?: string): Promise<Broker> {
    const broker = await Broker.prepare(dir);
    await broker.start();
    return broker;
  }

  get pid(): number {
    return this.#pid;
  }

  async start(): Promise<void> {
    this.#pid = this.#launch();
    writeFileSync(join(this.dir, 'broker.pid'), String(this.#pid));
    await waitForPort(this.#port, 60_000);
  }

  /** Orderly end; the data directory stays, so `start` continues where it was. */
  async stop(): Promise<void> {
    if (this.#pid > 0) await terminate(this.#pid);
    this.#pid = 0;
  }

  /** Without a goodbye: what it had told nobody yet is on its disk or gone. */
  async kill(): Promise<void> {
    process.kill(this.#pid, 'SIGKILL');
    while (isAlive(this.#pid)) await sleep(20);
    this.#pid = 0;
  }

  /** Alive and deaf, as a machine that swaps. */
  pause(): void {
    process.kill(this.#pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.#pid, 'SIGCONT');
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Three brokers that elect a controller and replicate each topic three times; the index is the node's id - 1. */
export async function startCluster(): Promise<Broker[]> {
  const files: BrokerFiles[] = [];
  const nodes: Broker[] = [];
  for (const _ of [1, 2, 3]) nodes.push(await Broker.prepare(undefined, async (at) => void files.push(at)));
  const voters = files.map((f, i) => `${i + 1}@127.0.0.1:${f.controllerPort}`).join();
  for (const [i, { libs, data, properties }] of files.entries()) {
    appendFileSync(
      properties,
      `node.id=${i + 1}
controller.quorum.voters=${voters}
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
`,
    );
    formatStorage(libs, data, properties);
  }
  // A node alone waits for the others.
  await Promise.all(nodes.map((node) => node.start()));
  return nodes;
}

/**
 * The broker all test files of one run share: the first that asks starts it, the others wait for its address.
 * `runDir` is made and removed by the global setup.
 */
export async function sharedBroker(runDir: string): Promise<string> {
  const ready = join(runDir, 'address');
  try {
    mkdirSync(join(runDir, 'starting'));
  } catch {
    const until = Date.now() + 180_000;
    while (!existsSync(ready)) {
      if (Date.now() > until) throw new Error('the shared Kafka broker did not come up within 180 s');
      await sleep(100);
    }
    return readFileSync(ready, 'utf8');
  }
  const broker = await Broker.start(join(runDir, 'broker'));
  writeFileSync(ready, broker.address);
  return broker.address;
}

/** Ends the shared broker by the PID it left. */
export async function stopSharedBroker(runDir: string): Promise<void> {
  const pidFile = join(runDir, 'broker', 'broker.pid');
  if (existsSync(pidFile)) {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    if (isBrokerOf(runDir, pid)) await terminate(pid);
  }
  rmSync(runDir, { recursive: true, force: true });
}

/** A PID may have been given to another process since: only one that names the run's directory is its broker. */
function isBrokerOf(runDir: string, pid: number): boolean {
  if (!isAlive(pid)) return false;
  const commandLine = `/proc/${pid}/cmdline`;
  // Without /proc (macOS) the PID file alone decides.
  return !existsSync(commandLine) || readFileSync(commandLine, 'utf8').includes(runDir);
}
