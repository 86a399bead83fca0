import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { AnchorFile, readAnchor } from '../../src/ledger/anchors/file.ts';
import { createKeyFile } from '../../src/ledger/keyFile.ts';
import { leafHashOfText } from '../../src/ledger/leaf.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { localSigner, type Signer } from '../../src/ledger/note.ts';
import { openKeys, openLostKeys } from '../../src/ledger/openKeys.ts';
import type { LedgerStore } from '../../src/ledger/ports.ts';
import { recoverKeys, registerRoot, rotateKeys } from '../../src/ledger/rotate.ts';
import { type Machine, stoppingMachine, stoppingStore } from '../support/crashing.ts';
import { keyAt, keysOf, signersOf } from '../support/keyRules.ts';
import { at, memoryStore } from '../support/memoryLedger.ts';

const rootFileOf = (root: Signer) => ({ read: () => root, make: () => root });
const key = { stream: 'main.audit', partition: 0, epoch: 0 };
const leaf = (n: number) => leafHashOfText(Buffer.from(`record ${n}`));
let dir: string;
let time: number;
const clock: Clock = { now: () => time, sleep: async () => undefined };
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kw-keys-'));
  time = Date.parse('2026-07-01T00:00:00Z');
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});
const dataDir = () => join(dir, 'data');
const anchorFile = () => join(dir, 'data.anchor');
const pem = () => join(dataDir(), 'ledger/signing-key.pem');
const rawOf = (file: string) => {
  const jwk = createPublicKey(readFileSync(file)).export({ format: 'jwk' }) as { x: string };
  return Buffer.from(jwk.x, 'base64url');
};
const logLine = () =>
  readFileSync(join(dataDir(), 'ledger/log.txt'), 'utf8').trimEnd().split(' ') as [string, string];

const optionsOf = async (store: LedgerStore, env = {}) => ({
  store,
  keys: await openKeys(dataDir(), env),
  anchorFile: anchorFile(),
  clock,
});

/** A log of one stream that has run once, in order. */
async function grownLog(env = {}) {
  const memory = memoryStore(key);
  const ledger = await Ledger.open(await optionsOf(memory.store, env));
  await ledger.start();
  memory.state.leaves.push(leaf(0), leaf(1));
  ledger.extend(key, at(memory.state.leaves));
  await ledger.stop();
  return { ...memory, first: rawOf(pem()), logId: ledger.logId };
}

/** One more run: the log goes on, and every signature ever made is by the key that had to make it. */
async function goesOn({ state, store, first, logId }: Awaited<ReturnType<typeof grownLog>>) {
  time += 60_000;
  const ledger = await Ledger.open(await optionsOf(store));
  expect(ledger.broken()).toEqual([]);
  await ledger.start();
  const next = state.leaves.length;
  state.leaves.push(leaf(next));
  ledger.extend(key, at([leaf(next)], next));
  await ledger.stop();
  const texts = state.meta.map((m) => m.text.toString());
  const keys = keysOf(logId, first, texts);
  const notes = [...state.checkpoints.map((c) => c.note)];
  for await (const entry of readAnchor(anchorFile(), logId))
    if (entry.kind === 'checkpoint') notes.push(entry.note);
  for (const note of notes) {
    const [origin, size] = note.split('\n') as [string, string];
    const signers = signersOf(note, keys);
    const listedAt = texts.flatMap((t, i) => (t.includes(`\nstream ${origin} ${size} `) ? [i] : []));
    const allowed = origin.endsWith('/meta')
      ? [keyAt(Number(size) - 1, keys), keyAt(Number(size), keys)]
      : listedAt.map((i) => keyAt(i, keys));
    for (const signer of signers) expect(allowed, `${origin} ${size}`).toContain(signer);
  }
  const anchored: Buffer[] = [];
  for await (const entry of readAnchor(anchorFile(), logId))
    if (entry.kind === 'key') anchored.push(entry.publicKey);
  expect(anchored.map((k) => k.toString('base64'))).toEqual(keys.map((k) => k.raw.toString('base64')));
  expect(logLine()).toEqual([logId, keys.at(-1)?.raw.toString('base64')]);
  expect(rawOf(pem())).toEqual(keys.at(-1)?.raw);
  return keys;
}

describe('keys rotate', () => {
  it('endorses the next key with the one before, in a leaf that is good at one index only', async () => {
    const log = await grownLog();
    time += 60_000;
    const rotated = await rotateKeys(await optionsOf(log.store));
    const at = log.state.meta.findIndex((m) => m.kind === 'key');
    expect(log.state.meta.map((m) => m.kind)).toEqual(['start', 'stop', 'start', 'heartbeat', 'key', 'stop']);
    expect(log.state.meta[at]?.text.toString()).toMatch(
      /^keywitness-meta\/v1\nkind key\ntime 2026-07-01T00:01:00\.000Z\nnew \S{44}\nprevious \S{44}\nby previous\nsignature \S{88}\n$/,
    );
    expect(rotated).toMatchObject({
      isResumed: false,
      before: { publicKey: log.first },
      now: { publicKey: rawOf(pem()), leaf: at },
    });
    const keys = await goesOn(log);
    expect(keys).toHaveLength(2);
    const moved = log.state.meta.map((m) => m.text.toString());
    moved.splice(1, 0, moved[at] as string);
    expect(() => keysOf(log.logId, log.first, moved)).toThrow(/endorsed/);
  });

  it('signs the checkpoint that ends with the leaf with both keys, the next one with the new key only', async () => {
    const log = await grownLog();
    await rotateKeys(await optionsOf(log.store));
    const keys = await goesOn(log);
    const index = keys[1]?.leaf as number;
    const meta = log.state.checkpoints.filter((c) => c.origin.endsWith('/meta'));
    const signers = (size: number) => meta.filter((c) => c.size === size).map((c) => signersOf(c.note, keys));
    expect([signers(index), signers(index + 1), signers(index + 2)]).toEqual([[[0]], [[0, 1]], [[1]]]);
    const lines = readFileSync(anchorFile(), 'utf8')
      .split('\n')
      .filter((l) => l.includes(`/meta ${index + 1} `));
    expect(lines).toHaveLength(2);
  });

  it('destroys the private key before: overwritten where it lay, then gone; the new one is 0600', async () => {
    const log = await grownLog();
    const old = readFileSync(pem());
    const machine = stoppingMachine(dir, Number.POSITIVE_INFINITY);
    try {
      await rotateKeys(await optionsOf(log.store));
    } finally {
      machine.restore();
    }
    const end = machine.steps.slice(machine.steps.indexOf('overwrite'));
    expect(end).toEqual([
      'overwrite',
      'rmSync /data/ledger/signing-key.pem',
      'renameSync /data/ledger/signing-key.next.pem',
    ]);
    const secret = old.toString().split('\n')[1] as string;
    for (const name of readdirSync(join(dataDir(), 'ledger'))) {
      const path = join(dataDir(), 'ledger', name);
      expect(readFileSync(path, 'utf8'), name).not.toContain(secret);
      expect(statSync(path).mode & 0o777, name).toBe(0o600);
    }
    await goesOn(log);
  });

  it('twice, and a key that was in use before never comes again', async () => {
    const log = await grownLog();
    const old = readFileSync(pem());
    await rotateKeys(await optionsOf(log.store));
    await goesOn(log);
    await rotateKeys(await optionsOf(log.store));
    expect(await goesOn(log)).toHaveLength(3);
    const before = log.state.meta.length;
    const options = await optionsOf(log.store);
    const ledger = await Ledger.open(options);
    const again = { ...localSigner(createPrivateKey(old)), take: async () => undefined };
    await expect(ledger.rollover(again)).rejects.toMatchObject({ code: 'KW_KEY' });
    await ledger.abandon();
    expect(log.state.meta).toHaveLength(before);
  });

  it('encrypts the new key once a passphrase is given, and keeps it so', async () => {
    const log = await grownLog();
    const env = { KEYWITNESS_KEY_PASSPHRASE: 'correct horse' };
    await rotateKeys(await optionsOf(log.store, env));
    expect(readFileSync(pem(), 'utf8')).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
    await expect(openKeys(dataDir(), {})).rejects.toMatchObject({ code: 'KW_KEY' });
    await rotateKeys(await optionsOf(log.store, env));
    expect((await openKeys(dataDir(), env)).isEncrypted).toBe(true);
  });

  it('is ended or undone by the next start, wherever the machine stopped', { timeout: 60_000 }, async () => {
    const outcomes = new Set<string>();
    for (let stopAt = 1; ; stopAt += 1) {
      rmSync(dir, { recursive: true });
      const log = await grownLog();
      const machine = await stopAfter(stopAt, (store) => rotateKeys(store), log.store);
      if (machine.steps.length < stopAt) break;
      const what = `stopped at ${stopAt}: ${machine.steps.at(-1)}`;
      const keys = await goesOn(log).catch((error: unknown) => {
        throw new Error(what, { cause: error });
      });
      const isDone = machine.steps.includes('meta key is there');
      expect(keys.length, what).toBe(isDone ? 2 : 1);
      outcomes.add(isDone ? 'ended' : 'undone');
      await rotateKeys(await optionsOf(log.store));
      expect(await goesOn(log), what).toHaveLength(keys.length + 1);
    }
    expect([...outcomes]).toEqual(['undone', 'ended']);
  });
});

/** Runs on a machine that stops before its n-th change of disk or store. */
async function stopAfter(
  stopAt: number,
  run: (options: Awaited<ReturnType<typeof optionsOf>>) => Promise<unknown>,
  store: LedgerStore,
  open: (store: LedgerStore) => Promise<Awaited<ReturnType<typeof optionsOf>>> = optionsOf,
): Promise<Machine> {
  const options = await open(store);
  const machine = stoppingMachine(dir, stopAt);
  const append = AnchorFile.prototype.append;
  vi.spyOn(AnchorFile.prototype, 'append').mockImplementation(async function (this: AnchorFile, lines) {
    const text = lines.join('');
    machine.step('anchor', () => appendFileSync(this.path, text.slice(0, text.length / 2)));
    await append.call(this, lines);
  });
  try {
    await run({ ...options, store: stoppingStore(store, machine) });
  } catch (error) {
    if (machine.steps.length < stopAt) throw error;
  } finally {
    machine.restore();
    vi.restoreAllMocks();
  }
  return machine;
}

describe('the offline root', () => {
  const rootFile = () => join(dir, 'root.pem');
  const rootOf = () => localSigner(createKeyFileOnce(rootFile()));
  const createKeyFileOnce = (path: string) =>
    existsSync(path) ? createPrivateKey(readFileSync(path)) : createKeyFile(path, undefined).privateKey;
  const lost = async (store: LedgerStore) => ({
    store,
    keys: await openLostKeys(dataDir(), {}),
    anchorFile: anchorFile(),
    clock,
  });

  it('and the key in force vouch for each other; the anchor knows it', async () => {
    const log = await grownLog();
    await registerRoot(await optionsOf(log.store), rootFileOf(rootOf()));
    await registerRoot(await optionsOf(log.store), rootFileOf(rootOf()));
    expect(log.state.meta.filter((m) => m.kind === 'key')).toHaveLength(1);
    await goesOn(log);
    const root = rawOf(rootFile()).toString('base64');
    expect(readFileSync(anchorFile(), 'utf8')).toContain(`${log.logId} root ${root}\n`);
    const other = localSigner(createKeyFile(join(dir, 'other.pem'), undefined).privateKey);
    await expect(registerRoot(await optionsOf(log.store), rootFileOf(other))).rejects.toMatchObject({
      code: 'KW_KEY',
    });
  });

  it('puts another key in the place of one that is lost; the old one signs nothing from there', async () => {
    const log = await grownLog();
    await registerRoot(await optionsOf(log.store), rootFileOf(rootOf()));
    rmSync(pem());
    await expect(optionsOf(log.store)).rejects.toMatchObject({ code: 'KW_KEY' });
    time += 60_000;
    await recoverKeys(await lost(log.store), rootOf());
    const keys = await goesOn(log);
    expect(keys.map((k) => k.by)).toEqual(['first', 'root']);
    const index = keys[1]?.leaf as number;
    const meta = log.state.checkpoints.filter((c) => c.origin.endsWith('/meta') && c.size > index);
    expect(meta.map((c) => signersOf(c.note, keys))).toEqual(meta.map(() => [1]));
  });

  it('puts another key in the place of one that was stolen and already replaced by the thief', async () => {
    const log = await grownLog();
    await registerRoot(await optionsOf(log.store), rootFileOf(rootOf()));
    const mine = join(dir, 'mine');
    cpSync(join(dataDir(), 'ledger'), mine, { recursive: true });
    await rotateKeys(await optionsOf(log.store));
    rmSync(join(dataDir(), 'ledger'), { recursive: true });
    cpSync(mine, join(dataDir(), 'ledger'), { recursive: true });
    // Without the root there is no way back: the thief's key is the one in force.
    await expect(goesOn(log)).rejects.toMatchObject({ code: 'KW_KEY' });
    await recoverKeys(await lost(log.store), rootOf());
    expect((await goesOn(log)).map((k) => k.by)).toEqual(['first', 'previous', 'root']);
  });

  it('is no help when it was never registered, or is another one', async () => {
    const log = await grownLog();
    await expect(recoverKeys(await lost(log.store), rootOf())).rejects.toMatchObject({ code: 'KW_KEY' });
    await registerRoot(await optionsOf(log.store), rootFileOf(rootOf()));
    const other = localSigner(createKeyFile(join(dir, 'other.pem'), undefined).privateKey);
    const before = log.state.meta.length;
    await expect(recoverKeys(await lost(log.store), other)).rejects.toMatchObject({ code: 'KW_KEY' });
    expect(log.state.meta).toHaveLength(before);
    await goesOn(log);
  });

  it('recovers, or the recovery is done again, wherever the machine stopped', {
    timeout: 60_000,
  }, async () => {
    const outcomes = new Set<string>();
    for (let stopAt = 1; ; stopAt += 1) {
      rmSync(dir, { recursive: true });
      const log = await grownLog();
      await registerRoot(await optionsOf(log.store), rootFileOf(rootOf()));
      rmSync(pem());
      const root = rootOf();
      const machine = await stopAfter(stopAt, (options) => recoverKeys(options, root), log.store, lost);
      if (machine.steps.length < stopAt) break;
      const what = `stopped at ${stopAt}: ${machine.steps.at(-1)}`;
      const isDone = machine.steps.includes('meta key is there');
      if (!isDone) {
        await expect(goesOn(log), what).rejects.toMatchObject({ code: 'KW_KEY' });
        await recoverKeys(await lost(log.store), root);
      }
      outcomes.add(isDone ? 'ended' : 'again');
      expect(
        (await goesOn(log)).map((k) => k.by),
        what,
      ).toEqual(['first', 'root']);
    }
    expect([...outcomes]).toEqual(['again', 'ended']);
  });
});

describe('a start', () => {
  it('refuses a meta-log with a key leaf that nobody endorsed', async () => {
    const log = await grownLog();
    const forger = createKeyFile(join(dir, 'forger.pem'), undefined).privateKey;
    const [next, previous] = [rawOf(join(dir, 'forger.pem')), log.first].map((k) => k.toString('base64'));
    const index = log.state.meta.length;
    const said = `keywitness-key/v1\n${log.logId}\n${index}\n${previous}\n${next}\n`;
    const signature = sign(null, Buffer.from(said), forger).toString('base64');
    const text = `keywitness-meta/v1\nkind key\ntime 2026-07-01T00:00:00.000Z\nnew ${next}\nprevious ${previous}\nby previous\nsignature ${signature}\n`;
    log.state.meta.push({ index, kind: 'key', made_at: time, text: Buffer.from(text) });
    await expect(goesOn(log)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
  });

  it('refuses an older copy of the ledger folder: its key is no longer in force', async () => {
    const log = await grownLog();
    cpSync(join(dataDir(), 'ledger'), join(dir, 'kept'), { recursive: true });
    await rotateKeys(await optionsOf(log.store));
    rmSync(join(dataDir(), 'ledger'), { recursive: true });
    cpSync(join(dir, 'kept'), join(dataDir(), 'ledger'), { recursive: true });
    const before = log.state.checkpoints.length;
    await expect(goesOn(log)).rejects.toThrow(/key in force since the last rollover/);
    expect(log.state.checkpoints).toHaveLength(before);
  });

  it('refuses a key file that others can read, and says the command that mends it', async () => {
    const log = await grownLog();
    for (const mode of [0o640, 0o604, 0o660, 0o644]) {
      chmodSync(pem(), mode);
      await expect(optionsOf(log.store)).rejects.toThrow(`chmod 600 ${pem()}`);
    }
    chmodSync(pem(), 0o400);
    await goesOn(log);
  });

  it('does not take a torn file of a key that follows for a key', async () => {
    const log = await grownLog();
    writeFileSync(join(dataDir(), 'ledger/signing-key.next.pem.draft'), '-----BEGIN PRI', { mode: 0o600 });
    await rotateKeys(await optionsOf(log.store));
    await goesOn(log);
  });
});
