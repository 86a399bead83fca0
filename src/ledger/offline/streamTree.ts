import { hash } from 'node:crypto';
import { join } from 'node:path';
import { type StreamKey, streamKeyText } from '../../core/record.ts';
import { bundleFiles } from '../bundle.ts';
import { frontierRoot } from '../tree.ts';
import type { Report } from './finding.ts';
import { type Lawful, lawfulLeaves } from './lawful.ts';
import { isBelow, isLeafOf } from './leafLines.ts';
import type { MetaFacts } from './metaFacts.ts';
import type { Pins } from './pins.ts';
import { openRecords } from './records.ts';
import { type FileLeaf, readTree, type TreeReading } from './treeFiles.ts';

/** What is known of a stream before its files are read. */
export interface ExpectedTree {
  readonly key: StreamKey;
  readonly size: number;
  readonly root: Buffer;
  /** Checkpoints of it that the meta-log pins, all of at most `size` leaves. */
  readonly pins: Pins | undefined;
  /** Undefined = the meta-log is not whole: whether something may be missing cannot be told. */
  readonly facts: MetaFacts | undefined;
}

/** Derives one stream's tree again from its files: records, entries, tiles, root and every root pinned before. */
export function checkStreamTree(folder: string, expected: ExpectedTree, report: Report): void {
  const tree = streamKeyText(expected.key);
  const reading = readTree(folder, tree, expected.size, report);
  const records = openRecords(join(folder, bundleFiles.records), tree, report);
  const lawful = lawfulLeaves(tree, expected.facts, report);
  const missing = missingRuns(tree, expected, lawful, report);
  const pinned = pinChecker(tree, expected, reading, report);
  const text = textChecker(expected.key, report);
  try {
    for (const leaf of reading.leaves()) {
      const raw = records.take(leaf.index);
      const offset = text.see(leaf);
      lawful.see(leaf, offset);
      if (leaf.isTrue) checkRaw(tree, leaf, raw, report);
      missing.see(leaf.index, raw !== undefined, offset);
      pinned.see();
    }
    if (reading.frontier.size === expected.size) {
      records.end();
      missing.end();
      lawful.end();
      pinned.end();
    }
  } finally {
    records.close();
  }
}

/** Line 10 names the value's SHA-256, line 11 whether it is null. */
function checkRaw(tree: string, leaf: FileLeaf, raw: Buffer | null | undefined, report: Report): void {
  if (raw === undefined) return;
  const { index, text } = leaf;
  if (text === undefined) {
    const detail = 'bytes stand there of which no leaf text is left to say that they are its own';
    report({ class: 'inserted', place: `${tree} leaf ${index}`, index, detail });
    return;
  }
  const lines = text.toString('latin1').split('\n');
  const isNull = (Number(lines[10]) & 2) !== 0;
  if (isNull === (raw === null) && lines[9] === hash('sha256', raw ?? '')) return;
  const detail = 'the record is not the one that its leaf was made from';
  report({ class: 'modified', place: `${tree}/${lines[5]}`, index, detail });
}

/** The leaf texts: of this stream, in rising order of offset. */
function textChecker(key: StreamKey, report: Report): { see(leaf: FileLeaf): string | undefined } {
  const tree = streamKeyText(key);
  let newest: string | undefined;
  return {
    see({ index, text, isTrue }) {
      if (text === undefined || !isTrue) return undefined;
      const lines = text.toString('latin1').split('\n');
      if (!isLeafOf(key, lines)) {
        const detail = 'its leaf text is of another stream, or is none';
        report({ class: 'inserted', place: `${tree} leaf ${index}`, index, detail });
        return undefined;
      }
      const offset = lines[5] as string;
      if (newest !== undefined && !isBelow(newest, offset)) {
        const detail = `offset ${offset} stands behind ${newest}`;
        report({ class: 'reordered', place: `${tree}/${offset}`, index, detail });
      }
      newest = offset;
      return offset;
    },
  };
}

/** Records whose bytes are not there and need not be: lawfully gone. Others are deleted, or cut off at the end. */
function missingRuns(
  tree: string,
  { facts, size }: ExpectedTree,
  lawful: Lawful,
  report: Report,
): { see(index: number, isThere: boolean, offset: string | undefined): void; end(): void } {
  let run: { readonly index: number; readonly place: string } | undefined;
  let before: string | undefined;
  const flush = (to: number, cls: 'deleted' | 'truncated') => {
    if (run === undefined) return;
    const count = to - run.index;
    const what = count === 1 ? 'the record is' : `${count} records are`;
    const after = before === undefined ? '' : ` (the last one before is ${before})`;
    const detail = `${what} missing, and no leaf of the meta-log says that this is lawful${after}`;
    report({ class: cls, place: run.place, index: run.index, detail });
    run = undefined;
  };
  return {
    see(index, isThere, offset) {
      const place = offset === undefined ? `${tree} leaf ${index}` : `${tree}/${offset}`;
      if (isThere || facts === undefined || lawful.covers(index)) {
        flush(index, 'deleted');
        if (isThere) before = place;
      } else run ??= { index, place };
    },
    end: () => flush(size, 'truncated'),
  };
}

/** Every root that a heartbeat pinned is the root of the tree at that size. */
function pinChecker(
  tree: string,
  { pins, size, root }: ExpectedTree,
  reading: TreeReading,
  report: Report,
): { see(): void; end(): void } {
  let at = 0;
  let held = 0;
  let isWrong = false;
  const wrong = (to: number, what: string) => {
    // Once: every later root is another one too.
    if (isWrong || reading.isBroken) return;
    isWrong = true;
    const detail = `leaves ${held} to ${to - 1} are not those ${what}`;
    report({ class: 'rewritten', place: `${tree} leaf ${held}`, index: held, detail });
  };
  const see = () => {
    for (; pins !== undefined && at < pins.count && pins.size(at) <= reading.frontier.size; at += 1) {
      const pinnedSize = pins.size(at);
      if (pinnedSize < reading.frontier.size) continue;
      if (frontierRoot(reading.frontier).equals(pins.root(at))) held = pinnedSize;
      else wrong(pinnedSize, `of which a heartbeat pinned the root at ${pinnedSize}`);
    }
  };
  see();
  return {
    see,
    end() {
      if (!frontierRoot(reading.frontier).equals(root)) wrong(size, 'of which the checkpoint signs the root');
    },
  };
}
