import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inWorkers } from '../../src/ledger/audit/derivePool.ts';
import { derivePage, type PageJob } from '../../src/ledger/audit/page.ts';
import { loadSources } from '../../src/sources/registry.ts';
import { memoryAuditStore } from '../campaign/tamperMemory.ts';
import { makeWorld, type World, type WorldRecord } from '../campaign/tamperWorld.ts';

const folder = mkdtempSync(join(tmpdir(), 'kw-workers-'));
let world: World;
beforeAll(async () => {
  world = await makeWorld(7, join(folder, 'anchor'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every page of the world's largest tree, one of its records changed. */
async function jobs(): Promise<PageJob[]> {
  const key = { stream: 'main.audit', partition: 0, epoch: 0 };
  const of = (r: WorldRecord) => r.record.stream === key.stream && r.record.partition === key.partition;
  const row = world.records.find((r) => of(r) && r.sealed === 0) as WorldRecord;
  const changed = { ...row, record: { ...row.record, value: Buffer.from('{"event":"forged"}') } };
  const tampered = { ...world, records: world.records.map((r) => (r === row ? changed : r)) };
  const binding = { tree: '', from: 0, transport: 'kafka' as const, source: 'vault', settings: {} };
  const derived = { bindings: [binding], buckets: { shift: 6, last: 1n << 40n }, salt: randomBytes(16) };
  const plan = { key, transport: 'kafka' as const, gone: [], derived };
  const found: PageJob[] = [];
  let index = 0;
  for await (const { bytes, rows } of memoryAuditStore(tampered).records(key, -1n)) {
    found.push({ bytes, rows, index, plan });
    index += rows;
  }
  return found;
}

it('workers derive a page as this thread does, in whatever order they end, and leave its bytes alone', async () => {
  const registry = await loadSources();
  const pages = await jobs();
  const before = pages.map(({ bytes }) => Buffer.from(bytes));
  const pool = inWorkers(2);
  try {
    const derived = await Promise.all(pages.map((page) => pool.derive(page)));
    const here = pages.map((page) => derivePage(page, registry));
    expect(derived.map((d) => d.sums)).toEqual(here.map((d) => d.sums));
    expect(derived.map((d) => [...d.starts])).toEqual(here.map((d) => [...d.starts]));
    const odd = (all: readonly { odd: readonly { row: number; leaf: Uint8Array }[] }[]) =>
      all.flatMap((d) => d.odd.map(({ row, leaf }) => `${row} ${Buffer.from(leaf).toString('hex')}`));
    expect(odd(derived)).toEqual(odd(here));
    expect(odd(here)).toHaveLength(1);
    expect(pages.every(({ bytes }, i) => bytes.equals(before[i] as Buffer))).toBe(true);
  } finally {
    await pool.close();
  }
});

it('a page that a worker cannot read ends the verify with an error, and nobody waits for ever', async () => {
  const [page] = await jobs();
  const pool = inWorkers(1);
  try {
    const broken = { ...(page as PageJob), bytes: (page as PageJob).bytes.subarray(0, 40) };
    await expect(Promise.all([pool.derive(broken), pool.derive(page as PageJob)])).rejects.toThrow();
    await expect(pool.derive(page as PageJob)).rejects.toThrow();
  } finally {
    await pool.close();
  }
});
