import type { StreamKey } from '../../core/record.ts';
import { leafTag } from '../leaf.ts';

/** Is this the text of a leaf of this stream (docs/ledger.md, "Leaf text v1")? */
export function isLeafOf({ stream, partition, epoch }: StreamKey, lines: readonly string[]): boolean {
  const [tag, cluster, topic, ...rest] = lines;
  const isStream = stream === topic || stream === `${cluster}.${topic}`;
  const hex = /^[0-9a-f]{64}$/;
  return (
    tag === leafTag &&
    isStream &&
    rest.length === 9 &&
    rest[0] === `${partition}` &&
    rest[1] === `${epoch}` &&
    /^(0|[1-9]\d{0,19})$/.test(rest[2] as string) &&
    /^(0|-?[1-9]\d*)$/.test(rest[3] as string) &&
    [rest[4], rest[5], rest[6]].every((h) => hex.test(h as string)) &&
    /^[0-3]$/.test(rest[7] as string) &&
    rest[8] === ''
  );
}

/** Decimals without leading zeroes, compared as numbers. */
export function isBelow(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length;
}
