import type { AuditEvent, Enrichment, StoredEvent } from './core/event.ts';
import type { Outcome } from './core/outcome.ts';
import { type KwRecord, type StreamKey, streamKeyText } from './core/record.ts';
import type { Engine } from './store/client.ts';
import { treesAboveMark } from './store/positions.ts';
import { readBackRecords } from './store/readBack.ts';
import { erasedSeal, recordPages } from './store/recordPages.ts';
import type { HitRow, RecordRow, SessionRow, SetAsideRow } from './store/tables.ts';
import {
  eventBlock,
  type RowBlock,
  writeHits,
  writeRecords,
  writeSessions,
  writeSetAside,
} from './store/writer.ts';

/** An understood part: the event, and the native object with secrets cut out, for rules. */
interface Understood {
  readonly event: AuditEvent;
  readonly redacted: unknown;
}

/** A rule that matched, with the fields correlations group and count by. */
export interface RuleHit {
  readonly rule: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** The stages the line is made of: plain functions, joined here and nowhere else. */
export interface Stages {
  readonly engine: Engine;
  readonly now: () => number;
  /** Number of this instance's newest claim (docs/kafka.md, "Several instances"); 0 where it is alone. */
  readonly writer: () => bigint;
  /** Keeps an instance that was replaced from writing; absent where it is alone. */
  readonly fence?: Fence;
  readonly understand: (record: KwRecord) => readonly Outcome<Understood>[];
  readonly enrich: (event: AuditEvent) => Enrichment;
  readonly match: (event: StoredEvent, redacted: unknown) => readonly RuleHit[];
  readonly rulesVersion: () => number;
  readonly session: (event: StoredEvent) => SessionRow | undefined;
  readonly leaf: (record: KwRecord) => Buffer;
  /** Extends the tree of one stream by leaves that were stored and read back, in offset order. */
  readonly extend: (key: StreamKey, leaves: readonly { offset: bigint; leaf: Buffer }[]) => void;
}

/** Asked with the number that a flush began with. */
export interface Fence {
  /** SQL that holds as long as nobody claimed these trees' partitions later; looked at by the store as it inserts. */
  condition(keys: readonly StreamKey[], writer: bigint): string | undefined;
  /** @throws KW_FENCED when somebody did */
  confirm(keys: readonly StreamKey[], writer: bigint): Promise<void>;
}

export interface FlushCounts {
  readonly records: number;
  readonly events: number;
  readonly setAside: number;
  /** Of these, parts that could not be understood: an act may hide in one. */
  readonly quarantined: number;
  readonly hits: number;
}

/** Envelopes can explode: derived rows are written when this many have come together. */
const derivedRowsMax = 100_000;

/**
 * One flush of records, all streams together: evidence first, read back, then what is derived from it, then the
 * trees. When this resolves everything is durable and the offsets may move; when it throws nothing was lost and
 * the same records may be delivered again.
 */
export async function processFlush(records: readonly KwRecord[], stages: Stages): Promise<FlushCounts> {
  // One time for the whole flush: two ingest months would be two parts, and two parts are not atomic.
  const ingestedAt = stages.now();
  const writer = stages.writer();
  const rows: RecordRow[] = records.map((record) => ({
    record,
    leaf: stages.leaf(record),
    ingestedAt,
    writer,
  }));
  // The engine writes in threads of its own: the first block is derived meanwhile, and written only afterwards.
  const stored = storeRecords(rows, writer, stages);
  const counts = await derive(rows, stages, stored);
  extendTrees(rows, stages);
  return { records: records.length, ...counts };
}

async function storeRecords(rows: readonly RecordRow[], writer: bigint, stages: Stages): Promise<void> {
  const { engine, fence } = stages;
  const keys = [...new Map(rows.map(({ record }) => [streamKeyText(record), record])).values()];
  await writeRecords(engine, rows, fence?.condition(keys, writer));
  try {
    await readBackRecords(engine, rows);
  } finally {
    // Also when all of it is there: whoever was replaced has no say any more, and must not move an offset.
    await fence?.confirm(keys, writer);
  }
}

/**
 * Derives again what a crash left underived: records above the high mark of `events`. Rows of the other derived
 * tables that were written before the crash are skipped, so nothing is doubled. A tail that gave no event is
 * above the mark for ever: `derivedTo` says up to where this process knows better.
 */
export async function repair(
  stages: Stages,
  derivedTo: (key: StreamKey) => bigint = () => -1n,
  isOurs: (key: StreamKey) => boolean = () => true,
): Promise<void> {
  for (const { mark, ...key } of await treesAboveMark(stages.engine)) {
    if (!isOurs(key)) continue;
    let from = derivedTo(key);
    if (mark > from) from = mark;
    for await (const page of recordPages(stages.engine, key, from)) {
      // An erased record has nothing left to derive from.
      const rows = page
        .filter((r) => r.sealed !== erasedSeal)
        .map((r) => ({ ...r, writer: stages.writer() }));
      if (rows.length === 0) continue;
      await derive(rows, stages, Promise.resolve(), await derivedCoordinates(stages.engine, key, rows));
    }
  }
}

/** What is derived from some records, ready to be written. */
interface Derived {
  readonly events: RowBlock<StoredEvent>;
  readonly setAside: SetAsideRow[];
  readonly sessions: SessionRow[];
  readonly hits: HitRow[];
}

/** Coordinates (`stream/partition/epoch/offset`) that have rows already, by derived table. */
interface KnownDerived {
  readonly setAside: ReadonlySet<string>;
  readonly hits: ReadonlySet<string>;
}

const nothingKnown: KnownDerived = { setAside: new Set(), hits: new Set() };

/** Derives and writes; nothing is written before `stored` says that the records are durable. */
async function derive(
  rows: readonly RecordRow[],
  stages: Stages,
  stored: Promise<void>,
  known: KnownDerived = nothingKnown,
): Promise<Omit<FlushCounts, 'records'>> {
  const counts = { events: 0, setAside: 0, quarantined: 0, hits: 0 };
  try {
    for (const block of deriveBlocks(rows, stages)) {
      await stored;
      counts.events += block.events.rows();
      counts.setAside += block.setAside.length;
      counts.quarantined += block.setAside.filter((r) => r.outcome === 'quarantine').length;
      counts.hits += block.hits.length;
      await writeBlock(stages.engine, block, known);
    }
  } finally {
    // Whatever failed first, the insert under way is waited for: its outcome belongs to this flush.
    await stored;
  }
  return counts;
}

function* deriveBlocks(rows: readonly RecordRow[], stages: Stages): Generator<Derived> {
  let block = emptyBlock();
  for (const row of rows) {
    deriveRecord(row, stages, block);
    if (block.events.rows() + block.setAside.length >= derivedRowsMax) {
      yield block;
      block = emptyBlock();
    }
  }
  yield block;
}

function emptyBlock(): Derived {
  return { events: eventBlock(), setAside: [], sessions: [], hits: [] };
}

/** `events` last: its high mark vouches for the other three. */
async function writeBlock(engine: Engine, block: Derived, known: KnownDerived): Promise<void> {
  await writeSetAside(
    engine,
    block.setAside.filter((r) => !known.setAside.has(coordinateText(r))),
  );
  await writeSessions(engine, block.sessions);
  await writeHits(
    engine,
    block.hits.filter((r) => !known.hits.has(coordinateText(r))),
  );
  await block.events.write(engine);
}

function deriveRecord({ record, ingestedAt, writer }: RecordRow, stages: Stages, into: Derived): void {
  const { stream, partition, epoch, offset } = record;
  const rulesVersion = stages.rulesVersion();
  const parts = stages.understand(record);
  for (const [idx, part] of parts.entries()) {
    const at = { stream, partition, epoch, offset, idx, ingested_at: ingestedAt, writer };
    if (part.kind !== 'ok') {
      into.setAside.push({ ...at, outcome: part.kind, reason: part.reason, detail: part.detail ?? '' });
      continue;
    }
    const event = completed(part.value.event, stages.enrich(part.value.event), at);
    event.rules_version = rulesVersion;
    for (const hit of stages.match(event, part.value.redacted)) {
      event.hits.push(hit.rule);
      into.hits.push({
        ...at,
        rule: hit.rule,
        time: event.time,
        fields: hit.fields,
        rules_version: event.rules_version,
      });
    }
    into.events.add(event);
    const session = stages.session(event);
    if (session !== undefined) into.sessions.push(session);
  }
}

type At = Pick<StoredEvent, 'stream' | 'partition' | 'epoch' | 'offset' | 'idx' | 'ingested_at' | 'writer'>;

/** The event is filled in place, field by field: `Object.assign` costs four times as much here. */
function completed(understood: AuditEvent, known: Enrichment, at: At): StoredEvent {
  const event = understood as StoredEvent;
  event.env = known.env;
  event.actor_env = known.actor_env;
  event.owner = known.owner;
  event.team = known.team;
  event.secret = known.secret;
  event.identity = known.identity;
  event.identity_kind = known.identity_kind;
  event.network = known.network;
  event.geo_country = known.geo_country;
  event.asn = known.asn;
  event.marks = known.marks;
  event.catalog_version = known.catalog_version;
  event.stream = at.stream;
  event.partition = at.partition;
  event.epoch = at.epoch;
  event.offset = at.offset;
  event.idx = at.idx;
  event.ingested_at = at.ingested_at;
  event.writer = at.writer;
  return event;
}

function extendTrees(rows: readonly RecordRow[], stages: Stages): void {
  const trees = new Map<string, { key: StreamKey; leaves: { offset: bigint; leaf: Buffer }[] }>();
  for (const { record, leaf } of rows) {
    const name = streamKeyText(record);
    const tree = trees.get(name);
    const added = { offset: record.offset, leaf };
    if (tree === undefined) trees.set(name, { key: record, leaves: [added] });
    else tree.leaves.push(added);
  }
  for (const { key, leaves } of trees.values()) stages.extend(key, leaves);
}

/** Which of these records of one tree have rows in `set_aside` and `hits`: written before a crash, not to be doubled. */
async function derivedCoordinates(
  engine: Engine,
  key: StreamKey,
  rows: readonly RecordRow[],
): Promise<KnownDerived> {
  const { stream, partition, epoch } = key;
  const first = String(rows[0]?.record.offset);
  const last = String(rows.at(-1)?.record.offset);
  const read = async (table: string) => {
    const found = await engine.rows(
      `SELECT DISTINCT toString(offset) AS o FROM ${table} WHERE stream = {stream:String} AND partition = {partition:UInt32} ` +
        'AND epoch = {epoch:UInt32} AND offset BETWEEN {first:UInt64} AND {last:UInt64}',
      { stream, partition, epoch, first, last },
    );
    return new Set(found.map((r) => `${streamKeyText(key)}/${String(r.o)}`));
  };
  return { setAside: await read('kw.set_aside'), hits: await read('kw.hits') };
}

function coordinateText(r: StreamKey & { readonly offset: bigint }): string {
  return `${streamKeyText(r)}/${r.offset}`;
}
