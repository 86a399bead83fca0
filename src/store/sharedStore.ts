/** Questions of whoever keeps the log of a store that several instances write to. */
import { type StreamKey, streamKeyText } from '../core/record.ts';
import type { AccountBreach } from './accounts.ts';
import type { Engine } from './client.ts';
import { sqlOffsets, sqlString } from './literal.ts';
import type { Position } from './positions.ts';
import { erasedSeal } from './recordPages.ts';

/** Count and last offset of each tree up to and with an offset: what lies above is still on its way into the tree. */
export async function positionsUpTo(
  engine: Engine,
  ends: readonly (StreamKey & { readonly offset: bigint })[],
): Promise<Position[]> {
  if (ends.length === 0) return [];
  const spans = ends.map((end) => sqlOffsets(end, 0n, end.offset)).join(' OR ');
  const rows = await engine.rows(
    `SELECT stream, partition, epoch, toString(max(offset)) AS last, count() AS n FROM kw.records WHERE ${spans} GROUP BY stream, partition, epoch`,
  );
  return rows.map((r) => ({
    stream: String(r.stream),
    partition: Number(r.partition),
    epoch: Number(r.epoch),
    offset: BigInt(String(r.last)),
    count: Number(r.n),
  }));
}

/** How many records of a tree were taken in before a time (ms). */
export async function recordsBefore(engine: Engine, key: StreamKey, ms: number): Promise<number> {
  const [row] = await engine.rows(
    `SELECT count() AS n FROM kw.records WHERE ${ofTree(key)} AND ingested_at < fromUnixTimestamp64Milli({ms:Int64}, 'UTC')`,
    { ms },
  );
  return Number(row?.n ?? 0);
}

/** The first offsets of a tree that have more than one row, and who wrote them; '' = none. */
export async function doubledOffsets(engine: Engine, key: StreamKey): Promise<string> {
  const rows = await engine.rows(
    `SELECT toString(offset) AS o, count() AS n, uniqExact(leaf) AS leaves, arrayStringConcat(arraySort(groupArray(toString(writer))), ' and ') AS writers ` +
      `FROM kw.records WHERE ${ofTree(key)} GROUP BY offset HAVING n > 1 ORDER BY offset LIMIT 3`,
  );
  const places = rows.map(
    (r) =>
      `${streamKeyText(key)}/${r.o} (writers ${r.writers}, ${Number(r.leaves) === 1 ? 'the same bytes' : 'DIFFERENT bytes'})`,
  );
  return places.join(', ');
}

/** Records taken in between two times (ms) that have no row in `events` or `set_aside`. */
export async function underived(engine: Engine, from: number, to: number): Promise<AccountBreach[]> {
  const rows = await engine.rows(`${withoutRows} ORDER BY stream, partition, epoch, offset LIMIT 10`, {
    from,
    to,
  });
  return rows.map((r) => {
    const key = { stream: String(r.stream), partition: Number(r.partition), epoch: Number(r.epoch) };
    const sentence = `${streamKeyText(key)}/${r.o} has no row in events or set_aside.`;
    return { kind: 'record-without-rows', key, sentence };
  });
}

/** Time (ms) of the oldest flush between two times that is not derived whole; undefined = all are. */
export async function oldestUnderived(engine: Engine, from: number, to: number): Promise<number | undefined> {
  const [row] = await engine.rows(`SELECT min(ms) AS oldest, count() AS n FROM (${withoutRows})`, {
    from,
    to,
  });
  return Number(row?.n ?? 0) === 0 ? undefined : Number(row?.oldest);
}

const within =
  "ingested_at BETWEEN fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND fromUnixTimestamp64Milli({to:Int64}, 'UTC')";
const coordinates = 'stream, partition, epoch, offset';
const withoutRows =
  `SELECT stream, partition, epoch, toString(offset) AS o, toUnixTimestamp64Milli(ingested_at) AS ms FROM (SELECT ${coordinates}, ingested_at FROM kw.records WHERE ${within} AND sealed != ${erasedSeal}) AS r ` +
  `LEFT ANTI JOIN (SELECT ${coordinates} FROM kw.events WHERE ${within} UNION ALL SELECT ${coordinates} FROM kw.set_aside WHERE ${within}) AS d USING (${coordinates})`;

function ofTree({ stream, partition, epoch }: StreamKey): string {
  return `stream = ${sqlString(stream)} AND partition = ${partition} AND epoch = ${epoch}`;
}
