import { type StreamKey, streamKeyText } from '../core/record.ts';
import type { ErasedRecord } from '../ledger/erasure.ts';
import { canName, leafHasher, transports } from '../ledger/leaf.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Engine } from '../store/client.ts';
import type { StoredRecord } from '../store/positions.ts';
import { erasedSeal, recordPages } from '../store/recordPages.ts';

export interface RangeLeaf {
  readonly offset: bigint;
  readonly leaf: Buffer;
  /** Do the stored bytes give this leaf? Of a lawfully erased record nobody can tell, and none is asked. */
  readonly isOfItsBytes: boolean;
  readonly isErased: boolean;
}

/** The leaves of a stretch of a tree, each derived again from the stored bytes. */
export async function* rangeLeaves(
  engine: Engine,
  ledger: Ledger,
  range: StreamKey & { readonly first: bigint; readonly last: bigint },
  erasures: readonly ErasedRecord[],
): AsyncGenerator<RangeLeaf> {
  const isOfItsBytes = leafCheck(ledger, range, erasures);
  for await (const page of recordPages(engine, range, range.first - 1n)) {
    for (const stored of page) {
      const { offset } = stored.record;
      if (offset > range.last) return;
      const isErased = stored.sealed === erasedSeal;
      yield { offset, leaf: stored.leaf, isOfItsBytes: isOfItsBytes(stored), isErased };
    }
  }
}

/** Tells of the records of one tree whether their bytes give their leaf, or a signed leaf says that they are erased. */
export function leafCheck(
  ledger: Ledger,
  key: StreamKey,
  erasures: readonly ErasedRecord[],
): (stored: StoredRecord) => boolean {
  const tree = streamKeyText(key);
  const nameOf = (offset: bigint, leaf: Buffer) => `${offset} ${leaf.toString('hex')}`;
  const erased = new Set(erasures.filter((e) => e.tree === tree).map((e) => nameOf(e.offset, e.leaf)));
  const bound = ledger.extent(key).binding?.transport;
  // Without a `settings` leaf any way to arrive is possible, and the leaf itself says which.
  const ways = transports.filter((t) => (bound === undefined || t === bound) && canName(key.stream, t));
  const hashers = ways.map((t) => leafHasher(key, t));
  return ({ record, leaf, isAsWritten }) =>
    (isAsWritten && hashers.some((hash) => hash(record).equals(leaf))) ||
    erased.has(nameOf(record.offset, leaf));
}
