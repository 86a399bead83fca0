import type { StreamKey } from '../core/record.ts';
import type { Engine } from './client.ts';
import { type Column, millis, text, u64 } from './columns.ts';
import { keptLeaves } from './keptLeaves.ts';
import { type LogFence, type MetaLeafRow, metaAppender } from './metaAppend.ts';
import { storedPositions } from './positions.ts';
import { fullTiles, readTiles, type TileRow, tileColumns } from './tileStore.ts';
import { writeRows } from './writer.ts';

/** Leaves of one page: 64 bytes each as JSON, so a page is 4 MB. */
const leavesPerPage = 65_536;
const metaPerPage = 10_000;

export interface SignedCheckpointRow {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
  readonly made_at: number;
}

export const checkpointColumns: readonly Column<SignedCheckpointRow>[] = [
  text('origin', (r) => r.origin),
  u64('size', (r) => BigInt(r.size)),
  { name: 'root', type: 'FixedString(32)', write: (out, r) => out.fixed(r.root) },
  text('note', (r) => r.note),
  millis('made_at', (r) => r.made_at),
];

/**
 * The ledger's side of the store (its `LedgerStore`): leaves as they lie in `records`, meta-log, checkpoints. On a
 * server whoever has no fence writes only when nobody keeps the log.
 */
export function openLedgerStore(engine: Engine, fence?: LogFence) {
  return {
    trees: (): Promise<readonly StreamKey[]> => storedPositions(engine),
    leaves: (key: StreamKey, expired: readonly Expired[]) =>
      leavesWithExpired(engine, key, expired, fence !== undefined),
    fullTiles: (key: StreamKey) => fullTiles(engine, key),
    readTiles: (key: StreamKey, at: readonly { readonly level: number; readonly index: number }[]) =>
      readTiles(engine, key, at),
    appendTiles: (rows: readonly TileRow[]) => writeRows(engine, 'kw.tiles', tileColumns, rows),
    metaLeaves: (from: number) => metaLeavesFrom(engine, from),
    appendMeta: metaAppender(engine, fence),
    saveCheckpoints: (rows: readonly SignedCheckpointRow[]) =>
      writeRows(engine, 'kw.checkpoints', checkpointColumns, rows),
    lastCheckpoints: () => lastCheckpoints(engine),
  };
}

interface Expired {
  readonly from: number;
  readonly count: number;
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * The leaves of a tree in order, those of lawfully dropped records from the tiles. Records of a range that are
 * still there, wholly or in part, are taken as they are: a crash may stand between the leaf and the drop.
 */
async function* leavesWithExpired(
  engine: Engine,
  key: StreamKey,
  expired: readonly Expired[],
  isOnce: boolean,
): AsyncGenerator<readonly LeafAt[]> {
  let after = -1n;
  for (const range of [...expired].sort((a, b) => a.from - b.from)) {
    yield* leavesOf(engine, key, { from: after, to: range.first - 1n, isOnce });
    after = range.first - 1n;
    if (await hasRecords(engine, key, range)) continue;
    // Tiles that are gone leave the tree too short: it then contradicts what was signed.
    for await (const leaves of keptLeaves(engine, key, range.from, range.count)) {
      yield leaves.map((leaf) => ({ offset: range.last, leaf }));
    }
    after = range.last;
  }
  yield* leavesOf(engine, key, { from: after, isOnce });
}

/** Is any record of this stretch still there? */
export async function hasRecords(
  engine: Engine,
  key: StreamKey,
  { first, last }: Pick<Expired, 'first' | 'last'>,
): Promise<boolean> {
  const [row] = await engine.rows(
    'SELECT count() AS n FROM (SELECT 1 FROM kw.records WHERE stream = {stream:String} AND partition = {partition:UInt32} ' +
      'AND epoch = {epoch:UInt32} AND offset BETWEEN {first:UInt64} AND {last:UInt64} LIMIT 1)',
    { stream: key.stream, partition: key.partition, epoch: key.epoch, first: `${first}`, last: `${last}` },
  );
  return Number(row?.n) > 0;
}

export interface LeafAt {
  readonly offset: bigint;
  readonly leaf: Buffer;
}

export interface LeafRange {
  /** Above this offset; default: from the first. */
  readonly from?: bigint;
  /** Up to and with this one; default: to the last. */
  readonly to?: bigint;
  /** Of several rows of one offset only the one of the newest writer: for who accounts for the others elsewhere. */
  readonly isOnce?: boolean;
}

/** Leaf hashes in offset order. WITH TIES: rows of one offset are never divided between two pages. */
export async function* leavesOf(
  engine: Engine,
  key: StreamKey,
  { from = -1n, to = (1n << 64n) - 1n, isOnce = false }: LeafRange = {},
): AsyncGenerator<readonly LeafAt[]> {
  let after = from.toString();
  const { stream, partition, epoch } = key;
  const order = isOnce
    ? 'ORDER BY offset, writer DESC LIMIT 1 BY offset LIMIT {limit:UInt32}'
    : 'ORDER BY offset LIMIT {limit:UInt32} WITH TIES';
  for (;;) {
    const rows = await engine.rows(
      'SELECT toString(offset) AS o, base64Encode(leaf) AS l FROM kw.records ' +
        'WHERE stream = {stream:String} AND partition = {partition:UInt32} AND epoch = {epoch:UInt32} ' +
        `AND toInt128(offset) > {after:Int128} AND toInt128(offset) <= {to:Int128} ${order}`,
      { stream, partition, epoch, after, to: `${to}`, limit: leavesPerPage },
    );
    if (rows.length > 0)
      yield rows.map((r) => ({ offset: BigInt(String(r.o)), leaf: Buffer.from(String(r.l), 'base64') }));
    if (rows.length < leavesPerPage) return;
    after = String(rows.at(-1)?.o);
  }
}

/** Meta leaves in index order, duplicates of an index included: who reads decides what that means. */
export async function* metaLeavesFrom(engine: Engine, from: number): AsyncGenerator<readonly MetaLeafRow[]> {
  let next = from;
  for (;;) {
    const rows = await engine.rows(
      `${metaSelect} WHERE \`index\` >= {from:UInt64} ORDER BY \`index\`, made_at LIMIT {limit:UInt32} WITH TIES`,
      { from: next, limit: metaPerPage },
    );
    if (rows.length > 0) {
      yield rows.map(metaRow);
    }
    if (rows.length < metaPerPage) return;
    next = Number(rows.at(-1)?.i) + 1;
  }
}

/** Meta leaves of one kind, in order: few, whatever the age of the log, but for heartbeats. */
export async function metaLeavesOfKind(engine: Engine, kind: string): Promise<readonly MetaLeafRow[]> {
  return (await engine.rows(`${metaSelect} WHERE kind = {kind:String} ORDER BY \`index\``, { kind })).map(
    metaRow,
  );
}

/** The `key` leaves and the log's first leaf, which names its first key: a handful, whatever the age of the log. */
export async function metaLeavesOfKeys(engine: Engine): Promise<readonly MetaLeafRow[]> {
  return (await engine.rows(`${metaSelect} WHERE kind = 'key' OR \`index\` = 0 ORDER BY \`index\``)).map(
    metaRow,
  );
}

/** A heartbeat's leaves are written within this time, before its checkpoints are signed. */
const heartbeatWritingMs = 600_000;

/** Heartbeat and stop leaves that hold this text, of those written for a checkpoint made at `madeAt`; in order. */
export async function metaLeavesListing(
  engine: Engine,
  text: string,
  madeAt: number,
): Promise<readonly MetaLeafRow[]> {
  const rows = await engine.rows(
    `${metaSelect} PREWHERE made_at BETWEEN fromUnixTimestamp64Milli({from:Int64}) AND fromUnixTimestamp64Milli({to:Int64}) ` +
      "WHERE kind IN ('heartbeat', 'stop') AND position(text, {text:String}) > 0 ORDER BY `index`",
    { text, from: madeAt, to: madeAt + heartbeatWritingMs },
  );
  return rows.map(metaRow);
}

/** Signatures under a checkpoint that are not its log's own. */
const cosignatures = "(countSubstrings(note, '\\n— ') - countSubstrings(note, concat('\\n— ', origin, ' ')))";

/** The newest signed checkpoint of a tree, with its cosignatures if it has any; undefined = none. */
export async function newestCheckpoint(
  engine: Engine,
  origin: string,
): Promise<SignedCheckpointRow | undefined> {
  const rows = await engine.rows(
    `${checkpointSelect} WHERE origin = {origin:String} ORDER BY size DESC, ${cosignatures} DESC, made_at DESC LIMIT 1`,
    { origin },
  );
  return rows.map(checkpointRow)[0];
}

/** Checkpoints looked at on either side: three hours of heartbeats, whatever the age of the log. */
const coveringLooked = 1_024;

/**
 * A checkpoint that covers more than `above` leaves, to prove one of these: one that is cosigned, if there is one
 * among the newest or among the first that cover it, else the newest.
 */
export async function coveringCheckpoint(
  engine: Engine,
  origin: string,
  above: number,
): Promise<SignedCheckpointRow | undefined> {
  const covering =
    'SELECT * FROM kw.checkpoints WHERE origin = {origin:String} AND size > {above:UInt64} ORDER BY size';
  const rows = await engine.rows(
    `${checkpointColumnsRead} FROM ((${covering} DESC LIMIT ${coveringLooked}) UNION ALL (${covering} LIMIT ${coveringLooked})) ` +
      `ORDER BY ${cosignatures} DESC, size DESC, made_at DESC LIMIT 1`,
    { origin, above },
  );
  return rows.map(checkpointRow)[0];
}

/** The signed checkpoint of a tree at one size. */
export async function checkpointOf(
  engine: Engine,
  { origin, size, root }: { readonly origin: string; readonly size: number; readonly root: Buffer },
): Promise<SignedCheckpointRow | undefined> {
  const rows = await engine.rows(
    `${checkpointSelect} WHERE origin = {origin:String} AND size = {size:UInt64} AND hex(root) = {root:String} ORDER BY ${cosignatures} DESC, made_at DESC LIMIT 1`,
    { origin, size, root: root.toString('hex').toUpperCase() },
  );
  return rows.map(checkpointRow)[0];
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

/** The cosigned checkpoints of a tree, by size, in pages. */
export async function* cosignedPages(
  engine: Engine,
  origin: string,
): AsyncGenerator<readonly SignedCheckpointRow[]> {
  let after = -1;
  for (;;) {
    const rows = await engine.rows(
      `${checkpointSelect} WHERE origin = {origin:String} AND toInt64(size) > {after:Int64} AND ${cosignatures} > 0 ` +
        'ORDER BY size LIMIT {limit:UInt32} WITH TIES',
      { origin, after, limit: metaPerPage },
    );
    const page = rows.map(checkpointRow);
    if (page.length > 0) yield page;
    if (page.length < metaPerPage) return;
    after = page.at(-1)?.size ?? after;
  }
}

export const metaSelect =
  'SELECT toUInt64(`index`) AS i, kind, base64Encode(text) AS t, toUnixTimestamp64Milli(made_at) AS ms FROM kw.meta';

export function metaRow(row: Record<string, unknown>): MetaLeafRow {
  return {
    index: Number(row.i),
    kind: String(row.kind),
    text: Buffer.from(String(row.t), 'base64'),
    made_at: Number(row.ms),
  };
}

const checkpointColumnsRead =
  'SELECT origin, toUInt64(size) AS n, base64Encode(root) AS r, note, toUnixTimestamp64Milli(made_at) AS ms';
export const checkpointSelect = `${checkpointColumnsRead} FROM kw.checkpoints`;

export function checkpointRow(row: Record<string, unknown>): SignedCheckpointRow {
  return {
    origin: String(row.origin),
    size: Number(row.n),
    root: Buffer.from(String(row.r), 'base64'),
    note: String(row.note),
    made_at: Number(row.ms),
  };
}
