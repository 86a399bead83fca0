import type { KwRecord } from '../../core/record.ts';
import { leafHash, type Transport } from '../leaf.ts';
import { appendLeaf, copyFrontier, type Frontier, frontierRoot } from '../tree.ts';
import type { Finding } from './findings.ts';
import type { Pin } from './pins.ts';

/** Suspects kept of one stretch between two pins: the first names the place, the others help to tell the class. */
const suspectsMax = 64;
/** A record longer than this is named but not tried in another's place. */
const triedBytesMax = 1024 * 1024;
/** Leaves of a stretch in which one that does not belong is looked for by leaving each out in turn. */
const triedLeavesMax = 1_500;

interface Suspect {
  readonly record: KwRecord;
  readonly leaf: Buffer;
}

/** What looked odd in the leaves since the last pin that held. */
export interface Segment {
  /** Leaf index it begins at, and the tree there. */
  readonly start: Frontier;
  readonly firstOffset: bigint | undefined;
  lastOffset: bigint | undefined;
  /** Stored leaf is not that of the stored bytes. */
  readonly mismatches: Suspect[];
  /** Offsets that come twice, or lie within the record before. */
  readonly doubles: bigint[];
  /** First offset of a hole before a record. Kafka's own holes are lawful: a hole alone proves nothing. */
  readonly gaps: bigint[];
  leaves: { readonly offset: bigint; readonly leaf: Buffer }[] | undefined;
}

export function newSegment(frontier: Frontier, firstOffset: bigint | undefined): Segment {
  return {
    start: copyFrontier(frontier),
    firstOffset,
    lastOffset: undefined,
    mismatches: [],
    doubles: [],
    gaps: [],
    leaves: [],
  };
}

/** Adds a record to the stretch; `previous` is the one stored before it in its tree. */
export function addToSegment(
  segment: Segment,
  suspect: Suspect,
  previous: KwRecord | undefined,
  isMismatch: boolean,
  transport: Transport,
): void {
  const { record, leaf } = suspect;
  if (isMismatch && segment.mismatches.length < suspectsMax) segment.mismatches.push(suspect);
  const expected = expectedOffset(previous ?? record, transport);
  if (previous === undefined) {
    // A file begins at 0; where a topic begins is the broker's retention.
    if (transport === 'file' && record.offset > 2n) push(segment.gaps, 0n);
  } else if (record.offset < expected.from) push(segment.doubles, record.offset);
  else if (record.offset > expected.to) push(segment.gaps, expected.from);
  segment.lastOffset = record.offset;
  addLeaf(segment, record.offset, leaf);
}

/** Also for the one leaf after a failed pin: an intruder pushes the last signed leaf behind it. */
export function addLeaf(segment: Segment, offset: bigint, leaf: Buffer): void {
  segment.leaves?.push({ offset, leaf });
  if (segment.leaves !== undefined && segment.leaves.length > triedLeavesMax) segment.leaves = undefined;
}

/** Where the next record of an unbroken stream begins: a file's after the line's end, LF or CR LF. */
function expectedOffset(previous: KwRecord, transport: Transport): { from: bigint; to: bigint } {
  if (transport !== 'file') return { from: previous.offset + 1n, to: previous.offset + 1n };
  const end = previous.offset + BigInt(previous.value?.length ?? 0);
  return { from: end, to: end + 2n };
}

function push(list: bigint[], offset: bigint): void {
  if (list.length < suspectsMax) list.push(offset);
}

export interface Judged {
  readonly segment: Segment;
  /** The pin that failed, or that was never reached. */
  readonly pin: Pin;
  readonly isReached: boolean;
  /** Leaves stored in the whole tree, and the most that were ever pinned. */
  readonly stored: number;
  readonly pinnedMax: number;
  /** A later pin kept in the store holds although the one outside does not: signed again. */
  readonly isResigned: boolean;
}

/** The class and the first bad offset of a stretch whose pin does not hold. */
export function judgeSegment(tree: string, transport: Transport, judged: Judged): Finding {
  const { segment, pin, stored, pinnedMax, isReached } = judged;
  const range = `between offsets ${segment.firstOffset ?? 'none'} and ${segment.lastOffset ?? 'none'}`;
  if (judged.isResigned || pin.conflict !== undefined) {
    const detail = `${range}: the store signs another history than the one remembered outside it (size ${pin.size})`;
    return at('rewritten', tree, segment.mismatches[0]?.record.offset ?? segment.firstOffset, detail);
  }
  const mismatch = segment.mismatches[0];
  if (mismatch !== undefined) {
    return isReordered(segment.mismatches, transport)
      ? at('reordered', tree, mismatch.record.offset, 'records stand in one another’s place')
      : at('modified', tree, mismatch.record.offset, 'bytes and leaf do not belong together');
  }
  if (segment.doubles[0] !== undefined) {
    return at('inserted', tree, segment.doubles[0], 'a record stands where another one is');
  }
  const missing = pinnedMax - stored;
  if (missing > 0 && (isReached || segment.gaps[0] !== undefined)) {
    return at(
      'deleted',
      tree,
      segment.gaps[0] ?? segment.firstOffset,
      `${missing} of ${pinnedMax} records are gone, ${range}`,
    );
  }
  if (missing > 0) {
    const first = segment.lastOffset ?? segment.firstOffset;
    return at(
      'truncated',
      tree,
      first,
      `the last ${missing} of ${pinnedMax} records are gone; the last one left is named`,
    );
  }
  const intruder = findIntruder(segment, pin);
  if (intruder !== undefined)
    return at('inserted', tree, intruder, 'this record was not there when it was signed');
  return at(
    'modified',
    tree,
    segment.firstOffset,
    `somewhere ${range}: bytes and leaf were changed together`,
  );
}

function at(kind: Finding['class'], tree: string, offset: bigint | undefined, detail: string): Finding {
  return { class: kind, tree, detail, ...(offset === undefined ? {} : { offset }) };
}

/** True when putting the records back into each other's place makes the leaves right. */
export function isReordered(suspects: readonly Suspect[], transport: Transport): boolean {
  const tried = suspects.filter((s) => (s.record.value?.length ?? 0) <= triedBytesMax);
  const fits = (s: Suspect) =>
    tried.some(
      (other) =>
        other !== s &&
        (leafHash({ ...s.record, offset: other.record.offset }, transport).equals(s.leaf) ||
          leafHash({ ...other.record, offset: s.record.offset }, transport).equals(s.leaf) ||
          leafHash({ ...s.record, value: other.record.value }, transport).equals(s.leaf)),
    );
  return tried.length >= 2 && fits(tried[0] as Suspect);
}

/** The one record without which the pin holds. */
function findIntruder(segment: Segment, pin: Pin): bigint | undefined {
  const leaves = segment.leaves;
  const wanted = pin.size - segment.start.size;
  if (leaves === undefined || leaves.length <= wanted) return undefined;
  for (let out = 0; out <= wanted; out += 1) {
    const frontier = copyFrontier(segment.start);
    for (let i = 0; i <= wanted; i += 1) {
      if (i !== out) appendLeaf(frontier, (leaves[i] as { leaf: Buffer }).leaf);
    }
    if (frontierRoot(frontier).equals(pin.root)) return leaves[out]?.offset;
  }
  return undefined;
}
