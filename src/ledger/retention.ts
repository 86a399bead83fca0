import { type MetaLeaf, type MetaLine, metaValue } from './meta.ts';
import { strictBase64 } from './note.ts';

/** Leaves whose records were lawfully dropped: their hashes are in the tiles. */
export interface ExpiredRange {
  /** `stream/partition/epoch`. */
  readonly tree: string;
  /** Ingest month, YYYYMM. */
  readonly month: string;
  /** Index of the first leaf, and how many there are. */
  readonly from: number;
  readonly count: number;
  /** Offsets of the first and the last record. */
  readonly first: bigint;
  readonly last: bigint;
  /** RFC 6962 tree hash over exactly these leaves. */
  readonly root: Buffer;
  readonly policy: string;
  readonly approvers: readonly string[];
  /** Legal holds in force that were looked at. */
  readonly holds: number;
}

/** The lines of a `retention` leaf. `by` = the account that ran the command. */
export function retentionLines(range: ExpiredRange, by: string): MetaLine[] {
  return [
    ['month', range.month],
    ['tree', range.tree],
    ['from', `${range.from}`],
    ['count', `${range.count}`],
    ['first', `${range.first}`],
    ['last', `${range.last}`],
    ['root', range.root.toString('base64')],
    ['policy', range.policy],
    ...range.approvers.map((name): MetaLine => ['approver', name]),
    ['holds', `${range.holds}`],
    ['by', by],
  ];
}

/** Reads a `retention` leaf; undefined when it is not a whole one. */
export function parseRetention(leaf: MetaLeaf): ExpiredRange | undefined {
  if (leaf.kind !== 'retention') return undefined;
  const value = (name: string) => metaValue(leaf, name) ?? '';
  const count = (name: string) => (/^\d{1,15}$/.test(value(name)) ? Number(value(name)) : -1);
  const offset = (name: string) => (/^\d{1,20}$/.test(value(name)) ? BigInt(value(name)) : -1n);
  const root = strictBase64(value('root'));
  const range = {
    tree: value('tree'),
    month: value('month'),
    from: count('from'),
    count: count('count'),
    first: offset('first'),
    last: offset('last'),
    policy: value('policy'),
    approvers: leaf.lines.filter(([name]) => name === 'approver').map(([, name]) => name),
    holds: count('holds'),
  };
  const isWhole =
    /^\d{6}$/.test(range.month) &&
    range.from >= 0 &&
    range.count > 0 &&
    range.first >= 0n &&
    range.holds >= 0;
  return isWhole && root?.length === 32 && range.last >= range.first ? { ...range, root } : undefined;
}
