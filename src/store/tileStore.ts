import { metaTree, type StreamKey } from '../core/record.ts';
import type { Engine, Params } from './client.ts';
import { type Column, text, u32, u64 } from './columns.ts';

/** A row of `kw.tiles`; the meta tree is `metaTree`. */
export interface TileRow extends StreamKey {
  readonly level: number;
  readonly index: number;
  readonly last: bigint;
  readonly hashes: Buffer;
  readonly root: Buffer;
}

export const tileColumns: readonly Column<TileRow>[] = [
  text('stream', (r) => r.stream),
  u32('partition', (r) => r.partition),
  u32('epoch', (r) => r.epoch),
  { name: 'level', type: 'UInt8', write: (out, r) => out.u8(r.level) },
  u64('index', (r) => BigInt(r.index)),
  u64('last', (r) => r.last),
  { name: 'hashes', type: 'String', write: (out, r) => out.binary(r.hashes) },
  { name: 'root', type: 'FixedString(32)', write: (out, r) => out.fixed(r.root) },
];

const tileBytes = 8_192;
const ofTree = 'stream = {stream:String} AND partition = {partition:UInt32} AND epoch = {epoch:UInt32}';
const treeParams = ({ stream, partition, epoch }: StreamKey): Params => ({ stream, partition, epoch });

/** Names (`LEVEL/INDEX`) of the full tiles that a tree has in the store. */
export async function fullTiles(engine: Engine, key: StreamKey): Promise<ReadonlySet<string>> {
  const rows = await engine.rows(
    `SELECT level, toUInt64(\`index\`) AS i FROM kw.tiles WHERE ${ofTree} AND length(hashes) = ${tileBytes}`,
    treeParams(key),
  );
  return new Set(rows.map((r) => `${Number(r.level)}/${Number(r.i)}`));
}

/**
 * Hashes of some tiles of a tree. A tile that is not full yet is put together: leaves from the records (or the
 * meta-log), higher hashes from the roots of the tiles below.
 */
export async function readTiles(
  engine: Engine,
  key: StreamKey,
  wanted: readonly { readonly level: number; readonly index: number }[],
): Promise<ReadonlyMap<string, Buffer>> {
  const found = new Map<string, Buffer>();
  if (wanted.length === 0) return found;
  const places = wanted.map(({ level, index }) => `(${level}, ${index})`).join(', ');
  const rows = await engine.rows(
    `SELECT level, toUInt64(\`index\`) AS i, base64Encode(hashes) AS h FROM kw.tiles WHERE ${ofTree} ` +
      `AND (level, \`index\`) IN (${places}) ORDER BY length(hashes) DESC LIMIT 1 BY level, \`index\``,
    treeParams(key),
  );
  for (const r of rows) found.set(`${Number(r.level)}/${Number(r.i)}`, Buffer.from(String(r.h), 'base64'));
  for (const { level, index } of wanted) {
    const name = `${level}/${index}`;
    if (found.get(name)?.length === tileBytes) continue;
    found.set(
      name,
      await (level === 0 ? edgeLeaves(engine, key, index) : rootsBelow(engine, key, level, index)),
    );
  }
  return found;
}

/** What a higher tile holds so far: the roots of the full tiles below it. */
async function rootsBelow(engine: Engine, key: StreamKey, level: number, index: number): Promise<Buffer> {
  const rows = await engine.rows(
    `SELECT base64Encode(root) AS h FROM kw.tiles WHERE ${ofTree} AND level = {level:UInt8} ` +
      `AND \`index\` BETWEEN {first:UInt64} AND {last:UInt64} AND length(hashes) = ${tileBytes} ORDER BY \`index\` LIMIT 1 BY \`index\``,
    { ...treeParams(key), level: level - 1, first: index * 256, last: index * 256 + 255 },
  );
  return Buffer.concat(rows.map((r) => Buffer.from(String(r.h), 'base64')));
}

/** The leaves after the last full tile: those retention kept, then the records' own. */
async function edgeLeaves(engine: Engine, key: StreamKey, index: number): Promise<Buffer> {
  const [kept] = await engine.rows(
    `SELECT if(\`index\` = {index:UInt64}, base64Encode(hashes), '') AS h, toString(last) AS o FROM kw.tiles ` +
      `WHERE ${ofTree} AND level = 0 AND \`index\` BETWEEN {before:UInt64} AND {index:UInt64} ORDER BY \`index\` DESC, length(hashes) DESC LIMIT 1`,
    { ...treeParams(key), index, before: Math.max(0, index - 1) },
  );
  const head = Buffer.from(String(kept?.h ?? ''), 'base64');
  const after = String(kept?.o ?? '-1');
  const source =
    key.stream === metaTree.stream
      ? 'SELECT base64Encode(SHA256(concat(char(0), text))) AS h FROM kw.meta WHERE toInt128(`index`) > {after:Int128} ORDER BY `index`'
      : `SELECT base64Encode(leaf) AS h FROM kw.records WHERE ${ofTree} AND toInt128(offset) > {after:Int128} ORDER BY offset`;
  const rows = await engine.rows(`${source} LIMIT {limit:UInt32}`, {
    ...treeParams(key),
    after,
    limit: 256 - head.length / 32,
  });
  return Buffer.concat([head, ...rows.map((r) => Buffer.from(String(r.h), 'base64'))]);
}

/** How many leaves stand before a record in its tree: those of the tiles before it, and the records after these. */
export async function leavesBefore(engine: Engine, key: StreamKey, offset: bigint): Promise<number> {
  const [row] = await engine.rows(
    `WITH (SELECT (\`index\` * 256 + intDiv(length(hashes), 32), toInt128(last), 1) FROM kw.tiles WHERE ${ofTree} AND level = 0 AND last < {offset:UInt64} ` +
      'ORDER BY `index` DESC, length(hashes) DESC LIMIT 1) AS tile SELECT ifNull(tile.1, 0) + count() AS n FROM kw.records ' +
      `WHERE ${ofTree} AND toInt128(offset) > ifNull(tile.2, -1) AND offset < {offset:UInt64}`,
    { ...treeParams(key), offset: offset.toString() },
  );
  return Number(row?.n ?? 0);
}
