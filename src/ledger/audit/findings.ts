import type { StreamKey } from '../../core/record.ts';

/** What `verify` can find, with its verdict (docs/ledger.md, "What verify finds"). */
const findingVerdicts = {
  modified: 'tampered',
  'leaf-modified': 'tampered',
  'column-modified': 'tampered',
  reordered: 'tampered',
  deleted: 'tampered',
  inserted: 'tampered',
  'event-deleted': 'tampered',
  'event-inserted': 'tampered',
  rewritten: 'tampered',
  forked: 'tampered',
  'back-dated': 'tampered',
  forged: 'tampered',
  'wrong-key': 'tampered',
  truncated: 'truncated',
  'rolled-back': 'truncated',
  stale: 'truncated',
  'not-derived': 'truncated',
  'not-rebuilt': 'unknown',
  'settings-unknown': 'unknown',
  'no-anchor': 'unknown',
  'no-ledger': 'unknown',
  'no-quorum': 'unknown',
  'replay-differs': 'tampered',
  'replay-lost': 'tampered',
  'replay-extra': 'tampered',
  'replay-unknown': 'unknown',
  'expired-lawful': 'expired',
  'erased-lawful': 'expired',
  gap: 'intact',
} as const satisfies Record<string, Verdict>;

export type Verdict = 'intact' | 'tampered' | 'truncated' | 'unknown' | 'expired';
export type FindingClass = keyof typeof findingVerdicts;

/** 0 intact, 1 tampered, 2 stale or truncated, 3 cannot tell, 4 only what went by law. */
export const verdictExits: Readonly<Record<Verdict, number>> = {
  intact: 0,
  tampered: 1,
  truncated: 2,
  unknown: 3,
  expired: 4,
};

export interface Finding {
  readonly class: FindingClass;
  /** `stream/partition/epoch`, `meta`, or '' = the whole log. */
  readonly tree: string;
  /** First bad offset (of `meta`: index); undefined when it lies within a range that `detail` names. */
  readonly offset?: bigint;
  readonly idx?: number;
  /** In words; holds no value of a record. */
  readonly detail: string;
}

/** The worst first, what is only listed last; else as they were found: the first one is why the verdict is what it is. */
export function worstFirst(findings: readonly Finding[]): Finding[] {
  const exitOf = (f: Finding) => verdictExits[findingVerdicts[f.class]] || Number.POSITIVE_INFINITY;
  return findings.toSorted((a, b) => (exitOf(a) === exitOf(b) ? 0 : exitOf(a) - exitOf(b)));
}

export function worstVerdict(findings: readonly Finding[]): Verdict {
  const worst = worstFirst(findings)[0];
  return worst === undefined ? 'intact' : findingVerdicts[worst.class];
}

export interface TreeReport extends StreamKey {
  readonly verdict: Verdict;
  readonly records: number;
  /** Records dropped by law: their leaves stand. */
  readonly expired: number;
  /** Leaves before this one were taken as they were verified before; 0 = all were derived again. */
  readonly derivedFrom: number;
  readonly first: bigint | undefined;
  readonly last: bigint | undefined;
  /** Base64 root over what is stored. */
  readonly root: string;
  /** Leaves pinned by the newest signed checkpoint or heartbeat. */
  readonly signed: number;
  readonly events: number;
  readonly setAside: number;
}

export interface VerifyReport {
  readonly verdict: Verdict;
  readonly exit: number;
  readonly logId: string;
  readonly trees: readonly TreeReport[];
  readonly findings: readonly Finding[];
  readonly exposure: Exposure;
  readonly notes: readonly string[];
}

/** For how long a cut tail could go unseen. Times in milliseconds since the epoch, 0 = never. */
interface Exposure {
  readonly newestAnchored: number;
  readonly newestSigned: number;
  /** When a witness last had the log in front of it; absent where no witness was looked for. */
  readonly newestWitnessed?: number;
  /** Records after the newest checkpoint. */
  readonly unsignedRecords: number;
  /** The longest time between two heartbeats of one run. */
  readonly longestSilenceMs: number;
}
