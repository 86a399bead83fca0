import { KeywitnessError } from '../core/errors.ts';
import type { Engine } from './client.ts';
import { type Column, millis, text, u64 } from './columns.ts';
import { writeRows } from './writer.ts';

export interface MetaLeafRow {
  readonly index: number;
  readonly kind: string;
  readonly made_at: number;
  readonly text: Buffer;
}

export const metaColumns: readonly Column<MetaLeafRow>[] = [
  u64('index', (r) => BigInt(r.index)),
  text('kind', (r) => r.kind),
  millis('made_at', (r) => r.made_at),
  { name: 'text', type: 'String', write: (out, r) => out.binary(r.text) },
];

/** What lets one instance of several write the log. */
export interface LogFence {
  /** SQL that holds while nobody else has taken the log over; looked at by the store as it inserts. */
  condition(): string;
  /** @throws KW_FENCED when somebody has */
  confirm(): Promise<void>;
}

/** Longer than an instance that runs is ever silent (three heartbeats). */
const silenceMs = 30_000;

/**
 * Meta leaves, each index once. Where others may write too the store itself looks, as it inserts, that the index is
 * free, and what was written is read back: a leaf that arrives late, or from an instance that was replaced, is none.
 */
export function metaAppender(engine: Engine, fence: LogFence | undefined) {
  let isAlone = fence !== undefined || !engine.isShared;
  return async (rows: readonly MetaLeafRow[]): Promise<void> => {
    if (!isAlone) await requireSilence(engine);
    isAlone = true;
    const [first, last] = [rows[0]?.index ?? 0, rows.at(-1)?.index ?? 0];
    const within = `\`index\` BETWEEN ${first} AND ${last}`;
    const isFree = `\`index\` NOT IN (SELECT \`index\` FROM kw.meta WHERE ${within})`;
    const conditions = [
      ...(fence === undefined ? [] : [fence.condition()]),
      ...(engine.isShared ? [isFree] : []),
    ];
    await writeRows(
      engine,
      'kw.meta',
      metaColumns,
      rows,
      conditions.length === 0 ? undefined : conditions.join(' AND '),
    );
    if (!engine.isShared) return;
    await fence?.confirm();
    const stored = await engine.rows(
      `SELECT base64Encode(text) AS t FROM kw.meta WHERE ${within} ORDER BY \`index\``,
    );
    const isOurs = rows.every((row, i) => row.text.toString('base64') === String(stored[i]?.t));
    if (isOurs && stored.length === rows.length) return;
    throw new KeywitnessError(
      'KW_STORE_READBACK',
      `kw.meta holds other leaves from index ${first} to ${last} than were written. They are read again before the next.`,
    );
  };
}

/** @throws KW_FENCED when an instance keeps the log of this store */
async function requireSilence(engine: Engine): Promise<void> {
  const [last] = await engine.rows(
    'SELECT kind, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(made_at) AS age FROM kw.meta ORDER BY `index` DESC LIMIT 1',
  );
  if (last === undefined || last.kind === 'stop' || Number(last.age) > silenceMs) return;
  throw new KeywitnessError(
    'KW_FENCED',
    `${engine.where}: an instance keeps the log and wrote to it ${Math.round(Number(last.age) / 1000)} s ago. ` +
      'Nothing was written. Stop it first, or wait half a minute if it was killed.',
  );
}

/** LOGIDs of the logs that were signed in this store. */
export async function logsOf(engine: Engine): Promise<string[]> {
  const rows = await engine.rows(
    "SELECT DISTINCT origin FROM kw.checkpoints WHERE endsWith(origin, '/meta')",
  );
  return rows.flatMap((r) => /^keywitness\/([0-9a-f]{16})\/meta$/.exec(String(r.origin))?.[1] ?? []);
}

/** True when the log is being kept: begun, and not ended in order. */
export async function isLogOpen(engine: Engine): Promise<boolean> {
  const [last] = await engine.rows('SELECT kind FROM kw.meta ORDER BY `index` DESC LIMIT 1');
  return last !== undefined && last.kind !== 'stop';
}
