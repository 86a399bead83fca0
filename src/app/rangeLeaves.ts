import { type StreamKey, streamKeyText } from '../core/record.ts';
import { readErasures } from '../ledger/audit/lawfulLeaves.ts';
import { canName, leafHasher, transports } from '../ledger/leaf.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Engine } from '../store/client.ts';
import { recordPages } from '../store/recordPages.ts';

export interface RangeLeaf {
  readonly offset: bigint;
  readonly leaf: Buffer;
  /** Do the stored bytes give this leaf? Of a lawfully erased record nobody can tell, and none is asked. */
  readonly isOfItsBytes: boolean;
}

/** The leaves of a stretch of a tree, each derived again from the stored bytes. */
export async function* rangeLeaves(
  engine: Engine,
  ledger: Ledger,
  range: StreamKey & { readonly first: bigint; readonly last: bigint },
): AsyncGenerator<RangeLeaf> {
  const tree = streamKeyText(range);
  const erased = new Set(
    (await readErasures(engine))
      .filter((e) => e.tree === tree)
      .map((e) => `${e.offset} ${e.leaf.toString('hex')}`),
  );
  const bound = ledger.extent(range).binding?.transport;
  // Without a `settings` leaf any way to arrive is possible, and the leaf itself says which.
  const ways = transports.filter((t) => (bound === undefined || t === bound) && canName(range.stream, t));
  const hashers = ways.map((t) => leafHasher(range, t));
  for await (const page of recordPages(engine, range, range.first - 1n)) {
    for (const { record, leaf, isAsWritten } of page) {
      const { offset } = record;
      if (offset > range.last) return;
      const isOfItsBytes =
        (isAsWritten && hashers.some((hash) => hash(record).equals(leaf))) ||
        erased.has(`${offset} ${leaf.toString('hex')}`);
      yield { offset, leaf, isOfItsBytes };
    }
  }
}
