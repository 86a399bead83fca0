import type { Checkpoint } from '../checkpoint.ts';

/** A signed checkpoint and its note. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: string;
}

/** What a heartbeat signed, as it is shown to those who remember. */
export interface SignedHead {
  /** Milliseconds. */
  readonly time: number;
  /** The meta tree: it pins every other. */
  readonly meta: SignedCheckpoint;
  /** Of the key that signed it: for an anchor that does not know the log yet. */
  readonly vkey?: string;
  /** RFC 9162 section 2.1.4 consistency proof of the meta tree, from an older size to this one. */
  consistency(from: number): Promise<readonly Buffer[]>;
}

/**
 * Somebody outside the store who remembers checkpoints. Beside the append-only file, which the ledger cannot do
 * without, an anchor may be away or refuse: that is told to people and never stops the ledger.
 */
export interface Anchor {
  /** In messages, metrics and the configuration. */
  readonly name: string;
  /** Remembers this head. @returns cosignature lines for the meta checkpoint's note. @throws KeywitnessError */
  keep(head: SignedHead): Promise<readonly string[]>;
  close(): Promise<void>;
}
