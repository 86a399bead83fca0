import type { StreamKey } from '../core/record.ts';
import type { ExpiredRange } from './retention.ts';
import type { Tile, TileAt } from './tiles.ts';

/** What the ledger keeps in the store; `app` joins the two. All writes are durable when they resolve. */
export interface LedgerStore {
  /** Every tree that has records. */
  trees(): Promise<readonly StreamKey[]>;
  /** Leaf hashes of one tree in offset order, in pages; of lawfully dropped records those the tiles keep. */
  leaves(key: StreamKey, expired: readonly ExpiredRange[]): AsyncIterable<readonly StoredLeaf[]>;
  /** Names (`LEVEL/INDEX`) of the full tiles of a tree. */
  fullTiles(key: StreamKey): Promise<ReadonlySet<string>>;
  readTiles(key: StreamKey, at: readonly TileAt[]): Promise<ReadonlyMap<string, Buffer>>;
  appendTiles(rows: readonly (StreamKey & Tile)[]): Promise<void>;
  /** Meta leaves with index ≥ `from`, in order, in pages. */
  metaLeaves(from: number): AsyncIterable<readonly StoredMetaLeaf[]>;
  appendMeta(rows: readonly MetaRow[]): Promise<void>;
  saveCheckpoints(rows: readonly CheckpointRow[]): Promise<void>;
  /** The newest signed checkpoint of every origin. */
  lastCheckpoints(): Promise<readonly CheckpointRow[]>;
}

export interface StoredLeaf {
  readonly offset: bigint;
  readonly leaf: Buffer;
}

interface StoredMetaLeaf {
  readonly index: number;
  readonly text: Buffer;
}

export interface MetaRow extends StoredMetaLeaf {
  readonly kind: string;
  /** Milliseconds. */
  readonly made_at: number;
}

export interface CheckpointRow {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  /** The signed note. */
  readonly note: string;
  /** Milliseconds. */
  readonly made_at: number;
}
