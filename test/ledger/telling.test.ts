import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AnchorTrouble, watched } from '../../src/app/anchors.ts';
import type { Clock } from '../../src/core/clock.ts';
import { KeywitnessError } from '../../src/core/errors.ts';
import type { Anchor, SignedHead } from '../../src/ledger/anchors/anchor.ts';
import { isConsistent } from '../../src/ledger/consistency.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { openKeys } from '../../src/ledger/openKeys.ts';
import { memoryStore } from '../support/memoryLedger.ts';
import { until } from '../support/wait.ts';

let dir: string;
let time = 0;
const clock: Clock = { now: () => time, sleep: async () => undefined };
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kw-telling-'));
  time = Date.parse('2026-07-01T00:00:00Z');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const key = { stream: 'main.audit', partition: 0, epoch: 0 };
const open = async (store: ReturnType<typeof memoryStore>['store'], anchors: readonly Anchor[]) =>
  Ledger.open({
    store,
    anchors,
    keys: await openKeys(join(dir, 'data'), {}),
    anchorFile: join(dir, 'data.anchor'),
    clock,
  });
const settled = () => new Promise((resolve) => setImmediate(resolve));
const anchor = (keep: (head: SignedHead) => Promise<readonly string[]>): Anchor => ({
  name: 'somebody',
  keep,
  close: async () => undefined,
});

describe('those who remember', () => {
  it('see every head with a proof from any head before it, across full tiles and restarts', async () => {
    const { store } = memoryStore(key);
    const heads: { size: number; root: Buffer }[] = [];
    const wrong: string[] = [];
    const keep = async ({ meta, consistency }: SignedHead) => {
      // The one before, one just below and above a full tile, and the first.
      for (const from of [
        heads.at(-1),
        heads.find((h) => h.size >= 255),
        heads.find((h) => h.size > 256),
        heads[0],
      ]) {
        if (from === undefined || from.size === meta.size) continue;
        const proof = await consistency(from.size);
        if (!isConsistent(from.size, from.root, meta.size, meta.root, proof))
          wrong.push(`${from.size}→${meta.size}`);
      }
      heads.push({ size: meta.size, root: meta.root });
      return [];
    };
    for (let sitting = 0; sitting < 5; sitting += 1) {
      const ledger = await open(store, [anchor(keep)]);
      await ledger.start();
      for (let beat = 0; beat < 120; beat += 1) {
        time += 10_000;
        await ledger.heartbeat();
        while (heads.at(-1)?.size !== sitting * 122 + beat + 2) await settled();
      }
      await ledger.stop();
    }
    expect(wrong).toEqual([]);
    // Every start, heartbeat and stop; 610 leaves are more than two full tiles.
    expect(heads.map((h) => h.size)).toEqual(Array.from({ length: 610 }, (_, i) => i + 1));
  });

  it('may be slow, away or wrong: the ledger goes on, and keeps what they signed', async () => {
    const { state, store } = memoryStore(key);
    const asked: ((lines: readonly string[]) => void)[] = [];
    const slow = anchor(() => new Promise((resolve) => asked.push(resolve)));
    const away = anchor(async () => {
      throw new KeywitnessError('KW_WITNESS', 'away');
    });
    const isCosigned = (line: string) => state.checkpoints.some((c) => c.note.endsWith(line));
    const ledger = await open(store, [slow, away]);
    await ledger.start();
    await ledger.heartbeat();
    await ledger.heartbeat();
    // One head at a time: the others waited for nobody.
    expect(asked).toHaveLength(1);
    const [first] = state.checkpoints;
    asked[0]?.(['— w x\n']);
    await until('the cosignature is kept', () => isCosigned('— w x\n'));
    expect(state.checkpoints.at(-1)).toEqual({ ...first, note: `${first?.note}— w x\n` });
    // The store is away when the next one comes back: that one is lost, and nothing else.
    await ledger.heartbeat();
    const { saveCheckpoints } = store;
    store.saveCheckpoints = async () => {
      store.saveCheckpoints = saveCheckpoints;
      throw new KeywitnessError('KW_STORE', 'away');
    };
    asked[1]?.(['— w y\n']);
    const stopping = ledger.stop();
    await until('the end is shown', () => asked.length === 3);
    asked[2]?.(['— w z\n']);
    await stopping;
    expect([isCosigned('— w y\n'), isCosigned('— w z\n')]).toEqual([false, true]);
    expect(state.meta.at(-1)?.kind).toBe('stop');
  });
});

describe('people', () => {
  const fork = new KeywitnessError('KW_WITNESS_FORK', 'it has another');
  const away = new KeywitnessError('KW_WITNESS', 'it is away');

  async function fare(outcomes: readonly (KeywitnessError | 'kept')[]) {
    const told: AnchorTrouble['kind'][] = [];
    const seen: string[] = [];
    let outcome: KeywitnessError | 'kept' = 'kept';
    const watching = watched(
      anchor(async () => {
        if (outcome !== 'kept') throw outcome;
        return [];
      }),
      {
        kept: (_, wasAway) => seen.push(wasAway ? 'back' : 'kept'),
        failed: (_, __, isFirst) => seen.push(isFirst ? 'gone' : 'still'),
        trouble: ({ kind }) => told.push(kind),
      },
    );
    for (outcome of outcomes) await watching.keep({} as SignedHead).catch(() => undefined);
    return { told, seen };
  }

  it('hear of an outage after three heartbeats, once, and of the next one again', async () => {
    expect((await fare([away, away])).told).toEqual([]);
    expect(await fare([away, away, away, away, 'kept', 'kept', away, away, away])).toEqual({
      told: ['anchor', 'anchor'],
      seen: ['gone', 'still', 'still', 'still', 'back', 'kept', 'gone', 'still', 'still'],
    });
  });

  it('hear of a fork at once, once', async () => {
    expect((await fare([fork])).told).toEqual(['fork']);
    expect((await fare([away, fork, fork, fork])).told).toEqual(['fork']);
  });
});
