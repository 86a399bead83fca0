import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import {
  coveringCheckpoint,
  newestCheckpoint,
  openLedgerStore,
  type SignedCheckpointRow,
} from '../../src/store/ledgerStore.ts';
import { migrate } from '../../src/store/migrate.ts';

let folder: string;
let engine: Engine;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keywitness-checkpoints-'));
  engine = await openEmbedded(join(folder, 'store'));
  await migrate(engine);
}, 60_000);
afterAll(async () => {
  await engine?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A checkpoint with a line for each of these names; what a line says does not matter here. */
function row(origin: string, size: number, names: readonly string[]): SignedCheckpointRow {
  const note = `${origin}\n${size}\nroot\n\n${names.map((name) => `— ${name} x\n`).join('')}`;
  return { origin, size, root: Buffer.alloc(32, size % 256), note, made_at: 1_700_000_000_000 };
}

const names = (found: SignedCheckpointRow | undefined) => [found?.size, found?.note.match(/— /g)?.length];

describe('the checkpoint that is given out', () => {
  it('is the newest, with its cosignatures, whoever was away since', async () => {
    const o = 'keywitness/00000000000000aa/meta';
    const store = openLedgerStore(engine);
    await store.saveCheckpoints([row(o, 5, [o, 'w1', 'w2']), row(o, 9, [o])]);
    expect(names(await newestCheckpoint(engine, o))).toEqual([9, 1]);
    await store.saveCheckpoints([row(o, 9, [o, 'w1'])]);
    await store.saveCheckpoints([row(o, 9, [o])]);
    expect(names(await newestCheckpoint(engine, o))).toEqual([9, 2]);
  });

  it('is a cosigned one where a proof needs one that covers its leaf, old or new', async () => {
    const o = 'keywitness/00000000000000bb/meta';
    const store = openLedgerStore(engine);
    // 3 and 5: a key follows another, and both sign. Nobody else did.
    await store.saveCheckpoints([
      row(o, 3, [o, o]),
      row(o, 4, [o]),
      row(o, 4, [o, 'w1']),
      row(o, 5, [o, o]),
      ...Array.from({ length: 3_000 }, (_, i) => row(o, 6 + i, [o])),
    ]);
    expect(names(await coveringCheckpoint(engine, o, 2))).toEqual([4, 2]);
    expect(names(await coveringCheckpoint(engine, o, 3))).toEqual([4, 2]);
    // Nobody cosigned what covers this one: the newest.
    expect(names(await coveringCheckpoint(engine, o, 4))).toEqual([3_005, 1]);
    await store.saveCheckpoints([row(o, 3_004, [o, 'w1'])]);
    expect(names(await coveringCheckpoint(engine, o, 4))).toEqual([3_004, 2]);
    expect(await coveringCheckpoint(engine, o, 3_005)).toBeUndefined();
  });
});
