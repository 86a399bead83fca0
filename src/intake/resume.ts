import type { StoredEnd } from './intake.ts';

/** What the broker has of a partition: offsets `low` to `high` - 1. */
export interface Watermarks {
  readonly low: bigint;
  readonly high: bigint;
}

/** How reading a partition begins. */
export interface ResumePlan {
  readonly epoch: number;
  /** The next offset to be stored. */
  readonly next: bigint;
  /** Where to seek: the last stored record, when the broker still has it, to compare it with its leaf. */
  readonly seek: bigint;
  readonly verify: bigint | undefined;
  /** Records the broker deleted before we read them. */
  readonly lost: { readonly first: bigint; readonly last: bigint } | undefined;
  /** Why this is a new epoch; '' when it is not. */
  readonly newEpoch: string;
}

/**
 * Where to go on, from our own store's last offset A and what the broker has (docs/ledger.md, "Exactly once
 * from Kafka"). Kafka's committed offset plays no part.
 */
export function planResume(stored: StoredEnd | undefined, marks: Watermarks): ResumePlan {
  const nothing = { verify: undefined, lost: undefined, newEpoch: '' };
  if (stored === undefined) return { ...nothing, epoch: 0, next: marks.low, seek: marks.low };
  const next = stored.offset + 1n;
  if (marks.high < next)
    return planNewEpoch(stored.epoch, marks, 'the topic ends before the last stored record');
  const at = { ...nothing, epoch: stored.epoch };
  if (marks.low > next) {
    return { ...at, next: marks.low, seek: marks.low, lost: { first: next, last: marks.low - 1n } };
  }
  if (marks.low === next) return { ...at, next, seek: next };
  return { ...at, next, seek: stored.offset, verify: stored.offset };
}

/** The topic is another one than was stored: everything it has is new, what is stored stays. */
export function planNewEpoch(storedEpoch: number, marks: Watermarks, reason: string): ResumePlan {
  return {
    epoch: storedEpoch + 1,
    next: marks.low,
    seek: marks.low,
    verify: undefined,
    lost: undefined,
    newEpoch: reason,
  };
}
