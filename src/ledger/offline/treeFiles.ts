import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { leafHashOfText } from '../leaf.ts';
import { tilePath, tilesOfLevel, tileWidth } from '../tilePath.ts';
import { rootOf, splitHashes } from '../tiles.ts';
import { appendLeaf, emptyFrontier, type Frontier } from '../tree.ts';
import { entryBundleBytesMax, readBytes } from './files.ts';
import type { Report } from './finding.ts';

/** Hashes are read one over what they may be, so that one too many shows. */
const tileBytesMax = (tileWidth + 1) * 32;

export interface FileLeaf {
  readonly index: number;
  readonly hash: Buffer;
  /** Undefined = the bundle has only the hash. */
  readonly text: Buffer | undefined;
  /** The text is what the hash was made of. */
  readonly isTrue: boolean;
}

/** A tree that is being read from its files. */
export interface TreeReading {
  /** What was read so far. */
  readonly frontier: Frontier;
  /** A file contradicts another: what follows from the hashes says nothing more. */
  isBroken: boolean;
  leaves(): Generator<FileLeaf>;
}

/**
 * Reads `size` leaves of a C2SP tlog-tiles folder in order: every entry against its hash in the level-0 tile, every
 * tile against the one above. Stops where a file is missing or too short. One page of 256 is held in memory.
 */
export function readTree(folder: string, tree: string, size: number, report: Report): TreeReading {
  const frontier = emptyFrontier();
  const fail = (cls: 'modified' | 'deleted' | 'inserted' | 'truncated', index: number, detail: string) => {
    reading.isBroken ||= cls === 'modified' || cls === 'inserted';
    report({ class: cls, place: `${tree} leaf ${index}`, index, detail });
  };
  const upper = upperTiles(folder, size, fail);
  const reading: TreeReading = { frontier, isBroken: false, leaves: readLeaves };

  function* readLeaves(): Generator<FileLeaf> {
    for (let page = 0; page * tileWidth < size; page += 1) {
      const from = page * tileWidth;
      const found = readPage(folder, page, size);
      if (found.problem !== undefined) {
        const { cls, at, detail } = found.problem;
        fail(cls, from + at, detail);
      }
      for (const [i, hash] of found.hashes.entries()) {
        const text = found.texts[i];
        const isTrue = text === undefined || leafHashOfText(text).equals(hash);
        if (!isTrue)
          fail('modified', from + i, 'the entry is not what its hash in the level-0 tile was made of');
        appendLeaf(frontier, hash);
        yield { index: from + i, hash, text, isTrue };
      }
      // What lies behind a hole cannot be placed in the tree.
      if (found.hashes.length < Math.min(tileWidth, size - from)) return;
      if (found.hashes.length === tileWidth) upper.add(1, page, rootOf(found.hashes));
    }
    upper.end();
  }
  return reading;
}

interface Page {
  readonly hashes: readonly Buffer[];
  readonly texts: readonly (Buffer | undefined)[];
  readonly problem?: {
    readonly cls: 'deleted' | 'inserted' | 'truncated';
    readonly at: number;
    readonly detail: string;
  };
}

/** One level-0 tile and its entries. Entries that are not there have no text: whether that is lawful others know. */
function readPage(folder: string, page: number, size: number): Page {
  const width = Math.min(tileWidth, size - page * tileWidth);
  const path = tilePath(0, page, width);
  const bytes = readBytes(join(folder, path), tileBytesMax) ?? tileOfOtherSize(folder, 0, page, tileBytesMax);
  const entriesPath = tilePath('entries', page, width);
  const entries =
    readBytes(join(folder, entriesPath), entryBundleBytesMax) ??
    tileOfOtherSize(folder, 'entries', page, entryBundleBytesMax) ??
    Buffer.alloc(0);
  const { texts, rest } = splitEntries(entries, width);
  const hashes = splitHashes((bytes ?? Buffer.alloc(0)).subarray(0, width * 32));
  const problem = (cls: 'deleted' | 'inserted' | 'truncated', at: number, detail: string) => ({
    hashes,
    texts,
    problem: { cls, at: Math.min(at, width - 1), detail },
  });
  if (bytes === undefined || hashes.length < width) {
    const isHole = (page + 1) * tileWidth < size && hasTile(folder, page + 1, size);
    const what = bytes === undefined ? 'is missing' : `holds ${hashes.length} of ${width} hashes`;
    return problem(isHole ? 'deleted' : 'truncated', hashes.length, `${path} ${what}`);
  }
  if (bytes.length > width * 32) return problem('inserted', width, `${path} holds more than ${width} hashes`);
  if (rest > 0) return problem('inserted', width, `${entriesPath} holds more than ${width} entries`);
  return { hashes, texts };
}

/** The tile of a tree that is longer or shorter than its checkpoint: full, or the widest partial one. */
function tileOfOtherSize(
  folder: string,
  level: 0 | 'entries',
  page: number,
  bytesMax: number,
): Buffer | undefined {
  const full = join(folder, tilePath(level, page, tileWidth));
  // With the dot only a folder is there.
  const widths = existsSync(`${full}.p/.`) ? readdirSync(`${full}.p`) : [];
  const [widest] = widths.sort((a, b) => Number(b) - Number(a));
  return (
    readBytes(full, bytesMax) ??
    (widest === undefined ? undefined : readBytes(join(`${full}.p`, widest), bytesMax))
  );
}

function hasTile(folder: string, page: number, size: number): boolean {
  const width = Math.min(tileWidth, size - page * tileWidth);
  return readBytes(join(folder, tilePath(0, page, width)), 0) !== undefined;
}

/** "Sequences of big-endian uint16 length-prefixed log entries"; `rest` = bytes behind the last. */
function splitEntries(
  bytes: Buffer,
  count: number,
): { readonly texts: (Buffer | undefined)[]; readonly rest: number } {
  const texts: (Buffer | undefined)[] = [];
  let at = 0;
  while (texts.length < count && at + 2 <= bytes.length) {
    const length = bytes.readUInt16BE(at);
    if (at + 2 + length > bytes.length) break;
    texts.push(length === 0 ? undefined : bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return { texts, rest: texts.length === count ? bytes.length - at : 0 };
}

/** Compares the tiles above level 0 with what the level below gives. */
function upperTiles(
  folder: string,
  size: number,
  fail: (cls: 'modified' | 'truncated', index: number, detail: string) => void,
): { add(level: number, position: number, hash: Buffer): void; end(): void } {
  const rows: Buffer[][] = [];
  const check = (level: number, tile: number, hashes: readonly Buffer[]) => {
    const path = tilePath(level, tile, hashes.length);
    const stored = readBytes(join(folder, path), tileBytesMax);
    const span = tileWidth ** level;
    const first = tile * tileWidth * span;
    if (stored === undefined) return fail('truncated', first, `${path} is missing`);
    const bad = hashes.findIndex((hash, i) => !hash.equals(stored.subarray(i * 32, (i + 1) * 32)));
    if (bad >= 0 || stored.length !== hashes.length * 32) {
      const from = first + Math.max(0, bad) * span;
      fail(
        'modified',
        from,
        `${path} is not the root of leaves ${from} to ${Math.min(from + span, size) - 1}`,
      );
    }
  };
  const add = (level: number, position: number, hash: Buffer) => {
    rows[level] ??= [];
    const row = rows[level] as Buffer[];
    row.push(hash);
    if (row.length < tileWidth) return;
    const tile = Math.floor(position / tileWidth);
    check(level, tile, row);
    rows[level] = [];
    add(level + 1, tile, rootOf(row));
  };
  return {
    add,
    end() {
      for (const [level, row] of rows.entries()) {
        if (row !== undefined && row.length > 0) check(level, tilesOfLevel(level, size).full, row);
      }
    },
  };
}
