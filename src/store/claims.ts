import { KeywitnessError } from '../core/errors.ts';
import type { Engine } from './client.ts';
import { type Column, millis, text, u32, u64 } from './columns.ts';
import { sqlString } from './literal.ts';
import { writeRows } from './writer.ts';

/** A partition of a stream, whatever its epoch: what the consumer group gives to one instance. */
export interface Place {
  readonly stream: string;
  readonly partition: number;
}

/** A row of `kw.claims`: this instance writes this partition from now on. */
export interface ClaimRow extends Place {
  readonly writer: bigint;
  readonly base: bigint;
  readonly instance: string;
  readonly claimed_at: number;
}

export const claimColumns: readonly Column<ClaimRow>[] = [
  text('stream', (r) => r.stream),
  u32('partition', (r) => r.partition),
  u64('writer', (r) => r.writer),
  u64('base', (r) => r.base),
  text('instance', (r) => r.instance),
  millis('claimed_at', (r) => r.claimed_at),
];

/**
 * The number of a claim whose record in the control topic has this offset. Numbers of a partition only rise: when
 * that topic was made again and counts from zero, they go on above the last one.
 */
export async function claimNumber(
  engine: Engine,
  places: readonly Place[],
  offset: bigint,
): Promise<Pick<ClaimRow, 'writer' | 'base'>> {
  const [known] = await engine.rows(
    `SELECT count() AS n, toString(max(writer)) AS newest, toString(max(base)) AS base FROM kw.claims WHERE ${ofPlaces(places)}`,
  );
  const base = BigInt(String(known?.base ?? 0));
  const newest = Number(known?.n) === 0 ? -1n : BigInt(String(known?.newest));
  if (base + offset > newest) return { writer: base + offset, base };
  return { writer: newest + 1n + offset, base: newest + 1n };
}

export const saveClaims = (engine: Engine, rows: readonly ClaimRow[]): Promise<void> =>
  writeRows(engine, 'kw.claims', claimColumns, rows);

/** Holds while nobody claimed one of these partitions after `writer`: SQL that an insert looks at as it inserts. */
export function fenceCondition(places: readonly Place[], writer: bigint): string {
  return `(SELECT count() FROM kw.claims WHERE writer > ${writer} AND (${ofPlaces(places)})) = 0`;
}

/** @throws KW_FENCED when somebody claimed one of these partitions after `writer` */
export async function requireClaims(engine: Engine, places: readonly Place[], writer: bigint): Promise<void> {
  if (places.length === 0) return;
  const [newer] = await engine.rows(
    `SELECT stream, partition, instance, toString(writer) AS w FROM kw.claims WHERE writer > ${writer} AND (${ofPlaces(places)}) ORDER BY writer DESC LIMIT 1`,
  );
  if (newer === undefined) return;
  throw new KeywitnessError(
    'KW_FENCED',
    `${newer.stream}/${newer.partition} is claimed by ${newer.instance} (number ${newer.w}, ours is ${writer}). ` +
      'Nothing of ours was stored since, and nothing is lost: what is not stored is stored by that one.',
  );
}

function ofPlaces(places: readonly Place[]): string {
  return places.map((p) => `(stream = ${sqlString(p.stream)} AND partition = ${p.partition})`).join(' OR ');
}
