import type { Period } from '../core/quarter.ts';
import type { StreamKey } from '../core/record.ts';
import type { Viewer } from '../store/query.ts';

/** What the ledger says about one tree: the completeness page prints it beside what the store says. */
export interface StreamCompleteness extends StreamKey {
  /** Of the records under the checkpoint. */
  readonly firstOffset: bigint;
  readonly lastOffset: bigint;
  /**
   * Missing offsets, `[from, to]` both included; a transport's own gaps (transaction marks) are listed too.
   * Undefined where offsets do not count records (a file's are positions in bytes).
   */
  readonly gaps: readonly (readonly [from: bigint, to: bigint])[] | undefined;
  readonly records: number;
  /** Ingest months (YYYYMM) whose records were dropped by law, oldest first: leaves without bytes. */
  readonly expired: readonly { readonly month: string; readonly records: number }[];
  readonly events: number;
  readonly setAside: number;
  readonly rootHex: string;
  readonly checkpointSize: number;
  /** What `verify` said of this tree: `intact`, `tampered`, `truncated`, … or `not run`. */
  readonly verifyVerdict: string;
  /** The signed note of this tree; '' = it stands only in the meta tree's. */
  readonly checkpoint: string;
}

/** An identity the catalog names by id or person (patterns name nobody in particular). */
export interface KnownIdentity {
  readonly identity: string;
  readonly kind: string;
  readonly team: string;
  /** Last day, `2026-08-31`; '' = still here. */
  readonly until: string;
}

/** What the review takes from the catalog; everything else it knows stands in the events' enrichment columns. */
export interface ReviewCatalog {
  readonly version: number;
  readonly hash: string;
  /** Days within which this object must be changed; 0 = no policy. First match wins, as in the catalog. */
  rotateEveryDays(objectId: string): number;
  /** Ids that stand in the catalog without a wildcard: they have a policy although the log never showed them. */
  readonly namedSecrets: readonly string[];
  readonly identities: readonly KnownIdentity[];
}

/**
 * Everything a review depends on: equal inputs over equal rows give equal bytes (docs/access-review.md).
 * Only records at or below each stream's `lastOffset` are looked at, whatever has arrived since.
 */
export interface ReviewInput {
  readonly period: Period;
  readonly catalog: ReviewCatalog;
  readonly completeness: {
    /** The signed note of the meta tree, as `checkpoint` prints it; '' = none yet. */
    readonly checkpoint: string;
    /** Milliseconds: the review's only idea of when it was made. */
    readonly checkpointTime: number;
    readonly streams: readonly StreamCompleteness[];
    /** What `verify` found, in words, sorted; only what does not depend on when it ran. */
    readonly findings: readonly string[];
    /** The longest time between two signed heartbeats of a run: a tail cut within it could go unseen. */
    readonly exposureMs: number;
  };
  readonly productVersion: string;
  /** Whose view it is; absent = everything. */
  readonly viewer?: Viewer;
}
