import { expect, it } from 'vitest';
import { noneStored, pendingTiles } from '../../src/ledger/pendingTiles.ts';

const key = { stream: 'main.audit', partition: 0, epoch: 0 };
const tile = (index: number) => ({
  level: 0,
  index,
  last: BigInt(index),
  hashes: Buffer.alloc(0),
  root: Buffer.alloc(32),
});

it('a store that has many tiles to write gets them in bounded statements, each once, in order', async () => {
  const tiles = pendingTiles();
  const full = tiles.of(key, noneStored);
  for (let i = 0; i < 5_000; i += 1) full(tile(i));
  const sizes: number[] = [];
  const written: number[] = [];
  const append = async (rows: readonly { readonly index: number }[]) => {
    if (sizes.length === 1) {
      sizes.push(0);
      throw new Error('refused');
    }
    sizes.push(rows.length);
    written.push(...rows.map((r) => r.index));
  };
  await expect(tiles.write(append)).rejects.toThrow('refused');
  await tiles.write(append);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(2_048);
  expect(written).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
});
