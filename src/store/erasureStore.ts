import { setTimeout } from 'node:timers/promises';
import type { StreamKey } from '../core/record.ts';
import type { Engine } from './client.ts';
import { sqlString } from './literal.ts';

/** A record by its coordinates. */
export type RecordPlace = StreamKey & { readonly offset: bigint };

/** What is derived from a record, in the order it goes: `events` last, because it says who is quoted where. */
const derivedTables = ['sessions', 'hits', 'set_aside', 'events'] as const;

/**
 * A statement stays readable to the engine (256 KiB) however many records are named, also where it names them five
 * times and the streams have long names.
 */
const placesPerStatement = 100;
const idsPerStatement = 1_000;

/** What a person needs to know of a record before it is erased. */
export interface RecordContent extends RecordPlace {
  /** ISO 8601, UTC, of its first event; '' = none of its parts is an event. */
  readonly time: string;
  readonly events: number;
  readonly identities: readonly string[];
}

/** Records in which this identity acted, by its id or as the system names it. */
export async function recordsOfIdentity(engine: Engine, identity: string): Promise<RecordPlace[]> {
  const rows = await engine.rows(
    'SELECT DISTINCT stream, partition, epoch, toString(offset) AS o FROM kw.events ' +
      'WHERE identity = {identity:String} OR actor_id = {identity:String} ORDER BY stream, partition, epoch, toUInt64(o)',
    { identity },
  );
  return rows.map(placeOf);
}

/** Records of others that name it as the one they acted on, or acted as. */
export async function recordsNaming(engine: Engine, identity: string): Promise<number> {
  const [row] = await engine.rows(
    'SELECT uniqExact(stream, partition, epoch, offset) AS n FROM kw.events ' +
      'WHERE (target_actor = {identity:String} OR acting_as = {identity:String}) AND identity != {identity:String} AND actor_id != {identity:String}',
    { identity },
  );
  return Number(row?.n ?? 0);
}

export async function contentOf(engine: Engine, places: readonly RecordPlace[]): Promise<RecordContent[]> {
  const found: RecordContent[] = [];
  for (const where of conditions(places)) {
    const rows = await engine.rows(
      "SELECT stream, partition, epoch, toString(offset) AS o, formatDateTime(min(time), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS at, count() AS n, " +
        `arraySort(groupUniqArray(toString(identity))) AS who FROM kw.events WHERE ${where} GROUP BY stream, partition, epoch, offset`,
    );
    for (const r of rows) {
      const identities = (r.who as string[]).filter((id) => id !== '');
      found.push({ ...placeOf(r), time: String(r.at), events: Number(r.n), identities });
    }
  }
  return found;
}

/**
 * Alerts that quote these records. An alert lists its first events only: one that has more is taken to quote a
 * record of the same identity and time.
 */
export async function alertsQuoting(engine: Engine, places: readonly RecordPlace[]): Promise<string[]> {
  const ids = new Set<string>();
  for (const some of chunks(places)) {
    const rows = await engine.rows(
      `WITH (SELECT groupArray((toString(identity), toUnixTimestamp64Milli(toDateTime64(time, 3)))) FROM kw.events WHERE ${condition(some)}) AS acts ` +
        `SELECT DISTINCT id FROM kw.alerts WHERE arrayExists(e -> ${isPlaceOf('e', some)}, events) ` +
        'OR (events_total > length(events) AND arrayExists(a -> a.1 = identity AND a.2 BETWEEN toUnixTimestamp64Milli(first) AND toUnixTimestamp64Milli(last), acts))',
    );
    for (const row of rows) ids.add(String(row.id));
  }
  return [...ids].sort();
}

/** An event is named by its record and an index. */
function isPlaceOf(event: string, places: readonly RecordPlace[]): string {
  const names = places.map((p) => sqlString(`${p.stream}/${p.partition}/${p.epoch}/${p.offset}`));
  return `arrayStringConcat(arraySlice(splitByChar('/', ${event}), 1, 4), '/') IN (${names.join(', ')})`;
}

export async function deleteAlerts(engine: Engine, ids: readonly string[]): Promise<void> {
  for (let i = 0; i < ids.length; i += idsPerStatement) {
    const some = ids.slice(i, i + idsPerStatement).map(sqlString);
    await engine.command(
      `ALTER TABLE kw.alerts DELETE WHERE id IN (${some.join(', ')}) SETTINGS mutations_sync = 1`,
    );
  }
}

/** Removes what is derived from these records. */
export async function deleteDerived(engine: Engine, places: readonly RecordPlace[]): Promise<void> {
  for (const table of derivedTables) {
    for (const where of conditions(places)) {
      const [row] = await engine.rows(`SELECT count() AS n FROM kw.${table} WHERE ${where}`);
      if (Number(row?.n) === 0) continue;
      await engine.command(`ALTER TABLE kw.${table} DELETE WHERE ${where} SETTINGS mutations_sync = 1`);
    }
  }
}

/** Empties the records: the rows stay, with their leaves, and say that they were erased. */
export async function emptyRecords(
  engine: Engine,
  places: readonly RecordPlace[],
  seal: number,
): Promise<void> {
  for (const where of conditions(places)) {
    await engine.command(
      `ALTER TABLE kw.records UPDATE key = '', headers = [], value = '', sealed = ${seal} WHERE ${where} SETTINGS mutations_sync = 1`,
    );
  }
}

/** Rows of these records that still say anything, in any table; 0 = nothing of them is left. */
export async function rowsLeft(engine: Engine, places: readonly RecordPlace[]): Promise<number> {
  let left = 0;
  for (const where of conditions(places)) {
    const derived = derivedTables.map((t) => `(SELECT count() FROM kw.${t} WHERE ${where})`).join(' + ');
    const [row] = await engine.rows(
      `SELECT ${derived} + (SELECT count() FROM kw.records WHERE (${where}) AND (key != '' OR value != '' OR notEmpty(headers))) AS n`,
    );
    left += Number(row?.n ?? 0);
  }
  return left;
}

/** How often old parts are swept, and the pause between: a reader that just ended may still hold one. */
const sweepsMax = 100;
const sweepPauseMs = 100;

/**
 * A mutation leaves the parts it replaced on disk for minutes. Dropping a partition that does not exist removes
 * them at once: the engine clears what is outdated with every drop (seen, test/ledger/erasure.test.ts).
 * Returns what is still there.
 */
export async function sweepOldParts(engine: Engine): Promise<string[]> {
  for (let sweeps = 0; ; sweeps += 1) {
    const old = await oldParts(engine);
    if (old.length === 0 || sweeps === sweepsMax) return old.map((p) => `${p.table}/${p.name}`);
    for (const table of new Set(old.map((p) => p.table))) {
      await engine.command(
        `ALTER TABLE kw.${table} DROP PARTITION ID 'none' SETTINGS max_table_size_to_drop = 0, max_partition_size_to_drop = 0`,
      );
    }
    if (sweeps > 0) await setTimeout(sweepPauseMs);
  }
}

/** `_state`: without it a part that is being deleted is not listed, and its files may outlive the process. */
async function oldParts(engine: Engine): Promise<{ readonly table: string; readonly name: string }[]> {
  const tables = ['alerts', ...derivedTables, 'records'].map(sqlString).join(', ');
  const rows = await engine.rows(
    `SELECT table, name FROM system.parts WHERE _state != 'Active' AND database = 'kw' AND table IN (${tables})`,
  );
  return rows.map((r) => ({ table: String(r.table), name: String(r.name) }));
}

function* chunks(places: readonly RecordPlace[]): Generator<readonly RecordPlace[]> {
  for (let i = 0; i < places.length; i += placesPerStatement) yield places.slice(i, i + placesPerStatement);
}

function* conditions(places: readonly RecordPlace[]): Generator<string> {
  for (const some of chunks(places)) yield condition(some);
}

function condition(places: readonly RecordPlace[]): string {
  const texts = places.map((p) => `(${sqlString(p.stream)}, ${p.partition}, ${p.epoch}, ${p.offset})`);
  return `(stream, partition, epoch, offset) IN (${texts.join(', ')})`;
}

function placeOf(row: Record<string, unknown>): RecordPlace {
  return {
    stream: String(row.stream),
    partition: Number(row.partition),
    epoch: Number(row.epoch),
    offset: BigInt(String(row.o)),
  };
}
