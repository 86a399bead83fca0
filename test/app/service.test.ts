import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runService } from '../../src/app/service.ts';
import { loadConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/core/clock.ts';
import { openEmbedded } from '../../src/store/client.ts';
import { lockDataDir } from '../../src/store/lock.ts';
import { createTelemetry } from '../../src/telemetry/telemetry.ts';
import { freePort } from '../support/kafkaProcess.ts';
import { until } from '../support/wait.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-service-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const token = 'a-token-of-this-test-only-0123456789abcdef';

/** The service in this process, on a configuration file as an operator writes it. */
function run(name: string, ports: { listen: number; http: number; smtp: number }) {
  const data = join(folder, name);
  const file = join(folder, `${name}.yaml`);
  writeFileSync(
    file,
    `data: ${data}
listen: 127.0.0.1:${ports.listen}
http:
  listen: 127.0.0.1:${ports.http}
  streams: [{ name: vault, source: vault, tokens: ["sha256:${createHash('sha256').update(token).digest('hex')}"] }]
notify:
  email: { smtp: "smtp://127.0.0.1:${ports.smtp}", from: keywitness@example.com, to: security@example.com }
`,
  );
  const stop = new AbortController();
  const ended = runService({
    config: loadConfig(file),
    telemetry: createTelemetry(),
    clock: systemClock,
    openStore: () => openEmbedded(join(data, 'store')),
    stop: stop.signal,
  });
  return { data, stop, ended };
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A root token at work, as OpenBao wrote it: one alert. */
const rootToken = readFileSync(join(import.meta.dirname, '../fixtures/thread/openbao-root-token.ndjson'));

describe('the service', () => {
  it('lets go of everything when its address is taken', async () => {
    const other = createServer();
    const listen = await listening(other);
    const { data, ended } = run('taken', { listen, http: await freePort(), smtp: 1 });
    await expect(ended).rejects.toThrow('KW_LISTEN');
    // The data directory is free, and the engine is closed: it opens again in this process.
    lockDataDir(data)();
    await (await openEmbedded(join(data, 'store'))).close();
    other.close();
  });

  it('ends within 10 s although a receiver of messages hangs, and keeps the message', async () => {
    let connections = 0;
    const hanging = createServer(() => {
      connections += 1;
    });
    const ports = { listen: await freePort(), http: await freePort(), smtp: await listening(hanging) };
    const { data, stop, ended } = run('hanging', ports);
    const health = () =>
      fetch(`http://127.0.0.1:${ports.listen}/readyz`).then(
        (r) => r.ok,
        () => false,
      );
    await until('the service is ready', health);
    const answer = await fetch(`http://127.0.0.1:${ports.http}/ingest/vault`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
      body: rootToken,
    });
    expect(answer.status).toBe(202);
    await until('a mail is on its way', () => connections > 0, 10_000);
    const before = Date.now();
    stop.abort();
    await ended;
    expect(Date.now() - before).toBeLessThan(10_000);
    const engine = await openEmbedded(join(data, 'store'));
    const rows = await engine.rows(
      "SELECT argMax(state, seq) AS state FROM kw.deliveries WHERE channel = 'email' GROUP BY key",
    );
    await engine.close();
    expect(new Set(rows.map((r) => r.state))).toEqual(new Set(['pending']));
    hanging.close();
  }, 40_000);
});
