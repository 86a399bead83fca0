import { type StreamKey, streamKeyText } from '../../core/record.ts';
import type { Checkpoint } from '../checkpoint.ts';
import type { ExpiredRange } from '../retention.ts';
import { frontierRoot } from '../tree.ts';
import type { AuditStore } from './auditStore.ts';
import { headAt, placeAt } from './base.ts';
import type { Finding } from './findings.ts';
import type { LawfulActs } from './lawful.ts';
import type { Pin } from './pins.ts';
import { isKept } from './treeRun.ts';
import { fromNothing, type TreeStart } from './treeState.ts';

/** A tree before it is read: what is gone by law, and from where on it must be derived again. */
export interface OpenTree {
  readonly key: StreamKey;
  readonly name: string;
  readonly pins: readonly Pin[];
  /** Records that are stored. */
  readonly records: number;
  /** Dropped by law, and gone. */
  readonly gone: readonly ExpiredRange[];
  /** May be dropped by law, and still there. */
  readonly pending: readonly ExpiredRange[];
  readonly start: TreeStart;
  /** Set when it did not grow since the kept checkpoint: what it was then. */
  readonly unchanged: Checkpoint | undefined;
  readonly findings: readonly Finding[];
}

interface OpenOptions {
  readonly store: AuditStore;
  readonly lawful: LawfulActs;
  /** What the kept checkpoint pins of it; undefined = everything is derived again. */
  readonly pin: Checkpoint | undefined;
  readonly pins: readonly Pin[];
  readonly records: number;
}

export async function openTree(key: StreamKey, options: OpenOptions): Promise<OpenTree> {
  const { store, pin, pins, records } = options;
  const name = streamKeyText(key);
  const expired = await expiredOf(name, key, options);
  const { gone } = expired;
  const stored = records + gone.reduce((n, g) => n + g.count, 0);
  const common = { key, name, records, gone, pending: expired.pending, unchanged: undefined };
  const whole: OpenTree = { ...common, pins, start: fromNothing, findings: expired.findings };
  if (pin === undefined) return whole;
  const newer = pins.filter((p) => p.size > pin.size);
  if (stored <= pin.size && newer.length === 0) {
    const findings = [...expired.findings, ...countFound(name, stored, pin.size)];
    return { ...whole, unchanged: pin, findings };
  }
  const start = await startAt(store, key, pin, gone);
  if (start === undefined) {
    // Its tiles do not prove what was signed: then nothing of it can be left out.
    const proved = { size: pin.size, roots: [{ root: pin.root, isInStore: true, isOutside: true }] };
    return { ...whole, pins: [proved, ...newer] };
  }
  const before = await leavesUpTo(store, key, start, gone);
  const findings = [...expired.findings, ...countFound(name, before, pin.size)];
  return { ...whole, pins: newer, start, findings };
}

/** Leaves up to where the audit begins: those of records, and those of dropped ones. */
async function leavesUpTo(
  store: AuditStore,
  key: StreamKey,
  { frontier, place }: TreeStart,
  gone: readonly ExpiredRange[],
): Promise<number> {
  const records = place.offset < 0n ? 0 : await store.countRecords(key, 0n, place.offset);
  return gone.reduce((n, g) => n + Math.max(0, Math.min(g.count, frontier.size - g.from)), records);
}

/** What stood before the kept checkpoint is not derived again, but counted. */
function countFound(tree: string, found: number, wanted: number): Finding[] {
  if (found === wanted) return [];
  const [kind, count, what] =
    found < wanted
      ? (['deleted', wanted - found, 'are gone'] as const)
      : (['inserted', found - wanted, 'are too many'] as const);
  const detail = `of the ${wanted} records before the kept checkpoint ${count} ${what}: verify without --incremental says which`;
  return [{ class: kind, tree, detail }];
}

async function startAt(
  store: AuditStore,
  key: StreamKey,
  pin: Checkpoint,
  gone: readonly ExpiredRange[],
): Promise<TreeStart | undefined> {
  if (pin.size === 0) return fromNothing;
  const head = await headAt(store, key, pin.size);
  if (head === undefined || !frontierRoot(head.frontier).equals(pin.root)) return undefined;
  const place = await placeAt(store, key, pin.size, gone);
  return place === undefined ? undefined : { ...head, place };
}

/** What was dropped by law and is gone; and findings about it. */
async function expiredOf(
  name: string,
  key: StreamKey,
  { store, lawful, pin }: OpenOptions,
): Promise<Pick<OpenTree, 'gone' | 'pending' | 'findings'>> {
  const gone: ExpiredRange[] = [];
  const pending: ExpiredRange[] = [];
  const findings: Finding[] = [];
  for (const range of lawful.expired.get(name) ?? []) {
    const at = { tree: name, offset: range.first };
    const left = await store.countRecords(key, range.first, range.last);
    // A crash between the leaf and the drop, or somebody who helped: what is there is verified as usual.
    if (left > 0) pending.push(range);
    else if (range.from + range.count <= (pin?.size ?? 0) || (await isKept(store, key, range))) {
      gone.push(range);
      const detail = `${range.count} records of ${range.month}, up to offset ${range.last}, dropped by law; their leaves stand`;
      findings.push({ class: 'expired-lawful', ...at, detail });
    } else {
      const detail = `the tiles no longer hold the ${range.count} leaves of the records that were dropped by law`;
      findings.push({ class: 'modified', ...at, detail });
    }
  }
  return { gone, pending, findings };
}
