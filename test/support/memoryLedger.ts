import type { StreamKey } from '../../src/core/record.ts';
import type { CheckpointRow, LedgerStore, MetaRow } from '../../src/ledger/ports.ts';
import { type Tile, tileName } from '../../src/ledger/tiles.ts';

/** Leaves where the n-th record has the offset n. */
export const at = (leaves: readonly Buffer[], first = 0) =>
  leaves.map((l, i) => ({ offset: BigInt(first + i), leaf: l }));

/** The store as arrays: what is lost on the way is decided by the test. */
export function memoryStore(key: StreamKey) {
  const state = {
    leaves: [] as Buffer[],
    tiles: [] as (StreamKey & Tile)[],
    meta: [] as MetaRow[],
    checkpoints: [] as CheckpointRow[],
    failNext: undefined as 'before' | 'after' | undefined,
  };
  const store: LedgerStore = {
    trees: async () => (state.leaves.length > 0 ? [key] : []),
    async *leaves() {
      yield at(state.leaves);
    },
    fullTiles: async () => new Set(),
    async readTiles(tree, wanted) {
      const rows = state.tiles.filter((t) => t.stream === tree.stream);
      return new Map(
        wanted.map((w) => [
          tileName(w),
          rows.find((r) => tileName(r) === tileName(w))?.hashes ?? Buffer.alloc(0),
        ]),
      );
    },
    async appendTiles(rows) {
      state.tiles.push(...rows);
    },
    async *metaLeaves(from) {
      yield state.meta.filter((m) => m.index >= from);
    },
    async appendMeta(rows) {
      const fail = state.failNext;
      state.failNext = undefined;
      if (fail === 'before') throw new Error('refused');
      state.meta.push(...rows);
      if (fail === 'after') throw new Error('timeout');
    },
    async saveCheckpoints(rows) {
      state.checkpoints.push(...rows);
    },
    async lastCheckpoints() {
      const newest = new Map<string, CheckpointRow>();
      for (const c of state.checkpoints) newest.set(c.origin, c);
      return [...newest.values()];
    },
  };
  return { state, store };
}
