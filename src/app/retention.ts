import { KeywitnessError } from '../core/errors.ts';
import { streamKeyText } from '../core/record.ts';
import { areTwoApprovers } from '../ledger/approvers.ts';
import { readErasures } from '../ledger/audit/lawfulLeaves.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { MetaLine } from '../ledger/meta.ts';
import { type ExpiredRange, retentionLines } from '../ledger/retention.ts';
import { narrowTile } from '../ledger/tiles.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from '../ledger/tree.ts';
import type { Engine } from '../store/client.ts';
import { keptLeaves } from '../store/keptLeaves.ts';
import {
  countDerived,
  deleteSessions,
  derivedExtents,
  dropMonth,
  monthTables,
} from '../store/retentionStore.ts';
import { readTiles, tileColumns } from '../store/tileStore.ts';
import { writeRows } from '../store/writer.ts';
import { requireOneLeaf } from './lawful.ts';
import { rangeLeaves } from './rangeLeaves.ts';
import type { Keep } from './retentionKeep.ts';
import { type MonthPlan, planRetention, type TreeRange } from './retentionPlan.ts';

export interface RetentionOrder {
  readonly keep: Keep;
  /** Two people. */
  readonly approvers: readonly string[];
  /** The account that runs the command. */
  readonly by: string;
  /** Milliseconds. */
  readonly now: number;
}

export interface RetentionParts {
  readonly engine: Engine;
  readonly ledger: Ledger;
  /** Called once before the ledger is written to: from then on it must speak. */
  readonly begin: () => Promise<void>;
}

export interface RetentionDone {
  /** In the order they went. */
  readonly dropped: readonly MonthPlan[];
  readonly held: readonly MonthPlan[];
}

/**
 * Drops whole ingest months: for each, what goes is checked a last time, its leaf hashes are kept in tiles, a leaf
 * of the meta-log for each tree says so, signed and anchored, and only then does anything go. A run that was
 * interrupted is finished by the next. @throws KW_USAGE, KW_RETENTION
 */
export async function applyRetention(parts: RetentionParts, order: RetentionOrder): Promise<RetentionDone> {
  requireTwoApprovers(order.approvers);
  const { engine } = parts;
  const { months, holds } = await planRetention(engine, order.keep, order.now);
  const going = months.filter((m) => m.state !== 'held');
  const checked: { month: MonthPlan; ranges: CheckedRange[] }[] = [];
  for (const month of going) checked.push({ month, ranges: await checkMonth(parts, month) });
  for (const { month, ranges } of checked) {
    for (const range of ranges)
      requireOneLeaf('retention', linesOf(range, { ...order, month: month.month, holds }));
  }
  if (checked.length > 0) await parts.begin();
  for (const { month, ranges } of checked) {
    await announce(parts, ranges, { ...order, month: month.month, holds });
    for (const range of ranges) await requireKept(engine, range);
    await drop(engine, month);
  }
  return { dropped: going, held: months.filter((m) => m.state === 'held') };
}

/** @throws KW_USAGE */
export function requireTwoApprovers(names: readonly string[]): void {
  if (areTwoApprovers(names)) return;
  throw new KeywitnessError(
    'KW_USAGE',
    'Two people approve this: give --approver twice, with two different names.',
  );
}

interface CheckedRange {
  readonly tree: TreeRange;
  readonly root: Buffer;
}

/**
 * A last look: what was tampered with must not be dropped as if it were not. Every byte still gives its leaf, every
 * row that goes belongs to a record that goes, and the tree is one that the ledger would still sign.
 */
async function checkMonth({ engine, ledger }: RetentionParts, plan: MonthPlan): Promise<CheckedRange[]> {
  const broken = new Set(ledger.broken().map(streamKeyText));
  const trees = new Map(plan.trees.map((t) => [streamKeyText(t), t]));
  for (const tree of trees.keys()) {
    if (broken.has(tree)) refuse(tree, plan, 'contradicts what was signed of it');
  }
  for (const rows of await derivedExtents(engine, plan.month)) {
    const tree = trees.get(streamKeyText(rows));
    if (tree === undefined || rows.first < tree.first || rows.last > tree.last) {
      refuse(streamKeyText(rows), plan, `has rows in kw.${rows.table} whose records are not of that month`);
    }
  }
  const erasures = await readErasures(engine);
  const checked: CheckedRange[] = [];
  for (const tree of plan.trees) {
    const root = emptyFrontier();
    const derived = derivedWatch(engine, tree);
    for await (const { leaf, offset, isOfItsBytes, isErased } of rangeLeaves(
      engine,
      ledger,
      tree,
      erasures,
    )) {
      if (!isOfItsBytes) refuse(`${streamKeyText(tree)}/${offset}`, plan, 'is not what its leaf says');
      appendLeaf(root, leaf);
      await derived.see(offset, isErased);
    }
    // Of a month whose drop was cut short what is derived is gone already.
    if ((await derived.missing()) > 0 && tree.announced === undefined)
      refuse(
        streamKeyText(tree),
        plan,
        'has records without a row in events or set_aside, which no hold would find',
      );
    checked.push({ tree, root: frontierRoot(root) });
  }
  return checked;
}

/** Records counted against their rows at once: the store keeps as many numbers in memory. */
const derivedAtOnce = 2_000_000;

/** Counts records that nothing was derived from; an erased one has no rows by law. */
function derivedWatch(engine: Engine, tree: TreeRange) {
  let [first, last, expected, missing] = [tree.first, tree.first, 0, 0];
  const settle = async () => {
    if (expected > 0)
      missing += expected - (await countDerived(engine, tree.month, { ...tree, first, last }));
    [first, expected] = [last + 1n, 0];
  };
  return {
    async see(offset: bigint, isErased: boolean): Promise<void> {
      last = offset;
      if (!isErased) expected += 1;
      if (expected === derivedAtOnce) await settle();
    },
    async missing(): Promise<number> {
      await settle();
      return missing;
    },
  };
}

function refuse(place: string, { month }: MonthPlan, what: string): never {
  throw new KeywitnessError(
    'KW_RETENTION',
    `${place} ${what}. Nothing of ${month} was dropped. Run \`keywitness verify\`.`,
  );
}

type MonthOrder = RetentionOrder & { readonly month: string; readonly holds: number };

function linesOf({ tree, root }: CheckedRange, order: MonthOrder): readonly MetaLine[] {
  const range: ExpiredRange = {
    tree: streamKeyText(tree),
    month: order.month,
    from: tree.from,
    count: tree.count,
    first: tree.first,
    last: tree.last,
    root,
    policy: `keep ${order.keep.text}`,
    approvers: order.approvers,
    holds: order.holds,
  };
  return retentionLines(range, order.by);
}

async function announce(
  { engine, ledger }: RetentionParts,
  ranges: readonly CheckedRange[],
  order: MonthOrder,
): Promise<void> {
  for (const range of ranges) {
    if (range.tree.announced !== undefined) continue;
    await keepLastTile(engine, range.tree);
    await ledger.record('retention', linesOf(range, order));
  }
  await ledger.heartbeat();
}

/** Full tiles are written with the heartbeat; the one in which the stretch ends is not full before the tree grows on. */
async function keepLastTile(engine: Engine, tree: TreeRange): Promise<void> {
  const end = tree.from + tree.count;
  const index = Math.floor(end / 256);
  if (end % 256 === 0) return;
  const hashes = (await readTiles(engine, tree, [{ level: 0, index }])).get(`0/${index}`);
  const kept = hashes?.subarray(0, (end % 256) * 32) ?? Buffer.alloc(0);
  const { stream, partition, epoch } = tree;
  const tile = { stream, partition, epoch, ...narrowTile(index, kept, tree.last) };
  await writeRows(engine, 'kw.tiles', tileColumns, [tile]);
}

/** Read back, from the tiles alone: without these hashes nobody could ever build the tree again. */
async function requireKept(engine: Engine, { tree, root }: CheckedRange): Promise<void> {
  const kept = emptyFrontier();
  for await (const leaves of keptLeaves(engine, tree, tree.from, tree.count)) {
    for (const leaf of leaves) appendLeaf(kept, leaf);
  }
  const said = tree.announced;
  const isAsSaid =
    said === undefined || (said.from === tree.from && said.count === tree.count && said.root.equals(root));
  if (isAsSaid && kept.size === tree.count && frontierRoot(kept).equals(root)) return;
  throw new KeywitnessError(
    'KW_RETENTION',
    `The tiles of ${streamKeyText(tree)} do not hold the leaves of ${tree.month} (indexes ${tree.from} to ${tree.from + tree.count - 1}), ` +
      'or the records are not those that were announced. Nothing was dropped. Run `keywitness verify`.',
  );
}

/** What is derived first, the records last: while they stand, all the rest of a month could be made again. */
async function drop(engine: Engine, { month, trees }: MonthPlan): Promise<void> {
  await deleteSessions(engine, trees);
  for (const table of monthTables) await dropMonth(engine, table, month);
}
