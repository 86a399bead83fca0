import type { EventRef, StreamKey } from '../core/record.ts';
import type { Engine, Params } from './client.ts';
import { adapterColumns, type Column, coordinates } from './columns.ts';
import { checkpointColumns } from './ledgerStore.ts';
import { metaColumns } from './metaAppend.ts';
import { ofTree, treeParams } from './recordPages.ts';
import { RowBinaryReader, wholeRows } from './rowBinaryReader.ts';
import { recordColumns, setAsideColumns } from './tables.ts';
import { tileColumns } from './tileStore.ts';

/** The tables `verify` reads, and what their columns must be: a type that holds less would hide what was in them. */
const auditedTables: Readonly<Record<string, readonly Column<never>[]>> = {
  records: recordColumns,
  events: [...coordinates(), ...adapterColumns],
  set_aside: setAsideColumns,
  meta: metaColumns,
  checkpoints: checkpointColumns,
  tiles: tileColumns,
};

/** Columns (`TABLE.COLUMN`) that are gone or of another type than we made them. */
export async function foreignColumns(engine: Engine): Promise<string[]> {
  const rows = await engine.rows("SELECT table, name, type FROM system.columns WHERE database = 'kw'");
  const types = new Map(rows.map((r) => [`${String(r.table)}.${String(r.name)}`, plainType(String(r.type))]));
  return Object.entries(auditedTables).flatMap(([table, columns]) =>
    columns
      .map((c) => ({ name: `${table}.${c.name}`, type: c.type }))
      .flatMap(({ name, type }) => (types.get(name) === type ? [] : [name])),
  );
}

/** LowCardinality is how a column is stored, not what it can hold. */
function plainType(type: string): string {
  return type.replace(/LowCardinality\(([^()]*)\)/g, '$1');
}

/** How many records of a tree lie between two offsets, both included. */
export async function countRecords(
  engine: Engine,
  key: StreamKey,
  first: bigint,
  last: bigint,
): Promise<number> {
  const [row] = await engine.rows(
    `SELECT count() AS n FROM kw.records WHERE ${ofTree} AND offset BETWEEN {first:UInt64} AND {last:UInt64}`,
    { ...treeParams(key), first: first.toString(), last: last.toString() },
  );
  return Number(row?.n ?? 0);
}

const tileLimits = { rows: 4_096, bytes: 4 * 1024 * 1024 };

/** A stored tile, its hashes as their SHA-256. */
export interface TileDigest {
  readonly level: number;
  readonly index: number;
  /** Offset of the last record it covers. */
  readonly last: bigint;
  /** Hashes in it; 256 = it is full. */
  readonly width: number;
  readonly digest: Buffer;
  readonly root: Buffer;
}

/** The tiles of one tree that reach beyond a leaf index. */
export async function* tileDigests(engine: Engine, key: StreamKey, from: number): AsyncGenerator<TileDigest> {
  const chunks = engine.bytes(
    'SELECT level, `index`, last, toUInt32(length(hashes)), SHA256(hashes), root ' +
      `FROM kw.tiles WHERE ${ofTree} AND (level > 5 OR (\`index\` + 1) * bitShiftLeft(toUInt64(1), 8 * (level + 1)) > {from:UInt64}) ORDER BY level, \`index\``,
    { ...treeParams(key), from },
  );
  const skip = (row: RowBinaryReader) => row.skip(1 + 8 + 8 + 4 + 32 + 32);
  for await (const { bytes } of wholeRows(chunks, skip, tileLimits)) {
    const row = new RowBinaryReader(bytes);
    while (!row.isAtEnd()) {
      const level = row.u8();
      const [index, last] = [Number(row.u64()), row.u64()];
      const width = row.u32() / 32;
      yield { level, index, last, width, digest: row.fixed(32), root: row.fixed(32) };
    }
  }
}

/** True when the part has a row in `events` or `set_aside`. */
export async function hasDerivedRow(engine: Engine, at: EventRef): Promise<boolean> {
  const where = `WHERE ${ofTree} AND offset = {offset:UInt64} AND idx = {idx:UInt32}`;
  const params: Params = { ...treeParams(at), offset: at.offset.toString(), idx: at.idx };
  const rows = await engine.rows(
    `SELECT (SELECT count() FROM kw.events ${where}) + (SELECT count() FROM kw.set_aside ${where}) AS n`,
    params,
  );
  return Number(rows[0]?.n ?? 0) > 0;
}
