import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { proveAll } from '../../src/ledger/audit/proveAll.ts';
import { type LogIdentity, readIdentity } from '../../src/ledger/keys.ts';
import { openEmbedded } from '../../src/store/client.ts';
import { dataDir, leaves, lines, mth, removeSittings, sha256, takeIn } from './sittings.ts';

const bundle = join(dataDir, 'bundle');
const tree = join(bundle, 'trees', 'audit.ndjson.0.0');
let written: Awaited<ReturnType<typeof proveAll>>;

beforeAll(async () => {
  await takeIn(async () => undefined);
  const engine = await openEmbedded(join(dataDir, 'store'));
  written = await proveAll(engine, readIdentity(dataDir) as LogIdentity, bundle, () => undefined);
  await engine.close();
}, 120_000);
afterAll(removeSittings);

const hexOf = (...path: string[]) => readFileSync(join(tree, ...path)).toString('hex');

describe('prove --all', () => {
  it('lays every tree out as C2SP tlog-tiles says, below the newest signed checkpoint', () => {
    expect(readdirSync(join(bundle, 'trees')).sort()).toEqual(['audit.ndjson.0.0', 'meta']);
    expect(readFileSync(join(tree, 'checkpoint'), 'utf8').split('\n').slice(1, 3)).toEqual([
      '1500',
      mth(leaves).toString('base64'),
    ]);
    // 1,500 = 5 * 256 + 220.
    expect(hexOf('tile/0/004')).toBe(Buffer.concat(leaves.slice(1_024, 1_280)).toString('hex'));
    expect(hexOf('tile/0/005.p/220')).toBe(Buffer.concat(leaves.slice(1_280)).toString('hex'));
    const roots = [0, 1, 2, 3, 4].map((i) => mth(leaves.slice(i * 256, i * 256 + 256)));
    expect(hexOf('tile/1/000.p/5')).toBe(Buffer.concat(roots).toString('hex'));
  });

  it('holds the text of every leaf behind its length, and the bytes of every record', () => {
    const entries = readFileSync(join(tree, 'tile/entries/005.p/220'));
    const hashes: Buffer[] = [];
    for (let at = 0; at < entries.length; ) {
      const end = at + 2 + entries.readUInt16BE(at);
      hashes.push(sha256(Buffer.from([0]), entries.subarray(at + 2, end)));
      at = end;
    }
    expect(hashes.map((h) => h.toString('hex'))).toEqual(leaves.slice(1_280).map((h) => h.toString('hex')));
    const records = readFileSync(join(tree, 'records.ndjson'), 'utf8').trimEnd().split('\n');
    const read = records.map((line) => JSON.parse(line) as { index: number; raw: string });
    expect(read.map((r) => r.index)).toEqual(lines.map((_, i) => i));
    expect(read.map((r) => Buffer.from(r.raw, 'base64').toString())).toEqual(lines);
  });

  it('says how much it wrote', () => {
    const meta = readFileSync(join(bundle, 'trees/meta/checkpoint'), 'utf8').split('\n')[1];
    expect(written).toEqual({ trees: 2, leaves: 1_500 + Number(meta) });
  });
});
