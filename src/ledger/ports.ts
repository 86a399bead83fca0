import type { StreamKey } from '../core/record.ts';

/** What the ledger keeps in the store; `app` joins the two. All writes are durable when they resolve. */
export interface LedgerStore {
  /** Every tree that has records. */
  trees(): Promise<readonly StreamKey[]>;
  /** Leaf hashes of one tree in offset order, in pages. */
  leaves(key: StreamKey): AsyncIterable<readonly Buffer[]>;
  /** Meta leaves with index ≥ `from`, in order, in pages. */
  metaLeaves(from: number): AsyncIterable<readonly StoredMetaLeaf[]>;
  appendMeta(rows: readonly MetaRow[]): Promise<void>;
  saveCheckpoints(rows: readonly CheckpointRow[]): Promise<void>;
  /** The newest signed checkpoint of every origin. */
  lastCheckpoints(): Promise<readonly CheckpointRow[]>;
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
