import type { StreamKey } from '../core/record.ts';

/** A string literal; stream names are `[A-Za-z0-9._-]`, escaped all the same. */
export function sqlString(text: string): string {
  return `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}'`;
}

/** Rows of one tree from one offset to another, both included. */
export function sqlOffsets(key: StreamKey, first: bigint, last: bigint): string {
  return `(stream = ${sqlString(key.stream)} AND partition = ${key.partition} AND epoch = ${key.epoch} AND offset BETWEEN ${first} AND ${last})`;
}
