import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { applyRetention, type RetentionDone } from '../../src/app/retention.ts';
import { parseKeep } from '../../src/app/retentionKeep.ts';
import { openApp } from '../../src/app.ts';
import type { Clock } from '../../src/core/clock.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { verifyStore } from '../../src/ledger/audit/verify.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { openKeys } from '../../src/ledger/openKeys.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { openLedgerStore } from '../../src/store/ledgerStore.ts';

/**
 * Two files over three ingest months. `audit.ndjson` grows: 300 lines in September 2025, 137 in October, 63 in
 * September 2026, so that neither month ends where a tile does. `old.ndjson` has 70 lines of September 2025 only.
 */
export const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
  .toString('utf8')
  .split('\n')
  .slice(0, 1_000);
export const growing = lines.slice(0, 500);
export const old = lines.slice(700, 770);
export const audit = { stream: 'audit.ndjson', partition: 0, epoch: 0 };
export const oldFile = { stream: 'old.ndjson', partition: 0, epoch: 0 };

export const time = { now: Date.parse('2026-10-01T00:00:00Z') };
export const clock: Clock = {
  now: () => time.now,
  sleep: (_, signal) => new Promise((r) => signal?.addEventListener('abort', () => r())),
};

const folder = mkdtempSync(join(tmpdir(), 'kw-retention-'));
export const removeWorld = () => rmSync(folder, { recursive: true, force: true });
const rules = join(folder, 'rules');
mkdirSync(rules);
writeFileSync(
  join(rules, 'none.yml'),
  'title: Never\nid: 3f6b1c5e-0d0e-4c1e-9a59-1f4f3c1d2b10\nlogsource:\n  product: none\ndetection:\n  a:\n    type: none\n  condition: a\nlevel: low\n',
);

/** Offset of a line of a file: the bytes before it. */
export const offsetOf = (file: readonly string[], line: number) =>
  file.slice(0, line).reduce((n, l) => n + BigInt(Buffer.byteLength(l)) + 1n, 0n);

export const openStore = (dir: string) => openEmbedded(join(dir, 'data', 'store'));
export const openAt = (dir: string, openStoreAt = openStore) =>
  openApp({
    dataDir: join(dir, 'data'),
    anchorFile: join(dir, 'data.anchor'),
    ruleFolders: [rules],
    clock,
    openStore: () => openStoreAt(dir),
  });

export async function ingest(
  dir: string,
  name: string,
  file: readonly string[],
  at: string,
  openStoreAt = openStore,
) {
  time.now = Date.parse(at);
  mkdirSync(dir, { recursive: true });
  const path = join(dir, name);
  writeFileSync(path, `${file.join('\n')}\n`);
  const app = await openAt(dir, openStoreAt);
  const counts = await app.ingestFile(path, { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
  await app.close();
  return counts;
}

let base: string | undefined;
/** A copy of the world, as it stands on the 1st of October 2026. */
export async function newWorld(): Promise<string> {
  if (base === undefined) {
    base = join(folder, 'base');
    await ingest(base, 'audit.ndjson', growing.slice(0, 300), '2025-09-03T10:00:00Z');
    await ingest(base, 'old.ndjson', old, '2025-09-30T23:59:59.999Z');
    await ingest(base, 'audit.ndjson', growing.slice(0, 437), '2025-10-01T00:00:00Z');
    await ingest(base, 'audit.ndjson', growing, '2026-09-15T00:00:00Z');
  }
  time.now = Date.parse('2026-10-01T00:00:00Z');
  const dir = mkdtempSync(join(folder, 'copy-'));
  cpSync(base, dir, { recursive: true });
  return dir;
}

/** Runs alone on the store and its ledger, as a command does; afterwards the log is closed in order, or left as it fell. */
export async function withLedger<T>(
  dir: string,
  run: (parts: { engine: Engine; ledger: Ledger; begin: () => Promise<void> }) => Promise<T>,
  openStoreAt = openStore,
): Promise<T> {
  const engine = await openStoreAt(dir);
  try {
    const ledger = await Ledger.open({
      store: openLedgerStore(engine),
      keys: await openKeys(join(dir, 'data'), {}),
      anchorFile: join(dir, 'data.anchor'),
      clock,
    });
    let isBegun = false;
    const begin = async () => {
      await ledger.start();
      isBegun = true;
    };
    try {
      const result = await run({ engine, ledger, begin });
      await (isBegun ? ledger.stop() : ledger.abandon());
      return result;
    } catch (error) {
      await ledger.abandon();
      throw error;
    }
  } finally {
    await engine.close();
  }
}

export const order = { keep: parseKeep('12m'), approvers: ['Ada', 'Grace'], by: 'ops' };

export const apply = (dir: string, openStoreAt = openStore): Promise<RetentionDone> =>
  withLedger(dir, (parts) => applyRetention(parts, { ...order, now: time.now }), openStoreAt);

export async function verify(dir: string) {
  const engine = await openStore(dir);
  try {
    const report = await verifyStore({
      engine,
      dataDir: join(dir, 'data'),
      anchorFile: join(dir, 'data.anchor'),
      now: time.now + 1_000,
    });
    return { exit: report.exit, classes: [...new Set(report.findings.map((f) => f.class))], report };
  } finally {
    await engine.close();
  }
}

export async function rowsOf(dir: string, sql: string): Promise<Record<string, unknown>[]> {
  const engine = await openStore(dir);
  try {
    return await engine.rows(sql);
  } finally {
    await engine.close();
  }
}

const sha256 = (...parts: (Buffer | string)[]) => {
  const h = createHash('sha256');
  for (const part of parts) h.update(part);
  return h.digest();
};
const nothing = sha256('').toString('hex');

/** Leaf of a line of a file, from docs/ledger.md ("Leaf text v1"). */
export function leafOf(stream: string, file: readonly string[], line: number): Buffer {
  const value = sha256(file[line] ?? '').toString('hex');
  const text = `keywitness-leaf/v1\nfile\n${stream}\n0\n0\n${offsetOf(file, line)}\n0\n${nothing}\n${nothing}\n${value}\n1\n`;
  return sha256('\0', text);
}

/** The tree hash of RFC 6962 section 2.1, as it is defined: recursively. */
export function treeHash(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256('');
  if (leaves.length === 1) return leaves[0] as Buffer;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256('\x01', treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split)));
}
