import type { StreamKey } from '../core/record.ts';
import type { Engine } from './client.ts';
import { type Column, millis, text, u64 } from './columns.ts';
import { storedPositions } from './positions.ts';
import { writeRows } from './writer.ts';

/** Leaves of one page: 64 bytes each as JSON, so a page is 4 MB. */
const leavesPerPage = 65_536;
const metaPerPage = 10_000;

export interface MetaLeafRow {
  readonly index: number;
  readonly kind: string;
  readonly made_at: number;
  readonly text: Buffer;
}

export interface SignedCheckpointRow {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
  readonly made_at: number;
}

export const metaColumns: readonly Column<MetaLeafRow>[] = [
  u64('index', (r) => BigInt(r.index)),
  text('kind', (r) => r.kind),
  millis('made_at', (r) => r.made_at),
  { name: 'text', type: 'String', write: (out, r) => out.binary(r.text) },
];

export const checkpointColumns: readonly Column<SignedCheckpointRow>[] = [
  text('origin', (r) => r.origin),
  u64('size', (r) => BigInt(r.size)),
  { name: 'root', type: 'FixedString(32)', write: (out, r) => out.fixed(r.root) },
  text('note', (r) => r.note),
  millis('made_at', (r) => r.made_at),
];

/** The ledger's side of the store (its `LedgerStore`): leaves as they lie in `records`, meta-log, checkpoints. */
export function openLedgerStore(engine: Engine) {
  return {
    trees: (): Promise<readonly StreamKey[]> => storedPositions(engine),
    leaves: (key: StreamKey) => leavesOf(engine, key),
    metaLeaves: (from: number) => metaLeavesFrom(engine, from),
    appendMeta: (rows: readonly MetaLeafRow[]) => writeRows(engine, 'kw.meta', metaColumns, rows),
    saveCheckpoints: (rows: readonly SignedCheckpointRow[]) =>
      writeRows(engine, 'kw.checkpoints', checkpointColumns, rows),
    lastCheckpoints: () => lastCheckpoints(engine),
  };
}

/** Leaf hashes above `from` in offset order. WITH TIES: rows of one offset are never divided between two pages. */
export async function* leavesOf(
  engine: Engine,
  key: StreamKey,
  from = -1n,
): AsyncGenerator<readonly Buffer[]> {
  let after = from.toString();
  for (;;) {
    const rows = await engine.rows(
      'SELECT toString(offset) AS o, base64Encode(leaf) AS l FROM kw.records ' +
        'WHERE stream = {stream:String} AND partition = {partition:UInt32} AND epoch = {epoch:UInt32} AND toInt128(offset) > {after:Int128} ' +
        'ORDER BY offset LIMIT {limit:UInt32} WITH TIES',
      { stream: key.stream, partition: key.partition, epoch: key.epoch, after, limit: leavesPerPage },
    );
    if (rows.length > 0) yield rows.map((r) => Buffer.from(String(r.l), 'base64'));
    if (rows.length < leavesPerPage) return;
    after = String(rows.at(-1)?.o);
  }
}

/** Meta leaves in index order, duplicates of an index included: who reads decides what that means. */
export async function* metaLeavesFrom(engine: Engine, from: number): AsyncGenerator<readonly MetaLeafRow[]> {
  let next = from;
  for (;;) {
    const rows = await engine.rows(
      'SELECT toUInt64(`index`) AS i, kind, base64Encode(text) AS t, toUnixTimestamp64Milli(made_at) AS ms FROM kw.meta ' +
        'WHERE `index` >= {from:UInt64} ORDER BY `index`, made_at LIMIT {limit:UInt32} WITH TIES',
      { from: next, limit: metaPerPage },
    );
    if (rows.length > 0) {
      yield rows.map((r) => ({
        index: Number(r.i),
        kind: String(r.kind),
        text: Buffer.from(String(r.t), 'base64'),
        made_at: Number(r.ms),
      }));
    }
    if (rows.length < metaPerPage) return;
    next = Number(rows.at(-1)?.i) + 1;
  }
}

async function lastCheckpoints(engine: Engine): Promise<SignedCheckpointRow[]> {
  const rows = await engine.rows(
    `${checkpointSelect} ORDER BY origin, size DESC, made_at DESC LIMIT 1 BY origin`,
  );
  return rows.map(checkpointRow);
}

/** Every signed checkpoint, by origin and size, in pages. */
export async function* checkpointPages(engine: Engine): AsyncGenerator<readonly SignedCheckpointRow[]> {
  let after = { origin: '', size: -1 };
  for (;;) {
    const rows = await engine.rows(
      `${checkpointSelect} WHERE (origin, toInt64(size)) > ({origin:String}, {size:Int64}) ORDER BY origin, size LIMIT {limit:UInt32} WITH TIES`,
      { ...after, limit: metaPerPage },
    );
    const page = rows.map(checkpointRow);
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (last === undefined || page.length < metaPerPage) return;
    after = { origin: last.origin, size: last.size };
  }
}

const checkpointSelect =
  'SELECT origin, toUInt64(size) AS n, base64Encode(root) AS r, note, toUnixTimestamp64Milli(made_at) AS ms FROM kw.checkpoints';

function checkpointRow(row: Record<string, unknown>): SignedCheckpointRow {
  return {
    origin: String(row.origin),
    size: Number(row.n),
    root: Buffer.from(String(row.r), 'base64'),
    note: String(row.note),
    made_at: Number(row.ms),
  };
}
