import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import type { StreamKey } from '../core/record.ts';
import { type Checkpoint, checkpointText, parseStreamOrigin } from './checkpoint.ts';
import { splitNote } from './note.ts';
import { tilePath, tileWidth } from './tilePath.ts';
import { extendEdge, type Tile, type TileEdge } from './tiles.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from './tree.ts';

/** The whole log as files (docs/ledger.md, "The bundle"): keys.txt and a C2SP tlog-tiles folder a tree. */
export const bundleFiles = { keys: 'keys.txt', trees: 'trees', meta: 'meta', records: 'records.ndjson' };

/** One leaf of a tree as it goes into a bundle. */
export interface BundleEntry {
  readonly leaf: Buffer;
  /** The leaf's text; undefined = only the hash is left, because the record expired or was erased. */
  readonly text?: Buffer | undefined;
  /** Streams: the record's value, null = a null value; undefined = its bytes are gone. */
  readonly raw?: Buffer | null | undefined;
}

export interface BundleTree {
  readonly checkpoint: Checkpoint;
  /** The signed note of that checkpoint. */
  readonly note: string;
  /** As many as the checkpoint's size, in order. */
  readonly entries: AsyncIterable<BundleEntry> | Iterable<BundleEntry>;
}

/** The folder of a tree below `trees`; undefined when the origin is none of ours. */
function treeFolder(origin: string): string | undefined {
  if (/^keywitness\/[0-9a-f]+\/meta$/.test(origin)) return bundleFiles.meta;
  const key = parseStreamOrigin(origin);
  return key && streamFolder(key);
}

export function streamFolder({ stream, partition, epoch }: StreamKey): string {
  return `${stream}.${partition}.${epoch}`;
}

/** Writes keys.txt, one vkey a line, into a folder that is new or empty. */
export function writeBundleKeys(folder: string, vkeys: readonly string[]): void {
  // Records may hold what only their owner may read: so may no one else the folder.
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, bundleFiles.keys), vkeys.map((vkey) => `${vkey}\n`).join(''), { mode: 0o600 });
}

/**
 * Writes one tree, holding no more than an entry bundle of it in memory.
 * @throws KW_LEDGER_BROKEN when the entries do not lead to the checkpoint: nothing false is given out as signed
 */
export async function writeBundleTree(
  folder: string,
  { checkpoint, note, entries }: BundleTree,
): Promise<void> {
  const name = treeFolder(checkpoint.origin);
  const isMeta = name === bundleFiles.meta;
  if (name === undefined || splitNote(note)?.text !== checkpointText(checkpoint)) broken(checkpoint);
  const tree = join(folder, bundleFiles.trees, name);
  mkdirSync(tree, { recursive: true, mode: 0o700 });
  const frontier = emptyFrontier();
  const edge: TileEdge = [];
  const pages = entryPages(tree);
  const records = isMeta ? undefined : recordLines(join(tree, bundleFiles.records));
  try {
    for await (const { leaf, text, raw } of entries) {
      if (raw !== undefined) records?.add(frontier.size, raw);
      pages.add(text);
      appendLeaf(frontier, leaf);
      extendEdge(edge, leaf, 0n, (tile) => writeTile(tree, tile, tileWidth));
    }
    pages.end();
  } finally {
    records?.end();
  }
  for (const [level, { index, hashes }] of edge.entries()) {
    if (hashes.length > 0) writeTile(tree, { level, index, hashes: Buffer.concat(hashes) }, hashes.length);
  }
  if (frontier.size !== checkpoint.size || !frontierRoot(frontier).equals(checkpoint.root))
    broken(checkpoint);
  // Last: a tree without its checkpoint is one whose export broke off.
  writeFileSync(join(tree, 'checkpoint'), note, { mode: 0o600 });
}

function broken({ origin, size }: Checkpoint): never {
  throw new KeywitnessError(
    'KW_LEDGER_BROKEN',
    `What is stored of ${origin} does not lead to its signed checkpoint of ${size} leaves, so the bundle is not ` +
      'whole: do not give it out. Run `keywitness verify`.',
  );
}

function writeTile(tree: string, tile: Pick<Tile, 'level' | 'index' | 'hashes'>, width: number): void {
  writeBelow(tree, tilePath(tile.level, tile.index, width), tile.hashes);
}

function writeBelow(tree: string, path: string, bytes: Buffer): void {
  const file = join(tree, path);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, bytes, { mode: 0o600 });
}

/** Entry bundles: entries behind their length as uint16; one of length 0 stands for a text that is gone. */
function entryPages(tree: string): { add(text: Buffer | undefined): void; end(): void } {
  let parts: Buffer[] = [];
  let index = 0;
  const write = (width: number) => {
    writeBelow(tree, tilePath('entries', index, width), Buffer.concat(parts));
    parts = [];
    index += 1;
  };
  return {
    add(text = Buffer.alloc(0)) {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(text.length);
      parts.push(Buffer.concat([length, text]));
      if (parts.length === tileWidth) write(tileWidth);
    },
    end() {
      if (parts.length > 0) write(parts.length);
    },
  };
}

/** Lines are gathered before they are written: a write for each would cost more than the line. */
const recordBufferBytes = 1024 * 1024;

function recordLines(path: string): { add(index: number, raw: Buffer | null): void; end(): void } {
  const file = openSync(path, 'wx', 0o600);
  let lines: string[] = [];
  let bytes = 0;
  const write = () => {
    if (lines.length > 0) writeAll(file, Buffer.from(lines.join('')));
    lines = [];
    bytes = 0;
  };
  return {
    add(index, raw) {
      const value = raw === null ? 'null' : `"${raw.toString('base64')}"`;
      lines.push(`{"index":${index},"raw":${value}}\n`);
      bytes += value.length;
      if (bytes > recordBufferBytes) write();
    },
    end() {
      try {
        write();
      } finally {
        closeSync(file);
      }
    },
  };
}

function writeAll(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}
