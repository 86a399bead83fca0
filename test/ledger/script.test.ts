import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { verifyOffline } from '../../src/ledger/offline.ts';
import {
  filesOf,
  folderOf,
  leafHash,
  metaHashes,
  metaLeaf,
  metaOriginOf,
  noteOf,
  originOf,
  pinLine,
  randomOf,
  sha,
  type ToyLog,
  type ToyStream,
  treeHash,
  treeOf,
  vkeyOf,
  witnessName,
  writeFiles,
} from '../campaign/toyBundle.ts';
import { makeLog, type ToyHistory } from '../campaign/toyLog.ts';

const script = join(packageRoot, 'docs/verify.mjs');
const folder = mkdtempSync(join(tmpdir(), 'kw-script-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Plain node, far from our packages. */
function run(...args: string[]): { verdict: string; exit: number | null; words: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  const lines = stdout.split('\n').filter((line) => line !== '');
  const [line] = lines.map((l) => JSON.parse(l) as { path: string; verdict: string });
  if (line !== undefined) expect([lines.length, line.path]).toEqual([1, args[0]]);
  return { verdict: line?.verdict ?? '', exit: status, words: stderr };
}

const everything: ToyHistory = {
  hasRollover: true,
  hasRoot: true,
  hasRetention: false,
  hasErasure: false,
  hasHold: true,
  hasGap: true,
  endsAtRollover: false,
  records: 300,
};
const log = makeLog(randomOf(3), everything, 'script');

/** PATH of RFC 6962 section 2.1.1. */
function pathOf(index: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return index < k
    ? [...pathOf(index, leaves.slice(0, k)), treeHash(leaves.slice(k))]
    : [...pathOf(index - k, leaves.slice(k)), treeHash(leaves.slice(0, k))];
}

function proofText(extra: string, index: number, hashes: readonly Buffer[], note: string): string {
  const path = pathOf(index, hashes).map((h) => `${h.toString('base64')}\n`);
  return `c2sp.org/tlog-proof@v1\nextra ${Buffer.from(extra, 'latin1').toString('base64')}\nindex ${index}\n${path.join('')}\n${note}`;
}

/** A proof folder as docs/ledger.md describes it. */
function proofFolder(name: string, of: ToyLog = log): string {
  const out = join(folder, name);
  const [s] = of.streams as [ToyStream];
  const index = s.leaves.findIndex((l, i) => i > 40 && (l.raw?.length ?? 0) > 0);
  const leaf = s.leaves[index] as ToyStream['leaves'][number];
  const pinned = of.meta.findLastIndex((text) => text.includes(`\n${pinLine(of, s)}\n`));
  const { size, root, keys } = of.metaCheckpoint;
  const meta = noteOf(metaOriginOf(of), size, root, keys, { key: of.witness, time: 1_767_225_600 });
  const event = noteOf(originOf(of, s), s.checkpoint.size, s.checkpoint.root, [s.checkpoint.key]);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'event.raw'), leaf.raw ?? '');
  writeFileSync(join(out, 'keys.txt'), of.keys.map((k) => `${vkeyOf(metaOriginOf(of), k)}\n`).join(''));
  writeFileSync(
    join(out, 'event.tlog-proof'),
    proofText(
      leaf.text ?? '',
      index,
      s.leaves.map((l) => l.hash),
      event,
    ),
  );
  writeFileSync(join(out, 'meta.tlog-proof'), proofText(of.meta[pinned] ?? '', pinned, metaHashes(of), meta));
  return out;
}
const policyFile = join(folder, 'policy');
writeFileSync(
  policyFile,
  `# ours\nlog ${vkeyOf(metaOriginOf(log), log.keys[0] as ToyLog['witness'])}\nlog ${vkeyOf(metaOriginOf(log), log.keys.at(-1) as ToyLog['witness'])}\nwitness W ${vkeyOf(witnessName, log.witness, 4)}\nquorum W\n`,
);
const keysFile = join(folder, 'keys');
writeFileSync(keysFile, `${vkeyOf(metaOriginOf(log), log.keys[0] as ToyLog['witness'])}\n`);

/** A log that erased this many records of its first stream, each by a leaf of its own. */
function manyErased(count: number): { readonly erased: ToyLog; readonly files: Map<string, Buffer> } {
  const erased = makeLog(randomOf(5), { ...everything, records: count + 100 }, 'erased');
  const [big] = erased.streams as [ToyStream];
  const last = Date.parse(/\ntime (.*)\n/.exec(erased.meta.at(-1) ?? '')?.[1] ?? '');
  for (let index = 0; index < count; index += 1) {
    const { offset, hash } = big.leaves[index] as ToyStream['leaves'][number];
    big.leaves[index] = { offset, hash };
    const lines = [
      `tree ${treeOf(big)}`,
      `offset ${offset}`,
      `index ${index}`,
      `leaf ${hash.toString('hex')}`,
    ];
    const rest = ['basis GDPR 17', 'approver Ada', 'approver Grace'];
    erased.meta.push(metaLeaf('erasure', last + index, [...lines, ...rest]));
  }
  const { keys } = erased.metaCheckpoint;
  const [size, root] = [erased.meta.length, treeHash(metaHashes(erased))];
  Object.assign(erased, { metaCheckpoint: { size, root, keys, isWitnessed: false } });
  return { erased, files: filesOf(erased) };
}

describe('the stranger’s script', () => {
  it('is one short file that needs nothing but node', () => {
    const text = readFileSync(script, 'utf8');
    expect(text.split('\n').length - 1).toBeLessThanOrEqual(400);
    const imports = [...text.matchAll(/^import .* from '([^']+)'/gm)].map((m) => m[1]);
    expect(imports).toEqual(['node:crypto', 'node:fs', 'node:path']);
    expect(text).not.toMatch(/\b(require|import)\(/);
  });

  it('finds a proof folder and a bundle intact, with pinned keys and a policy too', () => {
    const bundle = join(folder, 'bundle');
    writeFiles(bundle, filesOf(log));
    const proof = proofFolder('proof');
    for (const path of [bundle, proof]) {
      expect(run(path), path).toMatchObject({ verdict: 'intact', exit: 0 });
      expect(run(path, '--policy', policyFile), path).toMatchObject({ verdict: 'intact', exit: 0 });
      expect(verifyOffline(path).verdict).toBe('intact');
    }
    expect(run(bundle, '--keys', keysFile).verdict).toBe('intact');
    expect(run(join(proof, 'event.tlog-proof')).verdict).toBe('intact');
  });

  it('says expired, exit 4, after lawful retention and erasure', () => {
    const expired = makeLog(randomOf(4), { ...everything, hasRetention: true, hasErasure: true }, 'gone');
    writeFiles(join(folder, 'expired'), filesOf(expired));
    expect(run(join(folder, 'expired'))).toMatchObject({ verdict: 'expired', exit: 4 });
  });

  it('says tampered, exit 1, whatever is changed in a proof folder', () => {
    for (const name of ['event.raw', 'event.tlog-proof', 'meta.tlog-proof']) {
      const out = proofFolder(`changed-${name}`);
      const bytes = readFileSync(join(out, name));
      // Within the record, or within the base64 of the leaf.
      bytes[name === 'event.raw' ? 3 : 60] = (bytes[name === 'event.raw' ? 3 : 60] ?? 0) ^ 1;
      writeFileSync(join(out, name), bytes);
      expect(run(out), name).toMatchObject({ exit: 1, verdict: 'tampered' });
    }
    const forged = proofFolder('forged');
    const other = noteOf(metaOriginOf(log), log.metaCheckpoint.size, sha('x'), log.metaCheckpoint.keys);
    const at = log.meta.length - 1;
    writeFileSync(join(forged, 'meta.tlog-proof'), proofText(log.meta[at] ?? '', at, metaHashes(log), other));
    expect(run(forged).verdict).toBe('tampered');
  });

  it('says truncated, exit 2, when a file or the end of a tree is missing', () => {
    const out = proofFolder('cut');
    rmSync(join(out, 'meta.tlog-proof'));
    expect(run(out)).toMatchObject({ exit: 2, verdict: 'truncated' });
    const files = filesOf(log);
    files.delete('trees/main.vault-audit.1.0/records.ndjson');
    writeFiles(join(folder, 'no-records'), files);
    expect(run(join(folder, 'no-records'))).toMatchObject({ exit: 2, verdict: 'truncated' });
    const name = 'trees/main.vault-audit.0.0/records.ndjson';
    writeFiles(
      join(folder, 'no-last-byte'),
      filesOf(log).set(name, (filesOf(log).get(name) as Buffer).subarray(0, -1)),
    );
    expect(run(join(folder, 'no-last-byte'))).toMatchObject({ exit: 2, verdict: 'truncated' });
    expect(verifyOffline(join(folder, 'no-last-byte')).verdict).toBe('truncated');
  });

  it('says tampered of leaf data that is no base64, unknown where there is none', () => {
    const out = proofFolder('spoilt');
    const file = join(out, 'event.tlog-proof');
    const text = readFileSync(file, 'utf8');
    for (const [with_, exit] of [
      ['extra !', 1],
      ['', 3],
    ] as const) {
      writeFileSync(file, text.replace(with_ === '' ? /extra .*\n/ : 'extra ', with_));
      expect([run(out).exit, verifyOffline(out).verdict]).toEqual([
        exit,
        exit === 1 ? 'tampered' : 'unknown',
      ]);
    }
  });

  it('says unknown, exit 3, when nobody it knows vouches', () => {
    const out = proofFolder('unknown');
    rmSync(join(out, 'keys.txt'));
    expect(run(out)).toMatchObject({ exit: 3, verdict: 'unknown' });
    const others = join(folder, 'others');
    writeFileSync(others, 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n');
    expect(run(out, '--keys', others)).toMatchObject({ exit: 3, verdict: 'unknown' });
    const alone = makeLog(randomOf(3), everything, 'script');
    alone.metaCheckpoint.isWitnessed = false;
    writeFiles(join(folder, 'alone'), filesOf(alone));
    expect(run(join(folder, 'alone'), '--policy', policyFile)).toMatchObject({ exit: 3, verdict: 'unknown' });
  });

  it('takes a proof of any log, and no other log’s signature', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const key = {
      privateKey,
      publicKey: Buffer.from(privateKey.export({ format: 'jwk' }).x ?? '', 'base64url'),
    };
    const leaves = ['a', 'b', 'c', 'd', 'e'].map(leafHash);
    const note = noteOf('example.com/log', 5, treeHash(leaves), [key]);
    const file = join(folder, 'foreign.tlog-proof');
    const keys = join(folder, 'foreign.keys');
    writeFileSync(file, proofText('d', 3, leaves, note));
    writeFileSync(keys, `${vkeyOf('example.com/log', key)}\n`);
    expect(run(file, '--keys', keys)).toMatchObject({ exit: 0, verdict: 'intact' });
    writeFileSync(file, proofText('d', 2, leaves, note));
    expect(run(file, '--keys', keys)).toMatchObject({ exit: 1, verdict: 'tampered' });
  });

  it('names its usage with exit 64: no path, no such file, an option it does not know, a policy that is none', () => {
    const bad = join(folder, 'bad-policy');
    writeFileSync(bad, 'quorum W\n');
    for (const args of [
      [],
      [join(folder, 'none')],
      [folder, '--all', 'x'],
      [folder, '--policy', bad],
      [folder, '--keys', bad],
    ]) {
      expect(run(...args), args.join(' ')).toMatchObject({ exit: 64, verdict: '' });
    }
    expect(run(folder, '--policy', bad).words).toContain('bad-policy:1: ');
  });

  it('lets a thousand lawful erasures hide no change', () => {
    const { erased, files } = manyErased(1_100);
    writeFiles(join(folder, 'erased'), files);
    expect(run(join(folder, 'erased'))).toMatchObject({ exit: 4, verdict: 'expired' });
    const name = `${folderOf(erased.streams[1] as ToyStream)}/records.ndjson`;
    files.set(
      name,
      Buffer.from((files.get(name) as Buffer).toString().replace(/"raw":"..../, '"raw":"////')),
    );
    writeFiles(join(folder, 'erased-changed'), files);
    expect(run(join(folder, 'erased-changed'))).toMatchObject({ exit: 1, verdict: 'tampered' });
  });

  it('takes no other leaf than a heartbeat’s or stop’s for a pin', () => {
    const line = (of: ToyLog) => pinLine(of, of.streams[0] as ToyStream);
    const held = makeLog(randomOf(4), { ...everything, records: 60 }, 'held');
    // Nobody pinned this: a legal hold on a stream with such a name stands there instead.
    for (const [i, text] of held.meta.entries()) held.meta[i] = text.replace(`${line(held)}\n`, '');
    held.meta.push(
      metaLeaf('hold', 1_767_300_000_000, ['id x', 'act add', line(held), 'by Ada', 'reason r']),
    );
    const size = held.meta.length;
    Object.assign(held, {
      metaCheckpoint: { ...held.metaCheckpoint, size, root: treeHash(metaHashes(held)) },
    });
    const path = proofFolder('held', held);
    expect(run(path)).toMatchObject({ exit: 1, verdict: 'tampered' });
    expect(verifyOffline(path).findings[0]?.detail).toContain('pin');
  });

  it('gives a verdict or says what it could not read, whatever lies where a file should', () => {
    const files = filesOf(log);
    const odd = (name: string, wrong: string) => {
      const path = join(folder, name);
      writeFiles(path, files);
      rmSync(join(path, wrong), { recursive: true });
      return join(path, wrong);
    };
    const tiles = 'trees/main.vault-audit.1.0/tile/0/000.p';
    writeFileSync(odd('odd-file', tiles), 'x');
    expect([run(join(folder, 'odd-file')).exit, verifyOffline(join(folder, 'odd-file')).verdict]).toEqual([
      2,
      'truncated',
    ]);
    mkdirSync(odd('odd-folder', 'trees/main.vault-audit.1.0/records.ndjson'));
    expect([run(join(folder, 'odd-folder')).exit, verifyOffline(join(folder, 'odd-folder')).verdict]).toEqual(
      [2, 'truncated'],
    );
    const unread = run(join(folder, 'odd-file'), '--keys', folder);
    expect([unread.exit, unread.words]).toEqual([64, expect.stringContaining('nothing was verified')]);
  });

  it('keeps no line of a record that is longer than 96 MiB', () => {
    const files = filesOf(log);
    const name = 'trees/main.vault-audit.0.0/records.ndjson';
    writeFiles(join(folder, 'long'), files);
    writeFileSync(join(folder, 'long', name), Buffer.alloc(97 * 1024 * 1024, 'A'));
    expect(run(join(folder, 'long')).exit).toBe(1);
    expect(verifyOffline(join(folder, 'long')).verdict).toBe('tampered');
  });
});
