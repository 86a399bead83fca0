import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { Secret } from '../../src/core/secret.ts';
import type { Intake } from '../../src/intake/intake.ts';
import { type KafkaOptions, startKafka } from '../../src/intake/kafka.ts';
import { capture } from '../support/capture.ts';
import { describeKafka, freshTopic, produce, withAdmin } from '../support/kafka.ts';
import { freePort } from '../support/kafkaProcess.ts';
import { type SecureBroker, startSecureBroker } from '../support/kafkaSecure.ts';
import { MemorySink } from '../support/memorySink.ts';
import { until } from '../support/wait.ts';

const password = 'correct-horse-7f3a';
const wrong = 'battery-staple-91c2';
const mechanisms = ['scram-sha-512', 'scram-sha-256', 'plain'] as const;

describeKafka(
  'a broker with TLS and a login',
  () => {
    let secure: SecureBroker;
    let topic: string;
    const running: Intake[] = [];
    const folder = mkdtempSync(join(tmpdir(), 'keywitness-secure-'));
    beforeAll(async () => {
      secure = await startSecureBroker(password);
      topic = await freshTopic([secure.address]);
      await produce([secure.address], topic, [{ value: 'a' }, { value: 'b' }]);
    });
    afterEach(async () => {
      await Promise.all(running.splice(0).map((intake) => intake.stop()));
    });
    afterAll(async () => {
      await secure.broker.remove();
      rmSync(folder, { recursive: true, force: true });
    });

    let starts = 0;
    function start(how: Partial<KafkaOptions>) {
      const sink = new MemorySink();
      const log = capture();
      const group = `secure-${starts++}`;
      const brokers = [how.sasl === undefined ? secure.tlsAddress : secure.saslAddress];
      const topics = { names: [topic], patterns: [] };
      const intake = startKafka({ cluster: 'c', brokers, topics, group, ...how }, sink, log.telemetry);
      intake.ended.catch(() => {});
      running.push(intake);
      return { sink, log, group };
    }
    const login = (mechanism: (typeof mechanisms)[number], secret: string) => ({
      mechanism,
      username: 'ingest',
      password: new Secret(secret),
    });
    const errorsOf = (log: ReturnType<typeof capture>) =>
      log.lines().filter((line) => line.level === 'error');

    /** Nothing of the password, nor of what PLAIN sends. */
    function expectNoSecret(text: string, secret: string): void {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(Buffer.from(`\0ingest\0${secret}`).toString('base64'));
      expect(text).not.toContain(Buffer.from(secret).toString('base64').replace(/=+$/, ''));
    }

    test('is read over TLS alone', async () => {
      const { sink, log } = start({ tls: { ca: secure.ca } });
      await until('both are stored', () => sink.stored.length === 2);
      expect(errorsOf(log)).toEqual([]);
    });

    test.each(mechanisms)('is read with %s', async (mechanism) => {
      const { sink, log } = start({ tls: { ca: secure.ca }, sasl: login(mechanism, password) });
      await until('both are stored', () => sink.stored.length === 2);
      expect(sink.values()).toEqual(['a', 'b']);
      expect(errorsOf(log)).toEqual([]);
      expectNoSecret(log.text(), password);
    });

    test.each(mechanisms)(
      'refuses a wrong password (%s): one clear line, no member, no secret',
      async (mechanism) => {
        const { sink, log, group } = start({ tls: { ca: secure.ca }, sasl: login(mechanism, wrong) });
        await until('it is told', () => errorsOf(log).length > 0);
        expect(errorsOf(log)).toMatchObject([{ event: 'broker_unreachable', code: 'KW_BROKER' }]);
        expect(String(errorsOf(log)[0]?.reason)).toMatch(
          /SASL.*authentication failed|Authentication failed/i,
        );
        expect(sink.stored).toEqual([]);
        expect(await stateOf(group)).toBe('Dead');
        expectNoSecret(log.text(), wrong);
      },
    );

    test('whose authority is not ours is not spoken to, named or the system’s: one clear line, no member, no password sent', async () => {
      const named = start({ tls: { ca: secure.otherCa }, sasl: login('plain', password) });
      const ofSystem = start({ tls: true });
      for (const { sink, log, group } of [named, ofSystem]) {
        await until('it is told', () => errorsOf(log).length > 0);
        expect(errorsOf(log)).toMatchObject([{ event: 'broker_unreachable', code: 'KW_BROKER' }]);
        expect(String(errorsOf(log)[0]?.reason)).toMatch(/certificate/);
        expect(sink.stored).toEqual([]);
        expect(await stateOf(group)).toBe('Dead');
        expectNoSecret(log.text(), password);
      }
    });

    async function stateOf(group: string): Promise<string | undefined> {
      const { groups } = await withAdmin([secure.address], (admin) => admin.describeGroups([group]));
      return groups[0]?.state;
    }

    test('is configured in keywitness.yaml, with the password in the environment', async () => {
      writeFileSync(join(folder, 'ca.pem'), secure.ca);
      const port = await freePort();
      const config = join(folder, 'keywitness.yaml');
      writeFileSync(
        config,
        `data: ./data
listen: 127.0.0.1:${port}
kafka:
  brokers: ["${secure.saslAddress}"]
  groupId: of-the-service
  topics: [{ name: ${topic} }]
  ssl: { ca: ./ca.pem }
  sasl: { mechanism: scram-sha-512, username: ingest, password: "\${KAFKA_PASSWORD}" }
`,
      );
      const words = ['--import', 'tsx', join(packageRoot, 'src/main.ts'), 'run', '--config', config];
      const env = { ...process.env, UV_THREADPOOL_SIZE: '16', KAFKA_PASSWORD: password };
      const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'ignore', 'pipe'] });
      let log = '';
      child.stderr.on('data', (chunk) => {
        log += String(chunk);
      });
      try {
        await until('both are stored', async () => {
          if (child.exitCode !== null) throw new Error(log);
          const text = await fetch(`http://127.0.0.1:${port}/metrics`).then(
            (r) => r.text(),
            () => '',
          );
          return /^keywitness_records_total\{[^}]*\} 2$/m.test(text);
        });
      } finally {
        child.kill('SIGTERM');
        await until('the service ended', () => child.exitCode !== null, 15_000);
      }
      expect(child.exitCode).toBe(0);
      expectNoSecret(log, password);
    });
  },
  { ownBroker: true },
);
