import { KeywitnessError } from '../core/errors.ts';
import { streamKeyText } from '../core/record.ts';
import { readExpired } from '../ledger/audit/lawfulLeaves.ts';
import type { HoldAct } from '../ledger/hold.ts';
import type { ExpiredRange } from '../ledger/retention.ts';
import type { Engine } from '../store/client.ts';
import { heldMonths } from '../store/holdStore.ts';
import {
  countSessions,
  type MonthPart,
  monthParts,
  type TreeMonth,
  treeMonths,
} from '../store/retentionStore.ts';
import { leavesBefore } from '../store/tileStore.ts';
import { heldScope } from './hold.ts';
import { readHolds } from './lawful.ts';
import { isOver, type Keep } from './retentionKeep.ts';

/** The leaves of one tree that go with a month. */
export interface TreeRange extends TreeMonth {
  /** Index of the first leaf. */
  readonly from: number;
  /** The leaf of the meta-log that says so already: a run before this one did not come to its end. */
  readonly announced: ExpiredRange | undefined;
}

export interface MonthPlan {
  /** Ingest month, YYYYMM, UTC. */
  readonly month: string;
  /** `held`: a legal hold in force keeps it. `announced`: a run before this one did not come to its end. */
  readonly state: 'goes' | 'held' | 'announced';
  readonly trees: readonly TreeRange[];
  /** Legal holds that keep it, and how much of the month each one asks for. */
  readonly holds: readonly { readonly id: string; readonly records: number }[];
  /** Rows that go with the records. */
  readonly derived: Readonly<Record<'events' | 'set_aside' | 'hits' | 'sessions', number>>;
  readonly diskBytes: number;
}

export interface RetentionPlan {
  /** Oldest first. */
  readonly months: readonly MonthPlan[];
  /** Legal holds in force. */
  readonly holds: number;
}

/** Which whole ingest months would go now, and what keeps the others. Reads only. @throws KW_RETENTION */
export async function planRetention(engine: Engine, keep: Keep, now: number): Promise<RetentionPlan> {
  const stored = await treeMonths(engine);
  requireContiguous(stored);
  const expired = await readExpired(engine);
  const announcedOf = (t: TreeMonth) =>
    expired.find((r) => r.month === t.month && r.tree === streamKeyText(t));
  const cutoff = keep.cutoff(now);
  const due = [...new Set(stored.map((t) => t.month))].filter(
    (month) => isOver(month, cutoff) || stored.some((t) => t.month === month && announcedOf(t) !== undefined),
  );
  const holds = await heldBy(engine, await readHolds(engine));
  const parts = due.length === 0 ? [] : await monthParts(engine);
  const months: MonthPlan[] = [];
  for (const month of due.sort()) {
    const trees: TreeRange[] = [];
    for (const t of stored.filter((s) => s.month === month)) {
      trees.push({ ...t, from: await leavesBefore(engine, t, t.first), announced: announcedOf(t) });
    }
    const isAnnounced = trees.some((t) => t.announced !== undefined);
    const keeping = holds.flatMap(({ id, months: of }) => {
      const records = of.get(month) ?? 0;
      return records === 0 ? [] : [{ id, records }];
    });
    months.push({
      month,
      state: keeping.length > 0 ? 'held' : isAnnounced ? 'announced' : 'goes',
      trees,
      holds: keeping,
      derived: { ...rowsOf(parts, month), sessions: await countSessions(engine, trees) },
      diskBytes: parts.filter((p) => p.month === month).reduce((sum, p) => sum + p.diskBytes, 0),
    });
  }
  return { months, holds: holds.length };
}

async function heldBy(engine: Engine, holds: readonly HoldAct[]) {
  const out: { readonly id: string; readonly months: ReadonlyMap<string, number> }[] = [];
  for (const { id, scope } of holds) out.push({ id, months: await heldMonths(engine, heldScope(scope)) });
  return out;
}

function rowsOf(parts: readonly MonthPart[], month: string) {
  const rows = (table: string) => parts.find((p) => p.month === month && p.table === table)?.rows ?? 0;
  return { events: rows('events'), set_aside: rows('set_aside'), hits: rows('hits') };
}

/**
 * A month of a tree is one stretch of its leaves, because a flush's time rises with the offsets. A leaf of the
 * meta-log can only name a stretch: where that does not hold, nothing is dropped. @throws KW_RETENTION
 */
function requireContiguous(stored: readonly TreeMonth[]): void {
  const lastOf = new Map<string, TreeMonth>();
  for (const t of [...stored].sort((a, b) => (a.month < b.month ? -1 : a.month > b.month ? 1 : 0))) {
    const before = lastOf.get(streamKeyText(t));
    if (before !== undefined && t.first <= before.last) {
      throw new KeywitnessError(
        'KW_RETENTION',
        `${streamKeyText(t)}: the records of ${t.month} (from offset ${t.first}) and of ${before.month} (to ${before.last}) ` +
          'do not follow each other, so their months are no stretches of the tree. Nothing was dropped. Run `keywitness verify`.',
      );
    }
    lastOf.set(streamKeyText(t), t);
  }
}
