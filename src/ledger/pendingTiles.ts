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
      const rows = waiting;
      if (rows.length > 0) await append(rows);
      waiting = waiting.slice(rows.length);
    },
  };
}
