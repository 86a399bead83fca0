/** What can be found without the store, with its verdict (docs/ledger.md, "For a stranger"). */
const findingVerdicts = {
  modified: 'tampered',
  deleted: 'tampered',
  inserted: 'tampered',
  reordered: 'tampered',
  rewritten: 'tampered',
  forked: 'tampered',
  forged: 'tampered',
  'wrong-key': 'tampered',
  'back-dated': 'tampered',
  truncated: 'truncated',
  'rolled-back': 'truncated',
  'unknown-key': 'unknown',
  'no-keys': 'unknown',
  'no-quorum': 'unknown',
  'no-leaf': 'unknown',
  'expired-lawful': 'expired',
  'erased-lawful': 'expired',
  gap: 'intact',
} as const satisfies Record<string, OfflineVerdict>;

export type OfflineVerdict = 'intact' | 'tampered' | 'truncated' | 'unknown' | 'expired';
export type OfflineClass = keyof typeof findingVerdicts;

export const offlineExits: Readonly<Record<OfflineVerdict, number>> = {
  intact: 0,
  tampered: 1,
  truncated: 2,
  unknown: 3,
  expired: 4,
};

export interface OfflineFinding {
  readonly class: OfflineClass;
  /** `stream/partition/epoch[/offset]`, `meta[/index]`, or a file of the folder. */
  readonly place: string;
  /** Index of the leaf in its tree, when it is about one. */
  readonly index?: number;
  /** In words; holds no value of a record. */
  readonly detail: string;
}

export type Report = (finding: OfflineFinding) => void;

/** Enough to see what happened; a log of millions that was changed everywhere would fill the memory. */
const keptFindings = 100;

/** Keeps the first findings of each class: one of them is why the verdict is what it is. */
export function findingList(): {
  readonly report: Report;
  readonly findings: () => readonly OfflineFinding[];
} {
  const kept: OfflineFinding[] = [];
  const counts = new Map<string, number>();
  return {
    report: (finding) => {
      const count = counts.get(finding.class) ?? 0;
      counts.set(finding.class, count + 1);
      if (count < keptFindings) kept.push(finding);
    },
    // The worst first, else as they were found.
    findings: () => kept.toSorted((a, b) => rank(a) - rank(b)),
  };
}

export function worstVerdict(findings: readonly OfflineFinding[]): OfflineVerdict {
  const worst = findings.toSorted((a, b) => rank(a) - rank(b))[0];
  return worst === undefined ? 'intact' : findingVerdicts[worst.class];
}

/** 1 before 2 before 3 before 4 before 0. */
function rank(finding: OfflineFinding): number {
  return offlineExits[findingVerdicts[finding.class]] || 5;
}
