import { leafHash, type Transport } from '../leaf.ts';
import { appendLeaf, copyFrontier, type Frontier, frontierRoot } from '../tree.ts';
import { placeOfHole } from './align.ts';
import type { Finding } from './findings.ts';
import { type Pin, wantedRoot } from './pins.ts';
import { expectedBehind, type TreeRow } from './rows.ts';

/** Suspects kept of one stretch: the first names the place, the others help to tell the class. */
const suspectsMax = 64;
/** A record longer than this is named but not tried in another's place. */
const triedBytesMax = 1024 * 1024;
/** Leaves of a stretch in which one that does not belong is looked for by leaving each out in turn. */
const triedLeavesMax = 1_500;

/** A stretch between two pins whose leaves nobody remembers one by one: its tiles are not full yet, or wrong too. */
export interface Stretch {
  readonly tree: string;
  readonly transport: Transport;
  /** The tree before it, and the row that stands there. */
  readonly start: Frontier;
  readonly before: TreeRow | undefined;
  /** The pin that failed, or that was never reached. */
  readonly pin: Pin;
  readonly isReached: boolean;
  /** Lawful holes were seen before it: another one is no sign of a deletion. */
  readonly hasHoles: boolean;
  /** Leaves stored in the whole tree, and the most that were ever pinned. */
  readonly stored: number;
  readonly pinnedMax: number;
}

interface Signs {
  first: bigint | undefined;
  last: bigint | undefined;
  /** Stored leaf is not that of the stored bytes. */
  readonly mismatches: TreeRow[];
  /** Offset that comes twice, or lies within the record before. */
  double: bigint | undefined;
  /** The record before the first that does not begin where that one ends. */
  uneven: bigint | undefined;
  /** First hole before a record. Kafka's own holes are lawful: a hole alone proves nothing. */
  hole: bigint | undefined;
  holes: number;
  readonly leaves: { readonly offset: bigint; readonly leaf: Buffer }[];
}

/** The class and the first bad offset, as well as they can be told. */
export async function judgeStretch(stretch: Stretch, rows: AsyncIterable<TreeRow>): Promise<Finding> {
  const { tree, transport, stored, pinnedMax, isReached } = stretch;
  const signs = await signsOf(stretch, rows);
  const { mismatches } = signs;
  const from = stretch.before ? expectedBehind(stretch.before, transport).from : signs.first;
  const range = `between offsets ${from ?? 'none'} and ${signs.last ?? 'none'}`;
  const say = (kind: Finding['class'], offset: bigint | undefined, detail: string): Finding => ({
    class: kind,
    tree,
    detail,
    ...(offset === undefined ? {} : { offset }),
  });
  if (mismatches[0] !== undefined) {
    return isReordered(mismatches, transport)
      ? say('reordered', mismatches[0].offset, 'records stand in one another’s place')
      : say('modified', mismatches[0].offset, 'bytes and leaf do not belong together');
  }
  // As many as were signed, and one does not begin where the one before it ends: that one was longer or shorter.
  if (transport === 'file' && signs.uneven !== undefined && stored === pinnedMax) {
    return say('modified', signs.uneven, 'bytes and leaf were changed together, and the length with them');
  }
  if (signs.double !== undefined)
    return say('inserted', signs.double, 'a record stands where another one is');
  const missing = pinnedMax - stored;
  const hasHoles = stretch.hasHoles || (transport !== 'file' && signs.holes >= holesOfATopic);
  const isHole = signs.hole !== undefined && !hasHoles;
  if (missing > 0 && (isReached || isHole)) {
    const detail = `${missing} of ${pinnedMax} records are gone, ${range}`;
    return say('deleted', signs.hole ?? signs.first, detail);
  }
  if (missing > 0) {
    const last = signs.last ?? stretch.before?.offset;
    const untold =
      signs.hole === undefined
        ? ''
        : `, or as many ${range}: a topic with holes of its own does not tell which`;
    const detail = `the last ${missing} of ${pinnedMax} records are gone${untold}; the last one left is named`;
    return say('truncated', last, detail);
  }
  const intruder = findIntruder(stretch, signs.leaves);
  if (intruder !== undefined)
    return say('inserted', intruder, 'this record was not there when it was signed');
  return say('modified', signs.first, `somewhere ${range}: bytes and leaf were changed together`);
}

/** So many holes in one stretch are a topic's own: compaction and transactions leave them everywhere. */
const holesOfATopic = 3;
/** Rows behind the pin in which the other half of an exchange is looked for. */
const behindMax = 16;
/** Rows that are looked at for lawful holes. */
const rowsLookedAt = 5_000;

/** Does a topic have holes of its own (compaction, transactions), in what is verified of it? */
export async function hasLawfulHoles(
  rows: AsyncIterable<TreeRow>,
  size: number,
  transport: Transport,
): Promise<boolean> {
  if (transport === 'file') return false;
  let previous: TreeRow | undefined;
  let count = 0;
  for await (const row of rows) {
    if (count >= Math.min(size, rowsLookedAt)) return false;
    if (previous !== undefined && row.offset > expectedBehind(previous, transport).to) return true;
    previous = row;
    count += 1;
  }
  return false;
}

/** One row more than was signed: an intruder pushes the last signed leaf behind the pin. */
async function signsOf(
  { start, before, pin, transport }: Stretch,
  rows: AsyncIterable<TreeRow>,
): Promise<Signs> {
  const wanted = pin.size - start.size;
  const signs: Signs = {
    first: undefined,
    last: undefined,
    mismatches: [],
    double: undefined,
    uneven: undefined,
    hole: undefined,
    holes: 0,
    leaves: [],
  };
  let previous = before;
  let count = 0;
  for await (const row of rows) {
    count += 1;
    if (signs.leaves.length <= triedLeavesMax) signs.leaves.push(row);
    if (row.derived !== undefined && signs.mismatches.length < suspectsMax) signs.mismatches.push(row);
    if (count > wanted) {
      if (count > wanted + behindMax) break;
      continue;
    }
    signs.first ??= row.offset;
    signs.last = row.offset;
    // A file begins at 0; where a topic begins is the broker's retention.
    const { from, to } = previous ? expectedBehind(previous, transport) : { from: 0n, to: 2n };
    if (row.offset < from || row.offset > to) signs.uneven ??= previous?.offset;
    if (row.offset < from) signs.double ??= row.offset;
    else if (row.offset > to && (previous !== undefined || transport === 'file')) {
      signs.hole ??= placeOfHole(previous, row, 1, transport);
      signs.holes += 1;
    }
    previous = row;
  }
  return signs;
}

/** True when putting the records back into each other's place makes the leaves right. */
function isReordered(suspects: readonly TreeRow[], transport: Transport): boolean {
  const tried = suspects.flatMap((row) => {
    const record = row.length <= triedBytesMax ? row.record() : undefined;
    return record === undefined ? [] : [{ record, leaf: row.leaf }];
  });
  const [first] = tried;
  return (
    first !== undefined &&
    tried.some(
      (other) =>
        other !== first &&
        (leafHash({ ...first.record, offset: other.record.offset }, transport).equals(first.leaf) ||
          leafHash({ ...other.record, offset: first.record.offset }, transport).equals(first.leaf) ||
          leafHash({ ...first.record, value: other.record.value }, transport).equals(first.leaf)),
    )
  );
}

/** The one record without which the pin holds. */
function findIntruder({ start, pin }: Stretch, leaves: Signs['leaves']): bigint | undefined {
  const wanted = pin.size - start.size;
  if (leaves.length > triedLeavesMax || leaves.length <= wanted) return undefined;
  const { root } = wantedRoot(pin);
  for (let out = 0; out <= wanted; out += 1) {
    const frontier = copyFrontier(start);
    for (let i = 0; i <= wanted; i += 1) {
      if (i !== out) appendLeaf(frontier, (leaves[i] as { leaf: Buffer }).leaf);
    }
    if (frontierRoot(frontier).equals(root)) return leaves[out]?.offset;
  }
  return undefined;
}
