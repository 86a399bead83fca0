import type { ErasedRecord } from '../erasure.ts';
import type { ExpiredRange } from '../retention.ts';
import { appendLeaf, emptyFrontier, type Frontier, frontierRoot } from '../tree.ts';
import type { Report } from './finding.ts';
import { isBelow } from './leafLines.ts';
import type { MetaFacts } from './metaFacts.ts';
import type { FileLeaf } from './treeFiles.ts';

/** Which leaves of one tree may have lost their bytes. */
export interface Lawful {
  /** Takes in the next leaf, with its offset where its text is left. */
  see(leaf: FileLeaf, offset: string | undefined): void;
  /** May the bytes of this leaf, the one seen last, be gone? */
  covers(index: number): boolean;
  /** All leaves were seen: reports what was expired and erased, or that it was not what the meta-log says. */
  end(): void;
}

/** Holds each retention and erasure leaf of the meta-log against the leaf hashes that it left behind. */
export function lawfulLeaves(tree: string, facts: MetaFacts | undefined, report: Report): Lawful {
  const ranges = (facts?.expired.get(tree) ?? []).map((range) => ({ range, frontier: emptyFrontier() }));
  const erased = facts?.erased.get(tree) ?? new Map<number, ErasedRecord>();
  const neighbours = offsetChecker(tree, report);
  const used = { expired: 0, erased: 0 };
  let first = 0;
  // A range may be told twice after a crash: every one that covers a leaf is held against it.
  const covering = (index: number) =>
    ranges.slice(first).filter(({ range }) => range.from <= index && index < endOf(range));
  return {
    see({ index, hash }, offset) {
      while (first < ranges.length && endOf(ranges[first]?.range) <= index) first += 1;
      const dropped = covering(index);
      for (const { frontier } of dropped) appendLeaf(frontier, hash);
      neighbours.see(index, offset, erased.get(index), dropped[0]?.range);
      const act = erased.get(index);
      if (act === undefined || act.leaf.equals(hash)) return;
      const detail = 'the erasure leaf of the meta-log names another leaf hash for it';
      report({ class: 'modified', place: `${tree}/${act.offset}`, index, detail });
    },
    covers(index) {
      if (erased.has(index)) used.erased += 1;
      else if (covering(index).length > 0) used.expired += 1;
      else return false;
      return true;
    },
    end() {
      for (const dropped of ranges) checkRange(tree, dropped, report);
      if (used.expired > 0) {
        const detail = `${used.expired} records expired, as the meta-log's retention leaves say`;
        report({ class: 'expired-lawful', place: tree, detail });
      }
      if (used.erased > 0) {
        const detail = `${used.erased} records were erased, as the meta-log's erasure leaves say`;
        report({ class: 'erased-lawful', place: tree, detail });
      }
    },
  };
}

function endOf(range: ExpiredRange | undefined): number {
  return range === undefined ? 0 : range.from + range.count;
}

function checkRange(
  tree: string,
  { range, frontier }: { readonly range: ExpiredRange; readonly frontier: Frontier },
  report: Report,
): void {
  // It lies behind the end of a tree that was rolled back: then it covered nothing.
  if (frontier.size === 0) return;
  if (frontier.size === range.count && frontierRoot(frontier).equals(range.root)) return;
  const detail = `its leaves ${range.from} to ${endOf(range) - 1} are not those that the retention leaf for ${range.month} dropped`;
  report({ class: 'modified', place: `${tree}/${range.first}`, index: range.from, detail });
}

/** The offsets that the meta-log names for what is gone lie between those of the records around. */
function offsetChecker(tree: string, report: Report) {
  let newest: string | undefined;
  const rise = (index: number, offset: string, end: string) => {
    if (newest !== undefined && !isBelow(newest, offset)) {
      const detail = `the meta-log names offset ${offset} for what stands behind ${newest}`;
      report({ class: 'reordered', place: `${tree}/${offset}`, index, detail });
    }
    newest = end;
  };
  return {
    see(
      index: number,
      offset: string | undefined,
      act: ErasedRecord | undefined,
      range: ExpiredRange | undefined,
    ) {
      if (offset !== undefined) newest = offset;
      // A range that is gone as a whole speaks for what was erased in it before.
      else if (range?.from === index) rise(index, `${range.first}`, `${range.last}`);
      else if (act !== undefined && range === undefined) rise(index, `${act.offset}`, `${act.offset}`);
    },
  };
}
