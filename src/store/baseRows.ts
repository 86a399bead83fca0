import type { StreamKey } from '../core/record.ts';
import type { Engine } from './client.ts';
import {
  checkpointRow,
  checkpointSelect,
  metaRow,
  metaSelect,
  type SignedCheckpointRow,
} from './ledgerStore.ts';
import { sqlString } from './literal.ts';
import type { MetaLeafRow } from './metaAppend.ts';
import { ofTree, treeParams } from './recordPages.ts';

/** What an incremental `verify` reads of the time before: little, however long that was. */

/** Meta leaves of these kinds below an index, in order: all kinds but heartbeats are few. */
export async function metaLeavesBelow(
  engine: Engine,
  kinds: readonly string[],
  below: number,
): Promise<MetaLeafRow[]> {
  const sql = `${metaSelect} WHERE kind IN ({kinds:Array(String)}) AND \`index\` < {below:UInt64} ORDER BY \`index\``;
  return (await engine.rows(sql, { kinds, below })).map(metaRow);
}

export async function metaLeavesAt(engine: Engine, indexes: readonly number[]): Promise<MetaLeafRow[]> {
  if (indexes.length === 0) return [];
  const list = indexes.map(Number).join(', ');
  const sql = `${metaSelect} WHERE \`index\` IN (${list}) ORDER BY \`index\` LIMIT 1 BY \`index\``;
  return (await engine.rows(sql)).map(metaRow);
}

/** Of each tree's origin that heartbeats within these indexes list, the index of the last one that does. */
export async function lastListings(
  engine: Engine,
  from: number,
  below: number,
): Promise<ReadonlyMap<string, number>> {
  const rows = await engine.rows(
    "SELECT o, toUInt64(max(i)) AS last FROM (SELECT `index` AS i, arrayJoin(extractAll(text, '\\nstream (\\\\S+) ')) AS o FROM kw.meta " +
      "WHERE kind IN ('heartbeat', 'stop') AND `index` >= {from:UInt64} AND `index` < {below:UInt64}) GROUP BY o",
    { from, below },
  );
  return new Map(rows.map((r) => [String(r.o), Number(r.last)]));
}

/** Origins in one statement. */
const originsAtOnce = 500;

/** Signed checkpoints above a size of their origin; of an origin that is not named, all. */
export async function* checkpointsAbove(
  engine: Engine,
  floors: ReadonlyMap<string, number>,
): AsyncGenerator<readonly SignedCheckpointRow[]> {
  const named = [...floors];
  for (let i = 0; i < named.length; i += originsAtOnce) {
    const some = named.slice(i, i + originsAtOnce);
    const wheres = some.map(([origin, size]) => `(origin = ${sqlString(origin)} AND size > ${Number(size)})`);
    const rows = await engine.rows(`${checkpointSelect} WHERE ${wheres.join(' OR ')} ORDER BY origin, size`);
    yield rows.map(checkpointRow);
  }
  const known = named.map(([origin]) => sqlString(origin)).join(', ');
  const others = named.length === 0 ? '' : `WHERE origin NOT IN (${known})`;
  yield (await engine.rows(`${checkpointSelect} ${others} ORDER BY origin, size`)).map(checkpointRow);
}

/** Offset of the n-th record (from 1) behind an offset; undefined when there are fewer. */
export async function nthBehind(
  engine: Engine,
  key: StreamKey,
  after: bigint,
  n: number,
): Promise<bigint | undefined> {
  const [row] = await engine.rows(
    `SELECT toString(offset) AS o FROM kw.records WHERE ${ofTree} AND toInt128(offset) > {after:Int128} ORDER BY offset LIMIT 1 OFFSET {skip:UInt64}`,
    { ...treeParams(key), after: after.toString(), skip: n - 1 },
  );
  return row === undefined ? undefined : BigInt(String(row.o));
}
