import type { StreamKey } from '../core/record.ts';
import type { Engine } from './client.ts';
import { ofTree, treeParams } from './recordPages.ts';
import { RowBinaryReader, wholeRows } from './rowBinaryReader.ts';

const width = 256;
const hashBytes = 32;
/** Tiles read at once: 2 MB of hashes. */
const tilesAtOnce = 256;

/**
 * Leaf hashes of a stretch of a tree, from the tiles alone: what is left when its records are gone. In order and in
 * pages; ends early where a tile is gone or too short.
 */
export async function* keptLeaves(
  engine: Engine,
  key: StreamKey,
  from: number,
  count: number,
): AsyncGenerator<readonly Buffer[]> {
  const end = from + count;
  for (let at = from; at < end; ) {
    const first = Math.floor(at / width);
    const last = Math.min(Math.floor((end - 1) / width), first + tilesAtOnce - 1);
    const tiles = await leafTiles(engine, key, first, last);
    const leaves: Buffer[] = [];
    for (let index = first; index <= last; index += 1) {
      const hashes = tiles.get(index) ?? Buffer.alloc(0);
      const to = Math.min(hashes.length / hashBytes, end - index * width);
      for (let i = at + leaves.length - index * width; i < to; i += 1) {
        leaves.push(hashes.subarray(i * hashBytes, (i + 1) * hashBytes));
      }
      if (at + leaves.length < Math.min(end, (index + 1) * width)) {
        if (leaves.length > 0) yield leaves;
        return;
      }
    }
    yield leaves;
    at += leaves.length;
  }
}

/** Leaf hashes of some tiles of level 0 by tile index: of several under one index the fullest. */
export async function leafTiles(
  engine: Engine,
  key: StreamKey,
  first: number,
  last: number,
): Promise<ReadonlyMap<number, Buffer>> {
  const chunks = engine.bytes(
    `SELECT \`index\`, hashes FROM kw.tiles WHERE ${ofTree} AND level = 0 AND \`index\` BETWEEN {first:UInt64} AND {last:UInt64} ` +
      'ORDER BY `index`, length(hashes) DESC LIMIT 1 BY `index`',
    { ...treeParams(key), first, last },
  );
  const found = new Map<number, Buffer>();
  const skip = (row: RowBinaryReader) => {
    row.skip(8);
    row.binary();
  };
  for await (const { bytes } of wholeRows(chunks, skip, pageLimits)) {
    const row = new RowBinaryReader(bytes);
    while (!row.isAtEnd()) found.set(Number(row.u64()), row.binary());
  }
  return found;
}

const pageLimits = { rows: 4_096, bytes: 4 * 1024 * 1024 };
