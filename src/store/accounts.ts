import { type StreamKey, streamKeyText } from '../core/record.ts';
import type { Engine } from './client.ts';
import { hasRecords } from './ledgerStore.ts';
import { storedPositions } from './positions.ts';
import type { CountedTree } from './recordCounts.ts';
import { erasedSeal } from './recordPages.ts';

/** A promise the store does not keep: in words, with the place. */
export interface AccountBreach {
  readonly kind: 'records-are-not-leaves' | 'record-without-rows';
  readonly key: StreamKey;
  readonly sentence: string;
}

/** One is enough to raise the alarm; `verify` names all. */
const breachesMax = 10;

/** How large a tree is, and which of its records may be gone. */
export interface AccountedTree {
  readonly leaves: number;
  /** Lawfully dropped, or about to be: a crash may stand between the word and the deed. */
  readonly expired: readonly { readonly first: bigint; readonly last: bigint; readonly count: number }[];
}

export interface AccountSources {
  /** Every tree there is: one whose records are all gone has none that would name it. */
  readonly trees?: () => readonly StreamKey[];
  /** Default: all records are counted. */
  readonly counts?: () => Promise<readonly CountedTree[]>;
}

/**
 * The two invariants of every heartbeat (docs/ledger.md): records stored are the leaves of their tree, and every
 * record has at least one row in `events` or `set_aside`. Ask between two flushes, not during one.
 * `since` (ms) bounds the second to what was ingested since the check before; 0 = all.
 */
export async function checkAccounts(
  engine: Engine,
  treeOf: (key: StreamKey) => AccountedTree,
  since = 0,
  sources: AccountSources = {},
): Promise<AccountBreach[]> {
  const breaches = await checkRecords(engine, treeOf, sources);
  for (const row of await engine.rows(withoutRows, { since })) {
    const key = { stream: String(row.stream), partition: Number(row.partition), epoch: Number(row.epoch) };
    const sentence = `${streamKeyText(key)}/${row.o} has no row in events or set_aside.`;
    breaches.push({ kind: 'record-without-rows', key, sentence });
  }
  return breaches;
}

/** The first of the two: every stored record is a leaf of its tree, and every leaf that did not expire has its record. */
export async function checkRecords(
  engine: Engine,
  treeOf: (key: StreamKey) => AccountedTree,
  { trees = () => [], counts = () => storedPositions(engine) }: AccountSources = {},
): Promise<AccountBreach[]> {
  const breaches: AccountBreach[] = [];
  const counted = new Map((await counts()).map((tree) => [streamKeyText(tree), tree]));
  for (const key of trees()) {
    const name = streamKeyText(key);
    if (!counted.has(name)) counted.set(name, { ...key, count: 0 });
  }
  for (const [name, tree] of counted) {
    const { leaves, expired } = treeOf(tree);
    let gone = expired.reduce((sum, range) => sum + range.count, 0);
    if (tree.count === leaves - gone) continue;
    for (const range of expired) if (await hasRecords(engine, tree, range)) gone -= range.count;
    if (tree.count === leaves - gone) continue;
    const lawfully = gone === 0 ? '' : `, of which ${gone} expired`;
    const sentence = `${name} holds ${tree.count} records, and its tree has ${leaves} leaves${lawfully}.`;
    breaches.push({ kind: 'records-are-not-leaves', key: tree, sentence });
  }
  return breaches;
}

const sinceThen = "ingested_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')";
const coordinates = 'stream, partition, epoch, offset';
const withoutRows =
  `SELECT stream, partition, epoch, toString(offset) AS o FROM (SELECT ${coordinates} FROM kw.records WHERE ${sinceThen} AND sealed != ${erasedSeal}) AS r ` +
  `LEFT ANTI JOIN (SELECT ${coordinates} FROM kw.events WHERE ${sinceThen} UNION ALL SELECT ${coordinates} FROM kw.set_aside WHERE ${sinceThen}) AS d ` +
  `USING (${coordinates}) ORDER BY ${coordinates} LIMIT ${breachesMax}`;
