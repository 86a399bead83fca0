import { leafHash, type Transport } from '../leaf.ts';
import { expectedBehind, type TreeRow } from './rows.ts';

/** What is wrong with one record, or with several next to each other. */
export interface Difference {
  readonly kind: 'modified' | 'leaf-modified' | 'reordered' | 'inserted' | 'deleted' | 'truncated';
  readonly offset: bigint | undefined;
  readonly count: number;
}

export interface Alignment {
  readonly differences: readonly Difference[];
  /** Rows where others were signed: each may stand in another's place, also in that of one behind the next pin. */
  readonly changed: readonly Changed[];
  /** The last row that belongs to these leaves; undefined = none does. */
  readonly last: TreeRow | undefined;
}

/** The leaves that were signed, with some of those behind them, which tell where the next stretch begins. */
export interface SignedLeaves {
  readonly leaves: readonly Buffer[];
  readonly behind: readonly Buffer[];
}

/** So many rows in a row that are nowhere in what was signed, and the two have nothing in common. */
const strangersMax = 20_000;
/** Each changed record is tried in the place of each other, up to so many and not the long ones. */
const triedMax = 64;
const triedBytesMax = 1024 * 1024;

/** Signed leaves that no row gives, and rows that give no signed leaf, between two rows that do. */
interface Gap {
  readonly missing: Buffer[];
  readonly strangers: TreeRow[];
  readonly before: TreeRow | undefined;
  readonly after: TreeRow | undefined;
}

/** A row where another one was signed. */
export interface Changed {
  readonly row: TreeRow;
  readonly signed: Buffer;
}

/**
 * Lays stored rows beside the leaves that were signed and says what was done to them. A leaf holds its record's
 * offset and rows come by offset: a row whose bytes give a signed leaf stands where it should, and everything is
 * judged between two of those. Undefined when the rows have too little to do with the leaves.
 */
export async function align(
  signed: SignedLeaves,
  rows: AsyncIterable<TreeRow>,
  before: TreeRow | undefined,
  transport: Transport,
): Promise<Alignment | undefined> {
  const walk = alignmentWalk(signed, before);
  let next: TreeRow | undefined;
  for await (const row of rows) {
    const step = walk.see(row);
    if (step === 'lost') return undefined;
    next = step === 'next' ? row : undefined;
    if (next !== undefined) break;
  }
  const { gaps, differences, last } = walk.end();
  const judged = gaps.map((gap) => judgeGap(gap, transport, gap.after === undefined ? next : undefined));
  const changed = judged.flatMap((j) => j.changed);
  const exchanged = exchangedRows(changed, transport);
  for (const { row } of changed) {
    const kind = exchanged.has(row) ? 'reordered' : 'modified';
    differences.push({ kind, offset: row.offset, count: 1 });
  }
  differences.push(...judged.flatMap((j) => j.differences));
  return { differences: differences.sort(byOffset), changed, last: judged.at(-1)?.last ?? last };
}

function byOffset(a: Difference, b: Difference): number {
  const [x, y] = [a.offset ?? -1n, b.offset ?? -1n];
  return x < y ? -1 : x > y ? 1 : 0;
}

function alignmentWalk({ leaves, behind }: SignedLeaves, first: TreeRow | undefined) {
  const places = new Map(leaves.map((leaf, i) => [leaf.toString('latin1'), i]));
  const following = new Set(behind.map((leaf) => leaf.toString('latin1')));
  const gaps: Gap[] = [];
  const differences: Difference[] = [];
  let next = 0;
  let last: TreeRow | undefined;
  let strangers: TreeRow[] = [];
  const closeGap = (to: number, after: TreeRow | undefined) => {
    if (to > next || strangers.length > 0) {
      gaps.push({ missing: leaves.slice(next, to), strangers, before: last ?? first, after });
    }
    next = to;
    strangers = [];
  };
  return {
    /** 'next': the row belongs behind these leaves. */
    see(row: TreeRow): 'go-on' | 'next' | 'lost' {
      const name = (row.derived ?? row.leaf).toString('latin1');
      const at = places.get(name);
      if (at !== undefined && at >= next) {
        closeGap(at, row);
        next = at + 1;
        last = row;
        if (row.derived !== undefined)
          differences.push({ kind: 'leaf-modified', offset: row.offset, count: 1 });
        return 'go-on';
      }
      // One offset, one record: the second is none, whatever it holds.
      if (last !== undefined && row.offset === last.offset && row.gone === undefined) {
        differences.push({ kind: 'inserted', offset: row.offset, count: 1 });
        return 'go-on';
      }
      if (next === leaves.length) return 'next';
      if (following.has(name)) return 'next';
      strangers.push(row);
      return strangers.length > strangersMax ? 'lost' : 'go-on';
    },
    end() {
      // What stands behind the last signed leaf belongs to the next stretch.
      if (next < leaves.length) closeGap(leaves.length, undefined);
      return { gaps, differences, last };
    },
  };
}

interface JudgedGap {
  readonly differences: readonly Difference[];
  readonly changed: readonly Changed[];
  /** At the end of the stretch: the last row that belongs to it. */
  readonly last: TreeRow | undefined;
}

/** `next`: at the end of the stretch, the row that belongs behind it; undefined = no row is left. */
function judgeGap(
  { missing, strangers, before, after }: Gap,
  transport: Transport,
  next: TreeRow | undefined,
): JudgedGap {
  const differences: Difference[] = [];
  const expected = before && expectedBehind(before, transport);
  // Too many for what is missing: those that stand on top of another record go first.
  const doubled = (row: TreeRow, i: number) =>
    row.offset < (expectedFrom(strangers[i - 1] ?? before, transport) ?? 0n);
  const surplus = strangers.length - missing.length;
  const inserted = surplus > 0 ? strangers.filter(doubled).slice(0, surplus) : [];
  const others = strangers.filter((row) => !inserted.includes(row));
  // Behind a hole at the end: what was there is gone, and these came later. A topic may have holes of its own.
  const isHole = expected !== undefined && (others[0]?.offset ?? -1n) > expected.to;
  const isExact = others.length === missing.length && (next !== undefined || transport !== 'file');
  const areLater = after === undefined && isHole && !isExact;
  const places = areLater ? [] : others.slice(0, missing.length);
  if (after !== undefined) inserted.push(...others.slice(places.length));
  for (const row of inserted) differences.push({ kind: 'inserted', offset: row.offset, count: 1 });
  const changed = places.map((row, i) => ({ row, signed: missing[i] as Buffer }));
  const end = places.at(-1) ?? before;
  const gone = missing.length - places.length;
  if (gone > 0) {
    const isCut = after === undefined && next === undefined && others.length === places.length;
    const offset = isCut ? end?.offset : placeOfHole(end, after ?? next, gone, transport);
    differences.push({ kind: isCut ? 'truncated' : 'deleted', offset, count: gone });
  }
  return { differences, changed, last: after === undefined ? places.at(-1) : undefined };
}

function expectedFrom(row: TreeRow | undefined, transport: Transport): bigint | undefined {
  return row && expectedBehind(row, transport).from;
}

/** Where the first of some deleted records stood. */
export function placeOfHole(
  before: TreeRow | undefined,
  after: TreeRow | undefined,
  count: number,
  transport: Transport,
): bigint {
  if (before !== undefined) {
    const { from } = expectedBehind(before, transport);
    // A line ends with LF almost everywhere.
    return transport === 'file' && before.gone === undefined ? from + 1n : from;
  }
  const first = after === undefined || transport === 'file' ? 0n : after.offset - BigInt(count);
  return first > 0n ? first : 0n;
}

/** Rows that were put in one another's place, with their leaves or with leaves made new. */
export function exchangedRows(changed: readonly Changed[], transport: Transport): ReadonlySet<TreeRow> {
  const bySigned = new Map(changed.map((c) => [c.signed.toString('latin1'), c]));
  const found = new Set<TreeRow>();
  for (const { row, signed } of changed) {
    const other = bySigned.get(row.leaf.toString('latin1'));
    if (other !== undefined && !other.signed.equals(signed)) found.add(row).add(other.row);
  }
  const tried = changed.slice(0, triedMax).flatMap(({ row, signed }) => {
    const record = row.length <= triedBytesMax ? row.record() : undefined;
    return record === undefined ? [] : [{ row, record, signed }];
  });
  for (const { row, record, signed } of tried) {
    const isRight = (other: (typeof tried)[number]) =>
      [record.timestamp, other.record.timestamp].some((timestamp) =>
        leafHash({ ...other.record, offset: row.offset, timestamp }, transport).equals(signed),
      );
    if (tried.some((other) => other.row !== row && isRight(other))) found.add(row);
  }
  return found;
}
