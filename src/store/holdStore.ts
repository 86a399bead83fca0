import type { StreamKey } from '../core/record.ts';
import type { Engine } from './client.ts';
import { sqlString } from './literal.ts';

/** What a legal hold keeps; a part that is absent does not narrow it. */
export interface HeldScope {
  readonly stream?: string;
  /** Regular expression over the names of secrets (RE2). */
  readonly secret?: string;
  readonly identity?: string;
  /** Event time in ms: from, and up to but without. */
  readonly from?: number;
  readonly to?: number;
}

/** How many records a hold covers, by ingest month (YYYYMM). */
export async function heldMonths(engine: Engine, scope: HeldScope): Promise<ReadonlyMap<string, number>> {
  const rows = await engine.rows(
    `SELECT month, uniqExact(stream, partition, epoch, offset) AS n FROM (${heldRows(scope)}) GROUP BY month`,
  );
  return new Map(rows.map((r) => [String(r.month), Number(r.n)]));
}

type Place = StreamKey & { readonly offset: bigint };

/** Which of these records a hold covers. */
export async function heldAmong(
  engine: Engine,
  scope: HeldScope,
  records: readonly Place[],
): Promise<number> {
  let held = 0;
  for (const named of namedPlaces(records)) {
    const [row] = await engine.rows(
      `SELECT uniqExact${coordinates} AS n FROM (${heldRows(scope)}) WHERE ${coordinates} IN (${named})`,
    );
    held += Number(row?.n ?? 0);
  }
  return held;
}

/** Which of these records, in the stream of a hold, nothing was derived from yet: they may be about anyone. */
export async function underivedAmong(
  engine: Engine,
  { stream }: HeldScope,
  records: readonly Place[],
): Promise<number> {
  let underived = 0;
  for (const named of namedPlaces(records.filter((r) => stream === undefined || r.stream === stream))) {
    const of = (table: string) =>
      `SELECT stream, partition, epoch, offset FROM kw.${table} WHERE ${coordinates} IN (${named})`;
    const [row] = await engine.rows(
      `SELECT uniqExact${coordinates} AS n FROM (${of('records')}) WHERE ${coordinates} NOT IN (${of('events')} UNION ALL ${of('set_aside')})`,
    );
    underived += Number(row?.n ?? 0);
  }
  return underived;
}

const coordinates = '(stream, partition, epoch, offset)';
/** A statement stays readable to the engine however many records are named. */
const placesPerStatement = 200;

function* namedPlaces(records: readonly Place[]): Generator<string> {
  for (let i = 0; i < records.length; i += placesPerStatement) {
    const some = records.slice(i, i + placesPerStatement);
    yield some.map((r) => `(${sqlString(r.stream)}, ${r.partition}, ${r.epoch}, ${r.offset})`).join(', ');
  }
}

/** In doubt a record is held: what was not understood may be about anyone, and has no time of its own. */
function heldRows({ stream, secret, identity, from, to }: HeldScope): string {
  const ofStream = stream === undefined ? [] : [`stream = ${sqlString(stream)}`];
  const events = [
    ...ofStream,
    ...(secret === undefined ? [] : [secretCondition(sqlString(secret))]),
    ...(identity === undefined ? [] : [identityCondition(sqlString(identity))]),
    ...(from === undefined ? [] : [`time >= ${millisSql(from)}`]),
    ...(to === undefined ? [] : [`time < ${millisSql(to)}`]),
  ];
  const isNarrow = [secret, identity, from, to].some((part) => part !== undefined);
  const aside = [
    ...ofStream,
    ...(isNarrow ? ["outcome = 'quarantine'"] : []),
    // It came in before: it cannot tell of later.
    ...(from === undefined ? [] : [`ingested_at >= ${millisSql(from)}`]),
  ];
  const of = (table: string, conditions: readonly string[]) =>
    `SELECT _partition_id AS month, stream, partition, epoch, offset FROM kw.${table}` +
    (conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`);
  return `${of('events', events)} UNION ALL ${of('set_aside', aside)}`;
}

function secretCondition(pattern: string): string {
  return `(match(secret, ${pattern}) OR match(object_id, ${pattern}) OR arrayExists(o -> match(o, ${pattern}), objects))`;
}

/** Whoever acted, as whom, or on whom. */
function identityCondition(name: string): string {
  const columns = ['identity', 'actor_id', 'actor_name', 'acting_as', 'target_actor'];
  return `(${columns.map((c) => `${c} = ${name}`).join(' OR ')})`;
}

function millisSql(ms: number): string {
  return `fromUnixTimestamp64Milli(${ms}, 'UTC')`;
}
