import { type ChildProcess, spawn } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { createKeyFile } from '../../src/ledger/keyFile.ts';
import { leafHashOfText } from '../../src/ledger/leaf.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { localSigner, type Signer } from '../../src/ledger/note.ts';
import { openKeys, openLostKeys } from '../../src/ledger/openKeys.ts';
import type { LedgerStore } from '../../src/ledger/ports.ts';
import { recoverKeys, registerRoot, rotateKeys } from '../../src/ledger/rotate.ts';
import { keyAt, keysOf, signersOf } from '../support/keyRules.ts';
import { at, memoryStore } from '../support/memoryLedger.ts';

const rootFileOf = (root: Signer) => ({ read: () => root, make: () => root });
const stream = { stream: 'main.audit', partition: 0, epoch: 0 };
let dir: string;
let engine: ChildProcess;
let url: string;
const clock: Clock = { now: () => Date.parse('2026-07-01T00:00:00Z'), sleep: async () => undefined };

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'kw-transit-'));
  const script = join(packageRoot, 'test/support/transitServer.ts');
  engine = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  url = String((await once(createInterface({ input: engine.stdout as NodeJS.ReadableStream }), 'line'))[0]);
});
afterEach(() => {
  engine.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

const dataDir = () => join(dir, 'data');
const env = (more: Record<string, string> = {}) => ({
  KEYWITNESS_SIGNER: `${url}/v1/transit/keys/keywitness`,
  KEYWITNESS_SIGNER_TOKEN: 'all',
  ...more,
});
const optionsOf = async (store: LedgerStore, environment: Record<string, string> = env()) => ({
  store,
  keys: await openKeys(dataDir(), environment),
  anchorFile: join(dir, 'data.anchor'),
  clock,
});
const engineSays = async (path: string, body: object = {}) => {
  const request = { method: 'POST', headers: { 'X-Vault-Token': 'all' }, body: JSON.stringify(body) };
  return ((await (await fetch(`${url}/v1/${path}`, request)).json()) as { data: Record<string, unknown> })
    .data;
};
const versions = async () => (await engineSays('test/versions')).versions;

async function grow(memory: ReturnType<typeof memoryStore>, environment = env()): Promise<void> {
  const ledger = await Ledger.open(await optionsOf(memory.store, environment));
  expect(ledger.broken()).toEqual([]);
  await ledger.start();
  const n = memory.state.leaves.length;
  const leaf = leafHashOfText(Buffer.from(`record ${n}`));
  memory.state.leaves.push(leaf);
  ledger.extend(stream, at([leaf], n));
  await ledger.stop();
}

/** Every signature is by the key that had to make it; the keys, as the meta-log says them. */
function checked({ state }: ReturnType<typeof memoryStore>, first: Buffer) {
  const logId = readFileSync(join(dataDir(), 'ledger/log.txt'), 'utf8').split(' ')[0] as string;
  const keys = keysOf(
    logId,
    first,
    state.meta.map((m) => m.text.toString()),
  );
  for (const { origin, size, note } of state.checkpoints) {
    if (!origin.endsWith('/meta')) continue;
    const allowed = [keyAt(size - 1, keys), keyAt(size, keys)];
    for (const signer of signersOf(note, keys)) expect(allowed).toContain(signer);
  }
  return keys;
}

describe('a key in a transit engine, in another process', () => {
  const optionsOfLost = async (store: LedgerStore) => ({
    store,
    keys: await openLostKeys(dataDir(), env()),
    anchorFile: join(dir, 'data.anchor'),
    clock,
  });

  it('signs the log, and no private key comes to this disk', async () => {
    const memory = memoryStore(stream);
    await grow(memory);
    const { publicKey } = await openKeys(dataDir(), env());
    await grow(memory);
    expect(checked(memory, publicKey)).toHaveLength(1);
    expect(readdirSync(join(dataDir(), 'ledger'))).toEqual(['log.txt']);
  });

  it('is followed by a version more; the one before is deleted there', async () => {
    const memory = memoryStore(stream);
    await grow(memory);
    const { publicKey } = await openKeys(dataDir(), env());
    await rotateKeys(await optionsOf(memory.store));
    expect(await versions()).toEqual([2]);
    await grow(memory);
    await rotateKeys(await optionsOf(memory.store));
    await grow(memory);
    expect(checked(memory, publicKey)).toHaveLength(3);
    expect(await versions()).toEqual([3]);
  });

  it('goes on with its version when the engine makes another by itself, until a rollover takes that', async () => {
    const memory = memoryStore(stream);
    await grow(memory);
    const { publicKey } = await openKeys(dataDir(), env());
    await engineSays('transit/keys/keywitness/rotate').catch(() => undefined);
    await grow(memory);
    expect(checked(memory, publicKey)).toHaveLength(1);
    await rotateKeys(await optionsOf(memory.store));
    await grow(memory);
    expect(checked(memory, publicKey)).toHaveLength(2);
    expect(await versions()).toEqual([2]);
  });

  it('ends a rollover that a crash cut short, also when the engine went on meanwhile', async () => {
    const memory = memoryStore(stream);
    await grow(memory);
    const { publicKey } = await openKeys(dataDir(), env());
    const options = await optionsOf(memory.store);
    const stopping = { ...memory.store, saveCheckpoints: memory.store.saveCheckpoints };
    stopping.saveCheckpoints = async (rows) => {
      if (memory.state.meta.at(-1)?.kind === 'key') throw new Error('the machine stopped');
      await memory.store.saveCheckpoints(rows);
    };
    await expect(rotateKeys({ ...options, store: stopping })).rejects.toThrow('the machine stopped');
    await engineSays('transit/keys/keywitness/rotate').catch(() => undefined);
    await grow(memory);
    expect(checked(memory, publicKey)).toHaveLength(2);
    expect(await versions()).toEqual([2, 3]);
  });

  it('takes a log over from the key on the disk with the next rollover, not before', async () => {
    const memory = memoryStore(stream);
    await grow(memory, {} as ReturnType<typeof env>);
    const pem = join(dataDir(), 'ledger/signing-key.pem');
    const jwk = createPublicKey(readFileSync(pem)).export({ format: 'jwk' }) as { x: string };
    const before = memory.state.meta.length;
    await expect(grow(memory)).rejects.toThrow('keywitness keys rotate');
    expect(memory.state.meta).toHaveLength(before);
    await rotateKeys(await optionsOf(memory.store));
    expect(existsSync(pem)).toBe(false);
    await grow(memory);
    expect(checked(memory, Buffer.from(jwk.x, 'base64url'))).toHaveLength(2);
    await expect(openKeys(dataDir(), {})).rejects.toThrow('KEYWITNESS_SIGNER');
  });

  it('is replaced by the offline root when the engine lost it, and a start ends what a crash cut short', async () => {
    const memory = memoryStore(stream);
    await grow(memory);
    const { publicKey } = await openKeys(dataDir(), env());
    const root = localSigner(createKeyFile(join(dir, 'root.pem'), undefined).privateKey);
    await registerRoot(await optionsOf(memory.store), rootFileOf(root));
    await engineSays('test/replace', { version: 1 });
    await expect(grow(memory)).rejects.toThrow('holds no version that log.txt names');
    const stopping = {
      ...memory.store,
      saveCheckpoints: () => Promise.reject(new Error('the machine stopped')),
    };
    const isStopped = recoverKeys({ ...(await optionsOfLost(memory.store)), store: stopping }, root);
    await expect(isStopped).rejects.toThrow('the machine stopped');
    await grow(memory);
    expect(checked(memory, publicKey).map((k) => k.by)).toEqual(['first', 'root']);
  });
  it('says what to allow when the token may not delete; the log goes on, and a start with more rights deletes', async () => {
    const memory = memoryStore(stream);
    await grow(memory);
    const { publicKey } = await openKeys(dataDir(), env());
    await engineSays('transit/keys/keywitness/rotate').catch(() => undefined);
    const sign = env({ KEYWITNESS_SIGNER_TOKEN: 'sign' });
    const refused = rotateKeys(await optionsOf(memory.store, sign));
    await expect(refused).rejects.toThrow(/in force.*\/config and \/trim/);
    await grow(memory, sign);
    expect(checked(memory, publicKey)).toHaveLength(2);
    expect(await versions()).toEqual([1, 2]);
    await grow(memory);
    expect(await versions()).toEqual([2]);
  });

  it('reads a renewed token from its file, and never says a token', async () => {
    const memory = memoryStore(stream);
    const file = join(dir, 'token');
    const environment = { KEYWITNESS_SIGNER: env().KEYWITNESS_SIGNER, KEYWITNESS_SIGNER_TOKEN_FILE: file };
    await expect(openKeys(dataDir(), environment)).rejects.toThrow('cannot be read');
    writeFileSync(file, 'all\n');
    const ledger = await Ledger.open(await optionsOf(memory.store, environment));
    await ledger.start();
    writeFileSync(file, 'hvs.expired-token');
    const denied = await ledger.heartbeat().then(
      () => '',
      (error: Error) => `${error.message}${JSON.stringify(error)}`,
    );
    expect(denied).toContain('/v1/transit/sign/keywitness answered 403: permission denied');
    expect(denied).not.toContain('hvs.expired');
    writeFileSync(file, 'sign');
    await ledger.stop();
  });

  it('is refused when it is of another type, does not answer, or signs with another key', async () => {
    const { sign } = await openKeys(dataDir(), env());
    await engineSays('test/replace', { version: 1 });
    await expect(sign(Buffer.from('text'))).rejects.toThrow('did not make');
    await engineSays('test/type', { type: 'rsa-2048' });
    await expect(openKeys(dataDir(), env())).rejects.toThrow('type=ed25519');
    const none = env({ KEYWITNESS_SIGNER: `${url}/v1/transit/keys/other` });
    await expect(openKeys(dataDir(), none)).rejects.toThrow('answered 404');
    engine.kill('SIGKILL');
    await once(engine, 'exit');
    await expect(openKeys(dataDir(), env())).rejects.toThrow('did not answer');
  });
});

it('a signer’s address that is none, names no key, or would send the token in plain is a wrong configuration', async () => {
  for (const address of [
    'vault.example',
    'http://vault.example:8200/v1/transit/keys/k',
    'https://user:word@vault.example/v1/transit/keys/k',
    'https://vault.example/v1/transit/sign/k',
    'https://vault.example/transit/keys/k',
    'https://vault.example/v1/transit/keys/k?namespace=a',
  ]) {
    const error = await openKeys(dataDir(), {
      KEYWITNESS_SIGNER: address,
      KEYWITNESS_SIGNER_TOKEN: 't',
    }).catch((e) => e);
    expect(error, address).toMatchObject({ code: 'KW_CONFIG' });
    expect(error.message).not.toContain('word');
  }
});
