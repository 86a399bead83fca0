import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import type { StreamKey } from '../../src/core/record.ts';
import { readAnchor } from '../../src/ledger/anchors/file.ts';
import { metaOrigin, parseCheckpoint, streamOrigin } from '../../src/ledger/checkpoint.ts';
import { readIdentity } from '../../src/ledger/keys.ts';
import { leafHashOfText } from '../../src/ledger/leaf.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { metaBytesMax, parseMeta } from '../../src/ledger/meta.ts';
import { noteVerifier, openNote } from '../../src/ledger/note.ts';
import { openKeys } from '../../src/ledger/openKeys.ts';
import type { CheckpointRow, LedgerStore, MetaRow } from '../../src/ledger/ports.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from '../../src/ledger/tree.ts';
import { at, memoryStore } from '../support/memoryLedger.ts';

const key: StreamKey = { stream: 'main.audit', partition: 0, epoch: 0 };
const leaf = (n: number) => leafHashOfText(Buffer.from(`record ${n}`));
const rootOf = (leaves: readonly Buffer[]) => {
  const f = emptyFrontier();
  for (const l of leaves) appendLeaf(f, l);
  return frontierRoot(f);
};
const binding = {
  transport: 'kafka',
  source: 'vault',
  settings: { store: 'main', kv2: ['secret'] },
} as const;

let dir: string;
let time = 0;
const clock: Clock = { now: () => time, sleep: async () => undefined };
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kw-ledger-'));
  time = Date.parse('2026-07-01T00:00:00Z');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const anchorFile = () => join(dir, 'data.anchor');
const open = async (store: LedgerStore) =>
  Ledger.open({ store, keys: await openKeys(join(dir, 'data'), {}), anchorFile: anchorFile(), clock });
const anchorOf = async (logId: string) => {
  const out = [];
  for await (const e of readAnchor(anchorFile(), logId)) out.push(e);
  return out;
};

describe('the ledger', () => {
  it('pins what grew in a heartbeat leaf and signs the stream and the meta tree, in store and anchor alike', async () => {
    const { state, store } = memoryStore(key);
    const ledger = await open(store);
    await ledger.start();
    await ledger.bind(key, binding);
    state.leaves.push(leaf(0), leaf(1), leaf(2));
    ledger.extend(key, at(state.leaves));
    const atStart = state.checkpoints.splice(0);
    expect(atStart.map((c) => [c.origin, c.size])).toEqual([[metaOrigin(ledger.logId), 1]]);
    time += 10_000;
    await ledger.heartbeat({ highs: [{ ...key, high: 7n }], hashes: { rules: 'aa' } });

    const root = rootOf(state.leaves).toString('base64');
    const origin = streamOrigin(ledger.logId, key);
    expect(state.meta.map((m) => m.kind)).toEqual(['start', 'settings', 'heartbeat']);
    expect(state.meta.at(-1)?.text.toString()).toBe(
      'keywitness-meta/v1\nkind heartbeat\ntime 2026-07-01T00:00:10.000Z\n' +
        `stream ${origin} 3 ${root}\nhigh main.audit/0/0 7\nrules aa\n`,
    );
    const publicKey = readIdentity(join(dir, 'data'))?.publicKey ?? Buffer.alloc(0);
    const anchored = (await anchorOf(ledger.logId)).filter((e) => e.kind === 'checkpoint');
    expect(anchored.map((a) => a.note)).toEqual([...atStart, ...state.checkpoints].map((c) => c.note));
    for (const [i, name, size, leaves] of [
      [0, origin, 3, state.leaves],
      [1, metaOrigin(ledger.logId), 3, state.meta.map((m) => leafHashOfText(m.text))],
    ] as const) {
      const opened = openNote(state.checkpoints[i]?.note ?? '', [noteVerifier(name, publicKey)]);
      expect(opened.kind === 'ok' && parseCheckpoint(opened.text)).toEqual({
        origin: name,
        size,
        root: rootOf(leaves),
      });
    }
    await ledger.stop();
  });

  it('writes a heartbeat when nothing grew, and lists a quiet stream again once an hour', async () => {
    const { state, store } = memoryStore(key);
    const ledger = await open(store);
    state.leaves.push(leaf(0));
    ledger.extend(key, at(state.leaves));
    const listed = async () => {
      time += 10_000;
      await ledger.heartbeat();
      return state.meta.at(-1)?.text.toString().includes('\nstream ');
    };
    expect([await listed(), await listed()]).toEqual([true, false]);
    time += 3_600_000;
    expect([await listed(), await listed()]).toEqual([true, false]);
    ledger.endStream(key);
    expect([await listed(), await listed()]).toEqual([true, false]);
    time += 3_600_000;
    expect(await listed()).toBe(false);
    await ledger.stop();
  });

  it('splits a heartbeat above 2 KiB into leaves that each stand alone', async () => {
    const { state, store } = memoryStore(key);
    const ledger = await open(store);
    for (let p = 0; p < 60; p += 1) ledger.extend({ ...key, partition: p }, at([leaf(p)]));
    await ledger.heartbeat();
    expect(state.meta.length).toBeGreaterThan(2);
    for (const m of state.meta) expect(m.text.length).toBeLessThanOrEqual(metaBytesMax);
    const lines = state.meta.flatMap((m) => parseMeta(m.text)?.lines ?? []);
    expect(lines.filter(([n]) => n === 'stream')).toHaveLength(60);
    await ledger.stop();
  });

  it('goes on after a restart where it stopped, and says whether the last run ended in order', async () => {
    const { state, store } = memoryStore(key);
    const first = await open(store);
    await first.start();
    await first.bind(key, binding);
    state.leaves.push(leaf(0));
    first.extend(key, at(state.leaves));
    await first.stop();
    const second = await open(store);
    expect([second.size(key), second.root(key)]).toEqual([1, rootOf(state.leaves)]);
    await second.start();
    await second.bind(key, binding);
    expect(state.meta.map((m) => m.kind)).toEqual(['start', 'settings', 'stop', 'start']);
    expect(state.meta.at(-1)?.text.toString()).toContain('\nafter stop\n');
    const third = await open(store);
    await third.start();
    expect(state.meta.at(-1)?.text.toString()).toContain('\nafter no-stop\n');
    expect(state.meta.map((m) => m.index)).toEqual(state.meta.map((_, i) => i));
    await second.stop();
    await third.stop();
  });

  it('never uses an index twice when a write of the meta-log failed, whether it arrived or not', async () => {
    const { state, store } = memoryStore(key);
    const ledger = await open(store);
    for (const fail of ['before', 'after'] as const) {
      state.failNext = fail;
      await expect(ledger.heartbeat()).rejects.toThrow();
      time += 1000;
      await ledger.heartbeat();
    }
    expect(state.meta.map((m) => m.index)).toEqual([0, 1, 2]);
    const last = state.checkpoints.at(-1);
    expect(last?.root).toEqual(rootOf(state.meta.map((m) => leafHashOfText(m.text))));
    await ledger.stop();
  });

  it('does not sign a stream that lost its tail, and refuses to continue a meta-log that did', async () => {
    const { state, store } = memoryStore(key);
    const ledger = await open(store);
    state.leaves.push(leaf(0), leaf(1));
    ledger.extend(key, at(state.leaves));
    await ledger.stop();
    state.leaves.pop();
    state.checkpoints.length = 0; // the local copies are gone too: the anchor remembers
    const cut = await open(store);
    expect(cut.broken()).toEqual([key]);
    const before = state.checkpoints.length;
    state.leaves.push(leaf(9), leaf(10));
    cut.extend(key, at([leaf(9), leaf(10)]));
    await cut.stop();
    expect(state.checkpoints.slice(before).map((c) => c.origin)).toEqual([metaOrigin(cut.logId)]);
    state.meta.pop();
    await expect(open(store)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
  });

  it('does not sign what a checkpoint nobody signed would vouch for', async () => {
    const { state, store } = memoryStore(key);
    const ledger = await open(store);
    state.leaves.push(leaf(0), leaf(1));
    ledger.extend(key, at(state.leaves));
    await ledger.stop();
    state.leaves[1] = leaf(9);
    const signed = state.checkpoints.find((c) => c.origin === streamOrigin(ledger.logId, key));
    state.checkpoints.push({ ...(signed as CheckpointRow), root: rootOf(state.leaves) });
    rmSync(anchorFile());
    const changed = await open(store);
    expect(changed.broken()).toEqual([key]);
    await changed.stop();
  });

  it('does not sign a record that was slipped in after the orderly end', async () => {
    const { state, store } = memoryStore(key);
    const ledger = await open(store);
    state.leaves.push(leaf(0));
    ledger.extend(key, at(state.leaves));
    await ledger.stop();
    state.leaves.push(leaf(1));
    const longer = await open(store);
    expect(longer.broken()).toEqual([key]);
    await longer.stop();
  });

  it('signs what was stored and not yet signed when a crash came', async () => {
    const { state, store } = memoryStore(key);
    const ledger = await open(store);
    await ledger.start();
    state.leaves.push(leaf(0), leaf(1));
    await ledger.abandon();
    const again = await open(store);
    expect([again.broken(), again.size(key)]).toEqual([[], 2]);
    await again.stop();
  });

  it('refuses to continue a meta-log with a leaf that stands at no index of its own', async () => {
    const { state, store } = memoryStore(key);
    const ledger = await open(store);
    await ledger.stop();
    const [stop] = state.meta;
    state.meta.push({ ...(stop as MetaRow), index: 7 });
    await expect(open(store)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
  });

  it('refuses the same stream name by another transport', async () => {
    const { store } = memoryStore(key);
    const ledger = await open(store);
    await ledger.bind(key, binding);
    await expect(ledger.bind(key, { ...binding, transport: 'file' })).rejects.toMatchObject({
      code: 'KW_INPUT',
    });
    await ledger.stop();
  });
});

describe('the signing key', () => {
  it('is made once, 0600, and the same ever after', async () => {
    const data = join(dir, 'data');
    const made = await openKeys(data, {});
    expect(statSync(join(data, 'ledger/signing-key.pem')).mode & 0o777).toBe(0o600);
    expect(await openKeys(data, {})).toMatchObject({
      logId: made.logId,
      publicKey: made.publicKey,
      isEncrypted: false,
    });
    expect((await openKeys(join(dir, 'other'), {})).logId).not.toBe(made.logId);
  });

  it('is encrypted under a passphrase, given in the environment or in a file', async () => {
    const data = join(dir, 'data');
    const made = await openKeys(data, { KEYWITNESS_KEY_PASSPHRASE: 'correct horse' });
    expect(readFileSync(join(data, 'ledger/signing-key.pem'), 'utf8')).toContain(
      'BEGIN ENCRYPTED PRIVATE KEY',
    );
    await expect(openKeys(data, {})).rejects.toThrow(/KW_KEY/);
    await expect(openKeys(data, { KEYWITNESS_KEY_PASSPHRASE: 'wrong' })).rejects.toThrow(/KW_KEY/);
    writeFileSync(join(dir, 'pass'), 'correct horse\n');
    writeFileSync(join(dir, 'empty'), '\n');
    const none = openKeys(data, { KEYWITNESS_KEY_PASSPHRASE_FILE: join(dir, 'empty') });
    await expect(none).rejects.toThrow('begins with no passphrase');
    const again = await openKeys(data, { KEYWITNESS_KEY_PASSPHRASE_FILE: join(dir, 'pass') });
    expect(again.publicKey).toEqual(made.publicKey);
    expect(readIdentity(data)?.publicKey).toEqual(made.publicKey);
  });

  it('is refused when it is not the one the log was made with, and is never made anew beside an old log', async () => {
    const [a, b] = [join(dir, 'a'), join(dir, 'b')];
    await openKeys(a, {});
    await openKeys(b, {});
    writeFileSync(join(a, 'ledger/signing-key.pem'), readFileSync(join(b, 'ledger/signing-key.pem')));
    await expect(openKeys(a, {})).rejects.toThrow(/KW_KEY/);
    rmSync(join(a, 'ledger/signing-key.pem'));
    await expect(openKeys(a, {})).rejects.toThrow(/KW_KEY/);
    expect(existsSync(join(a, 'ledger/signing-key.pem'))).toBe(false);
  });
});

describe('the anchor file', () => {
  it('takes a line torn anywhere for torn, never for a forgery', async () => {
    const { store } = memoryStore(key);
    const ledger = await open(store);
    await ledger.stop();
    const [keyLine, line = ''] = readFileSync(anchorFile(), 'utf8').split('\n');
    for (let length = 18; length < line.length; length += 1) {
      writeFileSync(anchorFile(), `${keyLine}\n${line}\n${line.slice(0, length)}\n`);
      const kinds = (await anchorOf(ledger.logId)).map((e) => e.kind);
      expect(kinds, `cut after ${length}`).toEqual(['key', 'checkpoint', 'unreadable']);
    }
  });

  it('survives a torn line, and ignores the lines of other logs', async () => {
    const { store } = memoryStore(key);
    const ledger = await open(store);
    await ledger.stop();
    const whole = readFileSync(anchorFile(), 'utf8');
    writeFileSync(
      anchorFile(),
      `0000000000000000 key ${Buffer.alloc(32).toString('base64')}\n${whole}${whole.slice(0, 60)}`,
    );
    const again = await open(store);
    await again.stop();
    const kinds = (await anchorOf(again.logId)).map((e) => e.kind);
    expect(kinds).toEqual(['key', 'checkpoint', 'unreadable', 'checkpoint']);
  });
});
