import type { Clock } from '../core/clock.ts';
import type { StreamKey } from '../core/record.ts';
import type { Anchor } from './anchors/anchor.ts';
import type { LedgerKeys } from './keys.ts';
import type { Signer } from './note.ts';
import type { LedgerStore, StoredLeaf } from './ports.ts';
import type { ExpiredRange } from './retention.ts';
import type { BoundFrom } from './settings.ts';

export interface LedgerOptions {
  readonly store: LedgerStore;
  readonly keys: LedgerKeys;
  /** `recover`: the key is lost or stolen, and nothing but a rollover by the offline root comes next. */
  readonly purpose?: 'rotate' | 'recover';
  readonly anchorFile: string;
  /** Who else remembers, beside the file. */
  readonly anchors?: readonly Anchor[];
  readonly clock: Clock;
}

/** What a heartbeat pins besides the trees. A hash is written when it differs from the one before. */
export interface HeartbeatFacts {
  /** Kafka's high watermarks. */
  readonly highs?: readonly (StreamKey & { readonly high: bigint })[];
  /** `rules`, `config`, `catalog`, … by name: hex hashes or versions. */
  readonly hashes?: Readonly<Record<string, string>>;
}

/** What the ledger knows of a tree, whatever the store still holds of it. */
export interface TreeExtent {
  readonly leaves: number;
  readonly end: StoredLeaf | undefined;
  /** Leaves that a heartbeat has listed. */
  readonly pinned: number;
  readonly expired: readonly ExpiredRange[];
  /** How its records are read now; undefined when nobody said yet. */
  readonly binding: BoundFrom | undefined;
}

/** Whose signatures a checkpoint gets, and what the anchor says before it. */
export interface HowToSign {
  /** Default: the key in force. */
  readonly signers?: readonly Signer[];
  /** Lines that the anchor gets before the checkpoints. */
  readonly anchored?: readonly string[];
}
