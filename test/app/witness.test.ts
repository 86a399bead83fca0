import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runService } from '../../src/app/service.ts';
import { withWitnesses, witnessTrust } from '../../src/cli/verify/witnesses.ts';
import { loadConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/core/clock.ts';
import { newestCheckpoint, proveEvent } from '../../src/ledger/audit/prove.ts';
import { verifyStore } from '../../src/ledger/audit/verify.ts';
import type { WitnessTrust } from '../../src/ledger/audit/witnessed.ts';
import { type LogIdentity, readIdentity } from '../../src/ledger/keys.ts';
import { verifyOffline } from '../../src/ledger/offline.ts';
import { readPolicy } from '../../src/ledger/policy.ts';
import { openEmbedded } from '../../src/store/client.ts';
import { capture } from '../support/capture.ts';
import { freePort } from '../support/kafkaProcess.ts';
import { cosignedTime, vkeyOf } from '../support/toyLog.ts';
import { until } from '../support/wait.ts';
import { startWitness, type WitnessProcess } from '../support/witnessProcess.ts';

/** A service, a witness that is a process of its own, and somebody who puts back an older copy of everything local. */
const token = 'a-token-of-this-test-only-0123456789abcdef';
/** Records as OpenBao wrote them. */
const records = readFileSync(
  join(import.meta.dirname, '../fixtures/thread/openbao-root-token.ndjson'),
  'utf8',
)
  .trimEnd()
  .split('\n');

let folder: string;
let data: string;
let witness: WitnessProcess;
let knownLogs: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keywitness-rollback-'));
  data = join(folder, 'data');
  knownLogs = join(folder, 'logs.txt');
  const files = ['--key', join(folder, 'w.pem'), '--state', join(folder, 'w.state')];
  witness = await startWitness([...files, '--keys', knownLogs, '--name', 'witness.example/w1']);
}, 60_000);
afterAll(async () => {
  await witness?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** One run of the service, to an orderly end. */
async function serve(during: (at: { readonly listen: string; readonly http: string }) => Promise<void>) {
  const [listen, http] = [await freePort(), await freePort()];
  const file = join(folder, 'keywitness.yaml');
  const hash = createHash('sha256').update(token).digest('hex');
  writeFileSync(
    file,
    `data: ${data}
listen: 127.0.0.1:${listen}
http:
  listen: 127.0.0.1:${http}
  streams: [{ name: vault, source: vault, tokens: ["sha256:${hash}"] }]
anchors:
  witness: [{ url: "${witness.url}", key: ${witness.vkey} }]
`,
  );
  const stop = new AbortController();
  const log = capture();
  const ended = runService({
    config: loadConfig(file),
    telemetry: log.telemetry,
    clock: systemClock,
    openStore: () => openEmbedded(join(data, 'store')),
    stop: stop.signal,
  });
  const at = { listen: `http://127.0.0.1:${listen}`, http: `http://127.0.0.1:${http}` };
  const isReady = () =>
    fetch(`${at.listen}/readyz`).then(
      (r) => r.ok,
      () => false,
    );
  await Promise.race([until('the service is ready', isReady), ended]);
  await during(at).finally(() => stop.abort());
  await ended;
  return log;
}

async function post(http: string, lines: readonly string[]): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' };
  const answer = await fetch(`${http}/ingest/vault`, {
    method: 'POST',
    headers,
    body: `${lines.join('\n')}\n`,
  });
  expect(answer.status).toBe(202);
}

const text = (url: string) => fetch(url).then((r) => r.text());

const copies = ['data', 'data.anchor'];
const copyTo = (from: string, to: string) => {
  for (const name of copies) {
    rmSync(join(to, name), { recursive: true, force: true });
    cpSync(join(from, name), join(to, name), { recursive: true });
  }
};

describe('a log with a witness', { timeout: 120_000 }, () => {
  it('is cosigned, proves it to a stranger, and cannot be rolled back unheard', async () => {
    // The witness does not know the log yet: the log says so and goes on.
    const first = await serve(async ({ listen, http }) => {
      await until('the refusal shows', async () =>
        (await text(`${listen}/healthz`)).startsWith('impaired\n'),
      );
      expect(await text(`${listen}/healthz`)).toMatch(
        /^impaired\nwitness\.example\/w1: KW_WITNESS: .* 404: /,
      );
      expect(await text(`${listen}/metrics`)).toContain(
        'keywitness_anchor_up{anchor="witness.example/w1"} 0',
      );
      const { logId, publicKey } = readIdentity(data) as LogIdentity;
      const vkey = vkeyOf(`keywitness/${logId}/meta`, 1, publicKey);
      // What the operator must do stands there, ready to be pasted.
      expect(await text(`${listen}/healthz`)).toContain(`: ${vkey}\n`);
      writeFileSync(knownLogs, `${vkey}\n`);
      await post(http, records.slice(0, 1));
    });
    expect(first.lines().map((l) => l.event)).toContain('anchor_recovered');
    await expectCosignedEnd();
    const [intact, exposure] = await verified();
    expect(intact).toEqual([0, undefined]);
    expect(Date.now() - (exposure.newestWitnessed ?? 0)).toBeLessThan(10_000);

    const kept = join(folder, 'kept');
    copyTo(folder, kept);
    await serve(({ http }) => post(http, records.slice(1)));
    await expectCosignedEnd();

    copyTo(kept, folder);
    // Everything local agrees with itself; only the witness knows.
    expect((await verified(false))[0]).toEqual([0, undefined]);
    expect((await verified())[0]).toEqual([2, 'rolled-back']);
    const last = await serve(async ({ listen }) => {
      await until('the fork shows', async () =>
        (await text(`${listen}/healthz`)).includes('KW_WITNESS_FORK'),
      );
      await until('people were told', () =>
        outbox().includes('A witness remembers another history of this log'),
      );
    });
    expect(last.lines().filter((l) => l.event === 'anchor_failed')).toHaveLength(1);
    expect(outbox()).toContain('rolled back');
    // Its end is signed by the log, and by nobody else.
    const engine = await openEmbedded(join(data, 'store'));
    const note = await newestCheckpoint(engine, readIdentity(data) as LogIdentity);
    await engine.close();
    expect(note?.match(/^— /gmu)).toHaveLength(1);
    // As long as the true one, and another.
    expect((await verified())[0]).toEqual([1, 'rewritten']);
    // A line in the witness's name that it never gave.
    const made = Buffer.concat([keyIdOf(witness.vkey), Buffer.alloc(72)]).toString('base64');
    await change(
      `INSERT INTO kw.checkpoints SELECT * REPLACE (concat(note, '— witness.example/w1 ${made}\\n') AS note) ` +
        "FROM kw.checkpoints WHERE origin LIKE '%/meta'",
    );
    expect((await verified())[0]).toEqual([1, 'forged']);
  });
});

const keyIdOf = (vkey: string) => Buffer.from(vkey.split('+')[1] ?? '', 'hex');

async function change(statement: string): Promise<void> {
  const engine = await openEmbedded(join(data, 'store'));
  await engine.command(statement);
  await engine.close();
}

/** What `verify` says: exit and first class, with the witness of the configuration or without. */
async function verified(isAsked = true) {
  const engine = await openEmbedded(join(data, 'store'));
  const anchorFile = join(folder, 'data.anchor');
  const alone = await verifyStore({ engine, dataDir: data, anchorFile, now: Date.now() });
  const trust = witnessTrust({ config: join(folder, 'keywitness.yaml') }) as WitnessTrust;
  const report = isAsked ? await withWitnesses(alone, engine, trust, Date.now()) : alone;
  await engine.close();
  return [[report.exit, report.findings[0]?.class], report.exposure] as const;
}

/** What people got: no receiver is configured, so messages are files. */
function outbox(): string {
  const path = join(data, 'outbox');
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n');
}

/** The newest checkpoint and the proof of an event have the witness's signature, and a policy that asks for it is content. */
async function expectCosignedEnd(): Promise<void> {
  const identity = readIdentity(data) as LogIdentity;
  const engine = await openEmbedded(join(data, 'store'));
  const note = (await newestCheckpoint(engine, identity)) ?? '';
  const ref = { stream: 'vault', partition: 0, epoch: 0, offset: 0n, idx: 0 };
  const proof = await proveEvent(engine, identity, ref);
  await engine.close();
  const line = /^— witness\.example\/w1 .*\n/mu.exec(note)?.[0] ?? '';
  expect(Date.now() / 1000 - (cosignedTime(line, witness.vkey, note) ?? 0)).toBeLessThan(60);
  const out = mkdtempSync(join(folder, 'proof-'));
  for (const [name, bytes] of proof) writeFileSync(join(out, name), bytes);
  const policy = `witness w ${witness.vkey}\nquorum w\n`;
  expect(verifyOffline(out, { policy: readPolicy(Buffer.from(policy), 'policy') })).toMatchObject({
    findings: [],
  });
  const other = policy.replace(witness.vkey, vkeyOf('witness.example/w2', 4, Buffer.alloc(32, 1)));
  expect(verifyOffline(out, { policy: readPolicy(Buffer.from(other), 'policy') }).findings).not.toEqual([]);
}
