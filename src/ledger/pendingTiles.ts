import type { StreamKey } from '../core/record.ts';
import { type Tile, tileName } from './tiles.ts';

/** Full tiles on their way to the store. */
export interface TileQueue {
  /** Where the full tiles of one tree go; those in `stored` are there already. */
  of(key: StreamKey, stored: ReadonlySet<string>): (tile: Tile) => void;
}

export interface PendingTiles extends TileQueue {
  /** Writes what is waiting; kept when that fails. */
  write(append: (rows: readonly (StreamKey & Tile)[]) => Promise<void>): Promise<void>;
}

/** 16 MiB of hashes: a store made before there were tiles has all of them to write at its first start. */
const tilesAtOnce = 2_048;

export const noneStored: ReadonlySet<string> = new Set();

export function pendingTiles(): PendingTiles {
  let waiting: (StreamKey & Tile)[] = [];
  return {
    of:
      ({ stream, partition, epoch }, stored) =>
      (tile) => {
        if (!stored.has(tileName(tile))) waiting.push({ stream, partition, epoch, ...tile });
      },
    async write(append) {
      while (waiting.length > 0) {
        const rows = waiting.slice(0, tilesAtOnce);
        await append(rows);
        waiting = waiting.slice(rows.length);
      }
    },
  };
}
