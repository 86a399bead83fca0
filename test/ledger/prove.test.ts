import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApp } from '../../src/app.ts';
import { systemClock } from '../../src/core/clock.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { proveEvent } from '../../src/ledger/audit/prove.ts';
import { verifyStore } from '../../src/ledger/audit/verify.ts';
import { type LogIdentity, readIdentity } from '../../src/ledger/keys.ts';
import { leafHashOfText } from '../../src/ledger/leaf.ts';
import { readKeys } from '../../src/ledger/offline/trust.ts';
import { verifyOffline } from '../../src/ledger/offline.ts';
import { formatProof, parseProof, type TlogProof } from '../../src/ledger/proof.ts';
import { rangeRootsFromTiles } from '../../src/ledger/tiles.ts';
import { inclusionRanges } from '../../src/ledger/tree.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { metaLeavesFrom } from '../../src/store/ledgerStore.ts';

const folder = mkdtempSync(join(tmpdir(), 'kw-prove-'));
const dataDir = join(folder, 'data');
const file = join(folder, 'audit.ndjson');
const key = { stream: 'audit.ndjson', partition: 0, epoch: 0 };
let engine: Engine;
let identity: LogIdentity;
const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
  .toString('utf8')
  .split('\n')
  .slice(0, 200);
const secondOffset = BigInt(Buffer.byteLength(lines[0] ?? '') + 1);

beforeAll(async () => {
  const rules = join(folder, 'rules');
  mkdirSync(rules);
  writeFileSync(
    join(rules, 'none.yml'),
    'title: Never\nid: 3f6b1c5e-0d0e-4c1e-9a59-1f4f3c1d2b10\nlogsource:\n  product: none\ndetection:\n  a:\n    type: none\n  condition: a\nlevel: low\n',
  );
  writeFileSync(file, `${lines.join('\n')}\n`);
  const app = await openApp({
    dataDir,
    anchorFile: `${dataDir}.anchor`,
    ruleFolders: [rules],
    clock: systemClock,
    openStore: () => openEmbedded(join(dataDir, 'store')),
  });
  await app.ingestFile(file, { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
  await app.close();
  engine = await openEmbedded(join(dataDir, 'store'));
  identity = readIdentity(dataDir) as LogIdentity;
}, 120_000);
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

async function provedFolder(name: string, offset = secondOffset): Promise<string> {
  const out = join(folder, name);
  mkdirSync(out);
  for (const [n, bytes] of await proveEvent(engine, identity, { ...key, offset, idx: 0 })) {
    writeFileSync(join(out, n), bytes);
  }
  return out;
}

describe('prove', () => {
  it('writes the bytes, the keys and two proofs that hold without the store', async () => {
    const out = await provedFolder('whole');
    expect(readFileSync(join(out, 'event.raw'), 'utf8')).toBe(lines[1]);
    expect(verifyOffline(out)).toEqual({ path: out, verdict: 'intact', findings: [] });
    for (const proof of ['event.tlog-proof', 'meta.tlog-proof']) {
      expect(verifyOffline(join(out, proof)).verdict).toBe('intact');
    }
  });

  it('proves every record of the stream', async () => {
    let offset = 0n;
    for (const [i, line] of lines.entries()) {
      if (i % 23 === 0 || i === lines.length - 1) {
        expect(verifyOffline(await provedFolder(`n${i}`, offset)).verdict).toBe('intact');
      }
      offset += BigInt(Buffer.byteLength(line) + 1);
    }
  });

  it('refuses an offset between two records, an index that no part has, and an unknown stream', async () => {
    for (const ref of [
      { ...key, offset: 3n, idx: 0 },
      { ...key, offset: secondOffset, idx: 1 },
      { ...key, stream: 'other', offset: 0n, idx: 0 },
    ]) {
      await expect(proveEvent(engine, identity, ref)).rejects.toMatchObject({ code: 'KW_EVENT_UNKNOWN' });
    }
  });
});

describe('verify --offline', () => {
  it('says tampered after any byte of the event, the proofs or the checkpoint changed', async () => {
    const out = await provedFolder('bytes');
    for (const name of ['event.raw', 'event.tlog-proof', 'meta.tlog-proof']) {
      const whole = readFileSync(join(out, name));
      for (let at = 0; at < whole.length; at += Math.max(1, Math.floor(whole.length / 40))) {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] ?? 0) ^ 1;
        writeFileSync(join(out, name), changed);
        expect(verifyOffline(out).verdict, `${name} byte ${at}`).not.toBe('intact');
      }
      writeFileSync(join(out, name), whole);
    }
    expect(verifyOffline(out).verdict).toBe('intact');
  });

  it('says tampered when the event’s proof is that of another event', async () => {
    const [a, b] = [await provedFolder('a'), await provedFolder('b', 0n)];
    cpSync(join(a, 'event.tlog-proof'), join(b, 'event.tlog-proof'));
    expect(verifyOffline(b).verdict).toBe('tampered');
  });

  it('says tampered when the meta proof is a true one, and of a leaf that pins something else', async () => {
    const out = await provedFolder('other-leaf');
    const path = join(out, 'meta.tlog-proof');
    const { checkpoint } = parseProof(readFileSync(path, 'utf8')) as TlogProof;
    const texts: Buffer[] = [];
    for await (const page of metaLeavesFrom(engine, 0)) texts.push(...page.map((m) => m.text));
    const ranges = inclusionRanges(0, Number(checkpoint.split('\n')[1]));
    const read = async () => new Map([['0/0', Buffer.concat(texts.map(leafHashOfText))]]);
    const hashes = await rangeRootsFromTiles(read, ranges);
    const other = { extra: texts[0] as Buffer, index: 0, path: hashes, checkpoint };
    writeFileSync(path, formatProof(other));
    expect(verifyOffline(path).verdict).toBe('intact');
    expect(verifyOffline(out).verdict).toBe('tampered');
  });

  it('says truncated when a file of the folder is missing, unknown without keys', async () => {
    const out = await provedFolder('cut');
    rmSync(join(out, 'keys.txt'));
    expect(verifyOffline(out).verdict).toBe('unknown');
    rmSync(join(out, 'meta.tlog-proof'));
    expect(verifyOffline(out).verdict).toBe('truncated');
  });

  it('trusts pinned keys only: another key under the same name is tampering, unknown names say nothing', async () => {
    const out = await provedFolder('pinned');
    const own = readKeys(readFileSync(join(out, 'keys.txt'), 'utf8'));
    expect(verifyOffline(out, { keys: own }).verdict).toBe('intact');
    const stranger = readKeys('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n');
    expect(verifyOffline(out, { keys: stranger }).verdict).toBe('unknown');
    const renamed = own?.map((k) => ({ ...k, keyId: k.keyId ^ 1 }));
    expect(verifyOffline(out, { keys: renamed }).verdict).toBe('tampered');
  });
});

const hasPython = spawnSync('python3', ['--version']).status === 0;

describe('an independent replay', () => {
  it.skipIf(!hasPython)(
    'of the raw file, in another language and from the page alone, has the same root',
    async () => {
      const report = await verifyStore({ engine, dataDir, anchorFile: `${dataDir}.anchor`, now: Date.now() });
      const script = join(packageRoot, 'test/ledger/independent/root.py');
      const [count, root] = execFileSync('python3', [script, file, 'audit.ndjson'], { encoding: 'utf8' })
        .trim()
        .split(' ');
      expect(report.trees[0]?.records).toBe(Number(count));
      expect(Buffer.from(report.trees[0]?.root ?? '', 'base64').toString('hex')).toBe(root);
    },
  );
});
