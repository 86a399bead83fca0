import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApp } from '../../src/app.ts';
import { systemClock } from '../../src/core/clock.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { newestCheckpoint, proveEvent } from '../../src/ledger/audit/prove.ts';
import { proveSince } from '../../src/ledger/audit/proveSince.ts';
import { streamOrigin } from '../../src/ledger/checkpoint.ts';
import { type LogIdentity, readIdentity } from '../../src/ledger/keys.ts';
import { parseProof } from '../../src/ledger/proof.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { newestCheckpoint as newestOf } from '../../src/store/ledgerStore.ts';

const folder = mkdtempSync(join(tmpdir(), 'kw-since-'));
const dataDir = join(folder, 'data');
const file = join(folder, 'audit.ndjson');
const key = { stream: 'audit.ndjson', partition: 0, epoch: 0 };
/** Three sittings: one within a tile, one over several, one that ends on no boundary. */
const sittings = [200, 600, 1_500];
const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
  .toString('utf8')
  .split('\n')
  .slice(0, 1_500);
const offsets: number[] = [];
for (let i = 0, at = 0; i < lines.length; at += Buffer.byteLength(lines[i] ?? '') + 1, i += 1)
  offsets.push(at);
const sha256 = (...parts: (Buffer | string)[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
/** The leaves of the file, from the page docs/ledger.md alone. */
const nothing = sha256().toString('hex');
const leaves = lines.map((line, i) => {
  const value = sha256(line).toString('hex');
  return sha256(
    `\0keywitness-leaf/v1\nfile\naudit.ndjson\n0\n0\n${offsets[i]}\n0\n${nothing}\n${nothing}\n${value}\n1\n`,
  );
});
const split = (n: number) => 2 ** Math.ceil(Math.log2(n) - 1);
/** RFC 9162 section 2.1.1, 2.1.3.1 and 2.1.4.1, by their recursive definitions. */
const mth = (d: readonly Buffer[]): Buffer => {
  if (d.length === 1) return d[0] as Buffer;
  const k = split(d.length);
  return sha256(Buffer.from([1]), mth(d.slice(0, k)), mth(d.slice(k)));
};
const path = (m: number, d: readonly Buffer[]): Buffer[] => {
  if (d.length === 1) return [];
  const k = split(d.length);
  return m < k
    ? [...path(m, d.slice(0, k)), mth(d.slice(k))]
    : [...path(m - k, d.slice(k)), mth(d.slice(0, k))];
};
const subproof = (m: number, d: readonly Buffer[], isWhole: boolean): Buffer[] => {
  if (m === d.length) return isWhole ? [] : [mth(d)];
  const k = split(d.length);
  return m <= k
    ? [...subproof(m, d.slice(0, k), isWhole), mth(d.slice(k))]
    : [...subproof(m - k, d.slice(k), false), mth(d.slice(0, k))];
};

let engine: Engine;
let identity: LogIdentity;
const kept: { stream: string; meta: string }[] = [];
const keep = async (): Promise<void> => {
  engine = await openEmbedded(join(dataDir, 'store'));
  identity = readIdentity(dataDir) as LogIdentity;
  const stream = await newestOf(engine, streamOrigin(identity.logId, key));
  kept.push({ stream: stream?.note ?? '', meta: (await newestCheckpoint(engine, identity)) ?? '' });
};

beforeAll(async () => {
  const rules = join(folder, 'rules');
  mkdirSync(rules);
  writeFileSync(
    join(rules, 'none.yml'),
    'title: Never\nid: 3f6b1c5e-0d0e-4c1e-9a59-1f4f3c1d2b10\nlogsource:\n  product: none\ndetection:\n  a:\n    type: none\n  condition: a\nlevel: low\n',
  );
  for (const count of sittings) {
    if (kept.length > 0) await engine.close();
    writeFileSync(file, `${lines.slice(0, count).join('\n')}\n`);
    const app = await openApp({
      dataDir,
      anchorFile: `${dataDir}.anchor`,
      ruleFolders: [rules],
      clock: systemClock,
      openStore: () => openEmbedded(join(dataDir, 'store')),
    });
    await app.ingestFile(file, { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
    await app.close();
    await keep();
  }
}, 120_000);
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

const proofLines = (body: string) => body.slice(0, body.indexOf('\n\n')).split('\n');

describe('prove --since', () => {
  it.each([0, 1, 2])('from sitting %i: the old size, the proof of RFC 9162, the newest note', async (i) => {
    const body = await proveSince(engine, identity, kept[i]?.stream ?? '');
    const size = sittings[i] as number;
    const proof = subproof(size, leaves, true).map((h) => h.toString('base64'));
    expect(proofLines(body)).toEqual([`old ${size}`, ...proof]);
    expect(body.slice(body.indexOf('\n\n') + 2)).toBe(kept[2]?.stream);
    expect(kept[2]?.stream.split('\n')[2]).toBe(mth(leaves).toString('base64'));
  });

  it('proves the meta-log itself, and refuses a note that is not of this log or that it does not continue', async () => {
    const body = await proveSince(engine, identity, kept[0]?.meta ?? '');
    expect(proofLines(body)[0]).toBe(`old ${kept[0]?.meta.split('\n')[1]}`);
    const other = (kept[0]?.meta ?? '').replace(/[0-9a-f]{16}/, '0'.repeat(16));
    await expect(proveSince(engine, identity, other)).rejects.toMatchObject({ code: 'KW_USAGE' });
    const lied = (kept[0]?.meta ?? '').replace(/\n[A-Za-z0-9+/]{43}=\n/, `\n${'A'.repeat(43)}=\n`);
    await expect(proveSince(engine, identity, lied)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
  });
});

describe('prove, in a tree of several tiles', () => {
  it.each([0, 255, 256, 599, 1_279, 1_280, 1_499])('leaf %i has the path of RFC 9162', async (index) => {
    const ref = { ...key, offset: BigInt(offsets[index] ?? 0), idx: 0 };
    const files = await proveEvent(engine, identity, ref);
    const proof = parseProof(files.get('event.tlog-proof')?.toString() ?? '');
    expect(proof?.index).toBe(index);
    expect(proof?.path.map((h) => h.toString('hex'))).toEqual(
      path(index, leaves).map((h) => h.toString('hex')),
    );
  });
});
