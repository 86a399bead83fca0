import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { brokerProperties, freePort, launch, terminate, waitForPort } from './kafkaProcess.ts';

/** The release the tests and the compose file agree on. */
export const kafkaVersion = '4.3.1';

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>keywitness.test</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
`;

/** A lock older than this was left behind by a killed run: downloading on a slow line takes a minute or two. */
const lockStaleMs = 10 * 60_000;

export interface KafkaHome {
  readonly libs: string;
  /** Class-data archive: a broker opens its port in 1.2 s instead of 3. */
  readonly archive: string;
  /** A formatted, empty log directory to copy: formatting is a second JVM start otherwise. */
  readonly formatted: string;
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, program)));
}

function cacheDir(): string {
  return join(
    process.env.KEYWITNESS_CACHE ?? join(homedir(), '.cache', 'keywitness'),
    `kafka-${kafkaVersion}`,
  );
}

/** Why no broker can be had here; '' when one can. */
export function kafkaMissing(): string {
  if (!onPath('java')) return 'java is not installed';
  if (!existsSync(join(cacheDir(), 'ready')) && !onPath('mvn')) return 'mvn is not installed';
  return '';
}

/** Downloads and prepares Kafka once a machine; afterwards returns at once. */
export async function kafkaHome(): Promise<KafkaHome> {
  const dir = cacheDir();
  const home = {
    libs: join(dir, 'libs'),
    archive: join(dir, 'kafka.jsa'),
    formatted: join(dir, 'formatted'),
  };
  mkdirSync(dir, { recursive: true });
  const lock = join(dir, 'lock');
  while (!existsSync(join(dir, 'ready'))) {
    try {
      mkdirSync(lock);
    } catch {
      const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > lockStaleMs) rmSync(lock, { recursive: true, force: true });
      await sleep(250);
      continue;
    }
    try {
      await prepare(dir, home);
      writeFileSync(join(dir, 'ready'), '');
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return home;
}

async function prepare(dir: string, home: KafkaHome): Promise<void> {
  const work = join(dir, 'preparing');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'pom.xml'), pom);
  run('mvn', ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${join(work, 'libs')}`], work);
  rmSync(home.libs, { recursive: true, force: true });
  renameSync(join(work, 'libs'), home.libs);

  const ports = { port: await freePort(), controllerPort: await freePort() };
  const data = join(work, 'data');
  const properties = join(work, 'server.properties');
  writeFileSync(properties, brokerProperties({ ...ports, data }));
  const classpath = join(home.libs, '*');
  formatStorage(home.libs, data, properties);
  rmSync(home.formatted, { recursive: true, force: true });
  run('cp', ['-r', data, home.formatted], work);

  const flags = [`-XX:ArchiveClassesAtExit=${join(work, 'kafka.jsa')}`];
  const pid = launch({ classpath, properties, flags, log: join(work, 'broker.log') });
  await waitForPort(ports.port, 60_000);
  await terminate(pid, 60_000);
  renameSync(join(work, 'kafka.jsa'), home.archive);
  rmSync(work, { recursive: true, force: true });
}

/** A log directory that is empty and belongs to these properties: one more start of Java. */
export function formatStorage(
  libs: string,
  data: string,
  properties: string,
  more: readonly string[] = [],
): void {
  rmSync(data, { recursive: true, force: true });
  const words = ['kafka.tools.StorageTool', 'format', '-t', 'AAAAAAAAAAAAAAAAAAAAAQ', '-c', properties];
  run('java', ['-cp', join(libs, '*'), ...words, ...more], dirname(properties));
}

function run(program: string, args: readonly string[], cwd: string): void {
  const done = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (done.status !== 0) {
    throw new Error(`${program} ${args.join(' ')} ended with ${done.status}: ${done.stdout}${done.stderr}`);
  }
}
