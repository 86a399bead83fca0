import { streamKeyText } from '../core/record.ts';
import type { Transport } from '../ledger/leaf.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { isSameBinding, type TreeBinding } from '../ledger/settings.ts';
import { type AccountBreach, checkRecords } from '../store/accounts.ts';
import type { Engine } from '../store/client.ts';
import { leavesOf } from '../store/ledgerStore.ts';
import { type Position, storedPositions } from '../store/positions.ts';
import { doubledOffsets, positionsUpTo, recordsBefore } from '../store/sharedStore.ts';
import type { StreamBook } from '../store/streamBook.ts';
import type { StreamRow } from '../store/tables.ts';

/**
 * Brings the trees up to what all instances have stored, and says how each tree's records are read before a
 * heartbeat pins its first leaf. Instances store the records of a partition in order, so that what is above a tree's
 * end is its continuation.
 */
export async function catchUp(engine: Engine, ledger: Ledger, book: StreamBook): Promise<void> {
  await book.refresh();
  for (const position of await storedPositions(engine)) {
    await bindAsStored(engine, ledger, book, position);
    const from = ledger.extent(position).end?.offset ?? -1n;
    if (position.offset <= from) continue;
    const range = { from, to: position.offset, isOnce: true };
    for await (const leaves of leavesOf(engine, position, range)) ledger.extend(position, leaves);
  }
}

/** What the instances said of a tree's settings since it was bound last, each from the first record that has them. */
async function bindAsStored(engine: Engine, ledger: Ledger, book: StreamBook, tree: Position): Promise<void> {
  const rows = book.named(tree.stream).filter((r) => streamKeyText(r) === streamKeyText(tree));
  const { binding } = ledger.extent(tree);
  const known = binding === undefined ? -1 : rows.findLastIndex((r) => isSameBinding(bindingOf(r), binding));
  for (const row of rows.slice(known + 1)) {
    const { pinned, expired } = ledger.extent(tree);
    const gone = expired.reduce((sum, range) => sum + range.count, 0);
    const before =
      known < 0 && row === rows[0] ? 0 : gone + (await recordsBefore(engine, tree, row.known_at));
    // What is pinned was derived as it was bound then, whatever another machine's clock says.
    await ledger.bind(tree, bindingOf(row), Math.max(before, pinned));
  }
}

function bindingOf(row: StreamRow): TreeBinding {
  return {
    transport: row.transport as Transport,
    source: row.source,
    settings: JSON.parse(row.settings) as TreeBinding['settings'],
  };
}

/** Records that stand in no tree, or twice: an instance that was replaced wrote what its successor wrote too. */
export async function checkTrees(engine: Engine, ledger: Ledger): Promise<readonly AccountBreach[]> {
  const ends = ledger.trees().flatMap((key) => {
    const { end } = ledger.extent(key);
    return end === undefined ? [] : [{ ...key, offset: end.offset }];
  });
  const breaches = await checkRecords(engine, (key) => ledger.extent(key), {
    trees: () => ledger.trees(),
    counts: () => positionsUpTo(engine, ends),
  });
  const named: AccountBreach[] = [];
  for (const breach of breaches) {
    const doubled = await doubledOffsets(engine, breach.key);
    const sentence =
      doubled === '' ? breach.sentence : `${breach.sentence} Stored more than once: ${doubled}.`;
    named.push({ ...breach, sentence });
  }
  return named;
}
