/** What a broker's fault is set in: topics with real records, the service in this process, and an oracle. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import type { Producer } from 'kafkajs';
import { kafkaOptions } from '../../src/app/kafkaOptions.ts';
import { type ReplayedTree, replayTopics } from '../../src/app/replay.ts';
import { runService } from '../../src/app/service.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/core/clock.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { openTopicReader } from '../../src/intake/kafkaReplay.ts';
import type { VerifyReport } from '../../src/ledger/audit/findings.ts';
import { verifyStore } from '../../src/ledger/audit/verify.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { capture } from '../support/capture.ts';
import type { StandIn } from '../support/clickhouse.ts';
import { independentRoot } from '../support/independentRoot.ts';
import { freshTopic, kafkaClient, withAdmin } from '../support/kafka.ts';
import { freePort } from '../support/kafkaProcess.ts';
import { until } from '../support/wait.ts';

const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
  .toString('utf8')
  .trimEnd()
  .split('\n');

interface Running {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  readonly port: number;
  readonly log: ReturnType<typeof capture>;
}

/** What the store must hold of one tree. */
interface ExpectedTree {
  readonly leaves: Map<bigint, Buffer>;
}

export class BrokerWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'keywitness-broker-'));
  readonly data = join(this.folder, 'data');
  readonly file = join(this.folder, 'keywitness.yaml');
  readonly topic: string;
  readonly addresses: readonly string[];
  readonly #trees = new Map<string, ExpectedTree>();
  #producer: Producer;
  #epoch = 0;
  #line = 0;
  #running: Running | undefined;
  #storedBefore = 0;
  #logged: Record<string, unknown>[] = [];

  /** Absent: the embedded engine. */
  readonly #server: StandIn | undefined;

  private constructor(addresses: readonly string[], topic: string, server: StandIn | undefined) {
    this.#server = server;
    this.addresses = addresses;
    this.topic = topic;
    this.#producer = newProducer(addresses);
  }

  /** After the topic became another one: what a producer knows of it is of the old. */
  async reconnect(): Promise<void> {
    await this.#producer.disconnect();
    this.#producer = newProducer(this.addresses);
    await this.#producer.connect();
  }

  /** The end of each partition that was produced to, in the present epoch. */
  async ends(): Promise<bigint[]> {
    const offsets = await withAdmin(this.addresses, (admin) => admin.fetchTopicOffsets(this.topic));
    return offsets.toSorted((a, b) => a.partition - b.partition).map((o) => BigInt(o.high));
  }

  static async open(addresses: readonly string[], partitions = 2, server?: StandIn): Promise<BrokerWorld> {
    const world = new BrokerWorld(addresses, await freshTopic(addresses, partitions), server);
    await world.#producer.connect();
    return world;
  }

  get group(): string {
    return `g-${this.topic}`;
  }

  get config(): Config {
    return loadConfig(this.file);
  }

  /** Real records, and what the ledger must make of them. Their offsets are the broker's word. */
  async produce(count: number, partition = 0): Promise<{ first: bigint; last: bigint }> {
    const timestamp = 1_780_000_000_000 + this.#line;
    const values = Array.from({ length: count }, (_, i) => lines[(this.#line + i) % lines.length] as string);
    this.#line += count;
    const [acked] = await this.#producer.send({
      topic: this.topic,
      messages: values.map((value) => ({ value, partition, timestamp: String(timestamp) })),
    });
    const first = BigInt(acked?.baseOffset ?? -1);
    const tree = this.#tree(partition);
    for (const [i, value] of values.entries()) {
      const offset = first + BigInt(i);
      tree.leaves.set(offset, this.#leaf(partition, offset, timestamp, value));
    }
    return { first, last: first + BigInt(count) - 1n };
  }

  /** The topic is another one from here on. */
  beginEpoch(): void {
    this.#epoch++;
  }

  /** These never reach the store: the broker deleted them before they were read. */
  lose(partition: number, first: bigint, last: bigint): void {
    for (let offset = first; offset <= last; offset++) this.#tree(partition).leaves.delete(offset);
  }

  /** How many records the store must hold. */
  get expected(): number {
    return [...this.#trees.values()].reduce((n, tree) => n + tree.leaves.size, 0);
  }

  #tree(partition: number): ExpectedTree {
    const name = `main.${this.topic}/${partition}/${this.#epoch}`;
    const tree = this.#trees.get(name) ?? { leaves: new Map() };
    this.#trees.set(name, tree);
    return tree;
  }

  /** docs/ledger.md, "Leaf text v1". */
  #leaf(partition: number, offset: bigint, timestamp: number, value: string): Buffer {
    const nothing = createHash('sha256').digest('hex');
    const hash = createHash('sha256').update(value).digest('hex');
    const text =
      `keywitness-leaf/v1\nmain\n${this.topic}\n${partition}\n${this.#epoch}\n${offset}\n${timestamp}\n` +
      `${nothing}\n${nothing}\n${hash}\n1\n`;
    return createHash('sha256').update(`\0${text}`).digest();
  }

  async start(): Promise<void> {
    const port = await freePort();
    writeFileSync(
      this.file,
      `data: ./data
listen: 127.0.0.1:${port}
cluster: main
${this.#server === undefined ? '' : `store: { url: "${this.#server.url}" }`}
kafka:
  brokers: ${JSON.stringify(this.addresses)}
  groupId: ${this.group}
  topics: [{ name: ${this.topic}, source: vault }]
`,
    );
    const log = capture();
    const stop = new AbortController();
    const ended = runService({
      config: this.config,
      telemetry: log.telemetry,
      clock: systemClock,
      openStore: () => this.openStore(),
      stop: stop.signal,
    });
    ended.catch(() => {});
    this.#running = { stop, ended, port, log };
  }

  openStore(): Promise<Engine> {
    // A service that waits for an answer for half a minute makes a short test long.
    return this.#server?.open({ requestTimeoutMs: 5_000 }) ?? openEmbedded(join(this.data, 'store'));
  }

  /** Lines of the service's log, of all its runs. */
  logged(event: string): Record<string, unknown>[] {
    const now = this.#running?.log.lines() ?? [];
    return [...this.#logged, ...now].filter((line) => line.event === event);
  }

  async health(): Promise<string> {
    const port = this.#running?.port ?? 0;
    return fetch(`http://127.0.0.1:${port}/healthz`).then(
      (r) => r.text(),
      () => '',
    );
  }

  /** Records stored since the start of this run, by its own count. */
  async #storedNow(): Promise<number> {
    const metric = await this.#running?.log.telemetry.metrics.records.get();
    return (metric?.values ?? []).reduce((n, v) => n + v.value, 0);
  }

  /** Waits until everything that is expected is stored. */
  async caughtUp(timeoutMs = 90_000): Promise<void> {
    const isDone = async () => (await this.#stored()) >= this.expected;
    await until(`${this.expected} records are stored`, isDone, timeoutMs);
  }

  /** By the service's own count, or by the store's where anybody may ask it. */
  async #stored(): Promise<number> {
    if (this.#server === undefined) return this.#storedBefore + (await this.#storedNow());
    const engine = await this.openStore();
    const sql = 'SELECT uniqExact(stream, partition, epoch, offset) AS n FROM kw.records';
    try {
      return Number((await engine.rows(sql))[0]?.n ?? 0);
    } catch {
      // No table yet, or a store that is ill: that is what it is about.
      return 0;
    } finally {
      await engine.close();
    }
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    // The alert of a fault is stored with the next round of detection.
    await sleep(1_500);
    running.stop.abort();
    await running.ended;
    this.#logged.push(...running.log.lines());
    this.#storedBefore += await this.#storedNow();
    this.#running = undefined;
  }

  /** After a stop: everything that is not as it must be, in words. */
  async faults(wanted: { gaps: number; alerts: readonly string[] }): Promise<string[]> {
    const { report, replayed, alerts } = await this.#look();
    const wrong: string[] = [];
    const say = (what: string, got: unknown, must: unknown) => {
      if (String(got) !== String(must)) wrong.push(`${what}: ${String(got)}, not ${String(must)}`);
    };
    say('exit of verify', report.exit, 0);
    const gaps = report.findings.filter((f) => f.class === 'gap');
    say('gaps listed', gaps.length, wanted.gaps);
    say('other findings', report.findings.length - gaps.length, 0);
    const records = report.trees.reduce((n, t) => n + t.records, 0);
    say('records', records, this.expected);
    const trees = [...this.#trees].filter(([, tree]) => tree.leaves.size > 0);
    say('trees', report.trees.length, trees.length);
    for (const [name, tree] of trees) {
      const found = report.trees.find((t) => `${t.stream}/${t.partition}/${t.epoch}` === name);
      const sorted = [...tree.leaves].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, leaf]) => leaf);
      const root = independentRoot(sorted).toString('base64');
      say(`root of ${name}`, found?.root, root);
      const replay = replayed.find((t) => `${t.stream}/${t.partition}/${t.epoch}` === name);
      const isNewest = !trees.some(([other]) => isNewerEpoch(other, name));
      say(`replay of ${name}`, replay?.status, isNewest ? 'same' : 'past');
      if (isNewest) say(`replayed root of ${name}`, replay?.root, root);
    }
    say('alerts', [...new Set(alerts)].sort().join(), [...wanted.alerts].sort().join());
    return wrong;
  }

  async #look(): Promise<{ report: VerifyReport; replayed: ReplayedTree[]; alerts: string[] }> {
    const { config } = this;
    if (config.kafka === undefined) throw new Error('the configuration has a topic');
    const engine = await this.openStore();
    const reader = await openTopicReader(kafkaOptions(config.cluster, config.kafka), this.group);
    try {
      const at = { dataDir: this.data, anchorFile: config.anchor, now: Date.now() };
      const report = await verifyStore({ engine, ...at });
      const replayed = await replayTopics({
        engine,
        logId: report.logId,
        cluster: config.cluster,
        reader,
      });
      const rows = await engine.rows(
        "SELECT DISTINCT rule FROM kw.alerts WHERE startsWith(rule, 'keywitness.') AND severity IN ('critical', 'high')",
      );
      return { report, replayed, alerts: rows.map((r) => String(r.rule)) };
    } finally {
      await reader.close();
      await engine.close();
    }
  }

  async close(): Promise<void> {
    await this.stop().catch(() => {});
    await this.#producer.disconnect();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A retry after a lost answer must not put a record into the topic twice: the oracle counts them. */
function newProducer(addresses: readonly string[]): Producer {
  return kafkaClient(addresses).producer({ idempotent: true, maxInFlightRequests: 1 });
}

function isNewerEpoch(a: string, b: string): boolean {
  const [, ofA = '', epochA = ''] = /^(.*)\/(\d+)$/.exec(a) ?? [];
  const [, ofB = '', epochB = ''] = /^(.*)\/(\d+)$/.exec(b) ?? [];
  return ofA === ofB && Number(epochA) > Number(epochB);
}
