import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KeywitnessError } from '../../src/core/errors.ts';
import { listen } from '../../src/intake/listen.ts';
import type { SignedHead } from '../../src/ledger/anchors/anchor.ts';
import { witnessAnchor } from '../../src/ledger/anchors/witness.ts';
import { type CosignatureVerifier, cosign, parseCosignatureKey } from '../../src/ledger/cosignature.ts';
import { openWitness } from '../../src/ledger/witness/identity.ts';
import { openKnownLogs } from '../../src/ledger/witness/logs.ts';
import { witnessRoutes } from '../../src/ledger/witness/routes.ts';
import { writeState } from '../../src/ledger/witness/state.ts';
import { createWitness } from '../../src/ledger/witness/witness.ts';
import { capture } from '../support/capture.ts';
import { freePort } from '../support/kafkaProcess.ts';
import { cosignedTime, ed25519, type ToyLog, toyLog, vkeyOf } from '../support/toyLog.ts';

const origin = 'keywitness/0123456789abcdef/meta';
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keywitness-client-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function newLog(keys = ed25519(), leaves = 'leaf'): ToyLog {
  const log = toyLog(origin, keys);
  log.grow(...Array.from({ length: 20 }, (_, i) => `${leaves} ${i}`));
  return log;
}

/** What a heartbeat at this size shows to its anchors; `asked` collects the sizes proofs were asked from. */
function head(log: ToyLog, size: number, asked: number[] = []): SignedHead {
  return {
    time: 0,
    meta: { origin, size, root: log.root(size), note: log.checkpoint(size) },
    async consistency(from) {
      asked.push(from);
      return log.proof(from, size);
    },
  };
}

const codeOf = (error: unknown) => (error instanceof KeywitnessError ? error.code : error);
const failure = (promise: Promise<unknown>) => promise.then(() => 'fine', codeOf);

describe('a witness that does its duty', () => {
  const keys = ed25519();
  let n = 0;
  let url: string;
  let vkey: string;
  let close: () => Promise<void>;
  let port: number;
  let files: { key: string; state: string };

  const open = async () => {
    const { cosigner, state } = openWitness(files, {});
    const logs = openKnownLogs(`${files.state}.keys`, () => undefined);
    const save = (next: typeof state) => writeState(files.state, cosigner.verifier.publicKey, next);
    const add = createWitness({ cosigner, logs, state, save, now: () => 1_767_225_600_000 });
    close = await listen(
      { host: '127.0.0.1', port, insecure: false },
      witnessRoutes(add, capture().telemetry),
    );
    vkey = cosigner.verifier.vkey;
  };
  beforeEach(async () => {
    n += 1;
    files = { key: join(folder, `${n}.pem`), state: join(folder, `${n}.state`) };
    writeFileSync(`${files.state}.keys`, `${vkeyOf(origin, 1, keys.raw)}\n`);
    port = await freePort();
    url = `http://127.0.0.1:${port}/`;
    await open();
  });
  afterEach(() => close());
  const anchor = () => witnessAnchor({ url, key: parseCosignatureKey(vkey) as CosignatureVerifier });

  it('cosigns each head, from the size before it', async () => {
    const log = newLog(keys);
    const asked: number[] = [];
    const own = anchor();
    for (const size of [3, 4, 9, 9]) {
      const lines = await own.keep(head(log, size, asked));
      expect(lines).toHaveLength(1);
      expect(cosignedTime(lines[0] ?? '', vkey, log.checkpoint(size))).toBe(1_767_225_600);
    }
    expect(asked).toEqual([3, 4]);
  });

  it('tells a new process the size it must begin from', async () => {
    const log = newLog(keys);
    await anchor().keep(head(log, 5));
    const asked: number[] = [];
    expect(await anchor().keep(head(log, 8, asked))).toHaveLength(1);
    expect(asked).toEqual([5]);
    // Cosigned, and the answer got lost.
    expect(await anchor().keep(head(log, 8))).toHaveLength(1);
  });

  it('is away and comes back: the next head covers what it missed', async () => {
    const log = newLog(keys);
    const own = anchor();
    await own.keep(head(log, 2));
    await close();
    expect(await failure(own.keep(head(log, 3)))).toBe('KW_WITNESS');
    await open();
    expect(await own.keep(head(log, 6))).toHaveLength(1);
  });

  it('sees a log that was rolled back, before and after it grew again', async () => {
    const log = newLog(keys);
    await anchor().keep(head(log, 9));
    expect(await failure(anchor().keep(head(log, 7)))).toBe('KW_WITNESS_FORK');
    const other = toyLog(origin, keys);
    other.grow(...Array.from({ length: 20 }, (_, i) => (i < 7 ? `leaf ${i}` : `new ${i}`)));
    const own = anchor();
    for (const size of [8, 9, 10, 15])
      expect(await failure(own.keep(head(other, size)))).toBe('KW_WITNESS_FORK');
    // The true one goes on.
    expect(await anchor().keep(head(log, 10))).toHaveLength(1);
  });

  it('refuses a log it does not know, and that is no fork', async () => {
    expect(await failure(anchor().keep(head(newLog(), 3)))).toBe('KW_WITNESS');
    writeFileSync(`${files.state}.keys`, '');
    expect(await failure(anchor().keep(head(newLog(keys), 3)))).toBe('KW_WITNESS');
  });
});

describe('a witness that answers anything', () => {
  const { raw, privateKey } = ed25519();
  const key = parseCosignatureKey(vkeyOf('w', 4, raw)) as CosignatureVerifier;
  let server: Server;
  let requests = 0;

  async function answering(handler: RequestListener): Promise<string> {
    requests = 0;
    server = createServer((request, response) => {
      requests += 1;
      request.resume();
      handler(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  it.each<[string, RequestListener]>([
    ['a cosignature of another key', (_, r) => r.end(`— w ${Buffer.alloc(76).toString('base64')}\n`)],
    ['nothing', (_, r) => r.end()],
    ['rubbish', (_, r) => r.end('<html>hello</html>')],
    ['an answer without end', (_, r) => r.end('x'.repeat(200_000))],
    ['500', (_, r) => r.writeHead(500).end('on fire\n')],
    ['a redirect', (_, r) => r.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end()],
    ['409 without a size', (_, r) => r.writeHead(409).end('no\n')],
    ['a broken connection', (_, r) => r.destroy()],
  ])('%s: is a trouble with a name, not a fork and not a crash', async (_, handler) => {
    const own = witnessAnchor({ url: await answering(handler), key });
    expect(await failure(own.keep(head(newLog(), 3)))).toBe('KW_WITNESS');
  });

  it('of one size and another root it need not tell the size: a fork all the same', async () => {
    const url = await answering((_, r) => r.writeHead(409).end(requests === 1 ? '9\n' : 'root mismatch\n'));
    expect(await failure(witnessAnchor({ url, key }).keep(head(newLog(), 9)))).toBe('KW_WITNESS_FORK');
  });

  it('of a signature given two hundred times one is kept', async () => {
    const log = newLog();
    const note = log.checkpoint(3).split('\n\n')[0]?.concat('\n') ?? '';
    const line = cosign({ verifier: key, privateKey }, note, 1_767_225_600);
    const url = await answering((_, r) => r.end(line.repeat(200)));
    expect(await witnessAnchor({ url, key }).keep(head(log, 3))).toEqual([line]);
  });

  it('a size that changes with every question is asked twice, not for ever', async () => {
    const url = await answering((_, r) => r.writeHead(409).end(`${requests}\n`));
    expect(await failure(witnessAnchor({ url, key }).keep(head(newLog(), 9)))).toBe('KW_WITNESS');
    expect(requests).toBe(2);
  });

  it('is waited for no longer than the timeout, and not at all once the log closes', async () => {
    const url = await answering(() => undefined);
    const began = performance.now();
    expect(await failure(witnessAnchor({ url, key, timeoutMs: 200 }).keep(head(newLog(), 3)))).toBe(
      'KW_WITNESS',
    );
    const own = witnessAnchor({ url, key });
    const asking = failure(own.keep(head(newLog(), 3)));
    await sleep(50);
    await own.close();
    expect(await asking).toBe('KW_WITNESS');
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
