import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { openApp } from '../../src/app.ts';
import { systemClock } from '../../src/core/clock.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { openEmbedded } from '../../src/store/client.ts';

/** 1,500 real lines taken in by three sittings, and what RFC 9162 says of their tree by its recursive definitions. */
const folder = mkdtempSync(join(tmpdir(), 'kw-since-'));
export const dataDir = join(folder, 'data');
const file = join(folder, 'audit.ndjson');
export const key = { stream: 'audit.ndjson', partition: 0, epoch: 0 };
/** Three sittings: one within a tile, one over several, one that ends on no boundary. */
export const sittings = [200, 600, 1_500];
export const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
  .toString('utf8')
  .split('\n')
  .slice(0, 1_500);
export const offsets: number[] = [];
for (let i = 0, at = 0; i < lines.length; at += Buffer.byteLength(lines[i] ?? '') + 1, i += 1)
  offsets.push(at);
export const sha256 = (...parts: (Buffer | string)[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
/** The leaves of the file, from the page docs/ledger.md alone. */
const nothing = sha256().toString('hex');
export const leaves = lines.map((line, i) => {
  const value = sha256(line).toString('hex');
  return sha256(
    `\0keywitness-leaf/v1\nfile\naudit.ndjson\n0\n0\n${offsets[i]}\n0\n${nothing}\n${nothing}\n${value}\n1\n`,
  );
});
const split = (n: number) => 2 ** Math.ceil(Math.log2(n) - 1);
/** RFC 9162 section 2.1.1, 2.1.3.1 and 2.1.4.1, by their recursive definitions. */
export const mth = (d: readonly Buffer[]): Buffer => {
  if (d.length === 1) return d[0] as Buffer;
  const k = split(d.length);
  return sha256(Buffer.from([1]), mth(d.slice(0, k)), mth(d.slice(k)));
};
export const path = (m: number, d: readonly Buffer[]): Buffer[] => {
  if (d.length === 1) return [];
  const k = split(d.length);
  return m < k
    ? [...path(m, d.slice(0, k)), mth(d.slice(k))]
    : [...path(m - k, d.slice(k)), mth(d.slice(0, k))];
};
export const subproof = (m: number, d: readonly Buffer[], isWhole: boolean): Buffer[] => {
  if (m === d.length) return isWhole ? [] : [mth(d)];
  const k = split(d.length);
  return m <= k
    ? [...subproof(m, d.slice(0, k), isWhole), mth(d.slice(k))]
    : [...subproof(m - k, d.slice(k), false), mth(d.slice(0, k))];
};

/** Takes the lines in; `after` each sitting the store is closed and may be looked at. */
export async function takeIn(after: () => Promise<void>): Promise<void> {
  const rules = join(folder, 'rules');
  mkdirSync(rules);
  writeFileSync(
    join(rules, 'none.yml'),
    'title: Never\nid: 3f6b1c5e-0d0e-4c1e-9a59-1f4f3c1d2b10\nlogsource:\n  product: none\ndetection:\n  a:\n    type: none\n  condition: a\nlevel: low\n',
  );
  for (const count of sittings) {
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
    await after();
  }
}

export const removeSittings = () => rmSync(folder, { recursive: true, force: true });
