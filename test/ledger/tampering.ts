import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll } from 'vitest';
import { openApp } from '../../src/app.ts';
import type { Clock } from '../../src/core/clock.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { type VerifyOptions, verifyStore } from '../../src/ledger/audit/verify.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';

/** 600 real lines in two sittings, so that one checkpoint stands in the middle; one line is no JSON. */
const folder = mkdtempSync(join(tmpdir(), 'kw-tamper-'));
export const base = join(folder, 'base');
export const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
  .toString('utf8')
  .split('\n')
  .slice(0, 600);
lines[50] = '{"broken":';
/** Offset of a line: the bytes before it. */
export const offsetOf = (line: number) =>
  lines.slice(0, line).reduce((n, l) => n + BigInt(Buffer.byteLength(l)) + 1n, 0n);
export const tree = 'audit.ndjson/0/0';
export let now = Date.parse('2026-10-01T00:00:00Z');
export const clock: Clock = {
  now: () => now,
  sleep: (_, signal) => new Promise((r) => signal?.addEventListener('abort', () => r())),
};
/** Rules play no part here: one that never hits. */
const rules = join(folder, 'rules');
mkdirSync(rules);
writeFileSync(
  join(rules, 'none.yml'),
  'title: Never\nid: 3f6b1c5e-0d0e-4c1e-9a59-1f4f3c1d2b10\nlogsource:\n  product: none\ndetection:\n  a:\n    type: none\n  condition: a\nlevel: low\n',
);
export const storeOf = (dir: string) => openEmbedded(join(dir, 'data', 'store'));

/** The first lines as a file. */
export function fileOf(dir: string, count: number): string {
  mkdirSync(dir, { recursive: true });
  const file = join(dir, 'audit.ndjson');
  writeFileSync(file, `${lines.slice(0, count).join('\n')}\n`);
  return file;
}

export const openAt = (dir: string) =>
  openApp({
    dataDir: join(dir, 'data'),
    anchorFile: join(dir, 'data.anchor'),
    ruleFolders: [rules],
    clock,
    openStore: () => storeOf(dir),
  });

export async function ingest(dir: string, count: number): Promise<void> {
  const app = await openAt(dir);
  now += 60_000;
  await app.ingestFile(fileOf(dir, count), { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
  await app.close();
}

beforeAll(async () => {
  await ingest(base, 300);
  await ingest(base, 600);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let copies = 0;
/** A copy of the store, changed by someone with every right over it, and what verify says of it. */
export async function verifyAfter(
  change: (engine: Engine, dir: string) => Promise<void>,
  since?: string,
  anchor: (lines: string[]) => string[] = (lines) => lines,
  from = base,
  more: Partial<VerifyOptions> = {},
) {
  const dir = join(folder, `copy-${copies++}`);
  cpSync(from, dir, { recursive: true });
  const anchorFile = join(dir, 'data.anchor');
  writeFileSync(anchorFile, anchor(readFileSync(anchorFile, 'utf8').split('\n')).join('\n'));
  const engine = await storeOf(dir);
  try {
    await change(engine, dir);
    const report = await verifyStore({
      engine,
      dataDir: join(dir, 'data'),
      anchorFile,
      now: now + 60_000,
      ...(since === undefined ? {} : { since }),
      ...more,
    });
    const first = report.findings[0];
    return { ...report, first: first && `${first.class} ${first.tree} ${first.offset ?? '-'}` };
  } finally {
    await engine.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
export const update = (engine: Engine, table: string, set: string, where: string) =>
  engine.command(`ALTER TABLE ${table} UPDATE ${set} WHERE ${where} SETTINGS mutations_sync = 2`);
export const remove = (engine: Engine, table: string, where: string) =>
  engine.command(`ALTER TABLE ${table} DELETE WHERE ${where} SETTINGS mutations_sync = 2`);
/** Every table's rows of these lines: the attacker leaves no loose ends. */
export async function removeRows(engine: Engine, where: string): Promise<void> {
  for (const table of ['kw.records', 'kw.events', 'kw.set_aside', 'kw.hits'])
    await remove(engine, table, where);
}
export const columns =
  'stream, partition, epoch, kafka_ts, ingested_at, key, headers, flags, value, sealed, writer, leaf';
