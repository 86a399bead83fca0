import type { StreamKey } from '../../core/record.ts';
import type { Engine } from '../client.ts';

/** A signed checkpoint: what it covers, and when it was first made. */
export interface SignedTree {
  readonly origin: string;
  readonly size: number;
  readonly rootHex: string;
  readonly note: string;
  /** Milliseconds. */
  readonly madeAt: number;
}

const columns =
  'SELECT origin, toUInt64(size) AS n, lower(hex(root)) AS r, note, toUnixTimestamp64Milli(made_at) AS ms FROM kw.checkpoints';

/** The newest checkpoint of every tree; of several with one size the first, because the tree grew then. */
export async function signedTrees(engine: Engine): Promise<SignedTree[]> {
  return (await engine.rows(`${columns} ORDER BY origin, size DESC, made_at LIMIT 1 BY origin`)).map(
    signedTree,
  );
}

/** The first checkpoint of a tree at or after an instant. */
export async function firstCheckpointSince(
  engine: Engine,
  origin: string,
  ms: number,
): Promise<SignedTree | undefined> {
  const rows = await engine.rows(
    `${columns} WHERE origin = {origin:String} AND toUnixTimestamp64Milli(made_at) >= {ms:Int64} ORDER BY made_at, size LIMIT 1`,
    { origin, ms },
  );
  return rows.map(signedTree)[0];
}

function signedTree(row: Record<string, unknown>): SignedTree {
  return {
    origin: String(row.origin),
    size: Number(row.n),
    rootHex: String(row.r),
    note: String(row.note),
    madeAt: Number(row.ms),
  };
}

/** Where the first `size` records of a tree lie, and what became of them. */
export interface TreeExtent {
  readonly first: bigint;
  readonly last: bigint;
  /** Undefined for a file, whose offsets are positions in bytes. */
  readonly gaps: readonly (readonly [from: bigint, to: bigint])[] | undefined;
  readonly events: number;
  readonly setAside: number;
}

export async function extentUnder(engine: Engine, key: StreamKey, size: number): Promise<TreeExtent> {
  const { stream, partition, epoch } = key;
  const at = 'stream = {stream:String} AND partition = {partition:UInt32} AND epoch = {epoch:UInt32}';
  const params = { stream, partition, epoch, size };
  const [ends] = await engine.rows(
    `SELECT toString(min(offset)) AS first, toString(max(offset)) AS last FROM (SELECT offset FROM kw.records WHERE ${at} ORDER BY offset LIMIT {size:UInt64})`,
    params,
  );
  const last = String(ends?.last ?? '0');
  const [file] = await engine.rows(
    `SELECT count() AS n FROM kw.streams WHERE ${at} AND fingerprint <> ''`,
    params,
  );
  const gaps = await engine.rows(
    'SELECT toString(before + 1) AS f, toString(offset - 1) AS t FROM (' +
      `SELECT offset, lagInFrame(offset, 1, offset) OVER (ORDER BY offset ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS before FROM kw.records WHERE ${at} AND offset <= {last:UInt64}` +
      ') WHERE offset > before + 1 ORDER BY offset',
    { ...params, last },
  );
  const count = async (table: 'events' | 'set_aside') => {
    const [row] = await engine.rows(
      `SELECT count() AS n FROM kw.${table} WHERE ${at} AND offset <= {last:UInt64}`,
      { ...params, last },
    );
    return Number(row?.n ?? 0);
  };
  return {
    first: BigInt(String(ends?.first ?? '0')),
    last: BigInt(last),
    gaps:
      Number(file?.n ?? 0) > 0
        ? undefined
        : gaps.map((g) => [BigInt(String(g.f)), BigInt(String(g.t))] as const),
    events: await count('events'),
    setAside: await count('set_aside'),
  };
}
