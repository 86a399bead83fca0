import type { KwRecord, StreamKey } from '../../core/record.ts';
import { decodeRecord, erasedSeal, storedLeaf } from '../../store/recordPages.ts';
import { RowBinaryReader } from '../../store/rowBinaryReader.ts';
import type { ErasedRecord } from '../erasure.ts';
import type { Transport } from '../leaf.ts';
import type { ExpiredRange } from '../retention.ts';
import type { DerivedPage } from './page.ts';

/** A leaf of a tree as the store has it, in order. */
export interface TreeRow {
  readonly offset: bigint;
  /** Bytes of the value: in a file the next record begins behind them. */
  readonly length: number;
  /** As stored: in the row, or of a record that is lawfully gone in the tiles. */
  readonly leaf: Buffer;
  /** The leaf that the row's bytes give, where that is another one. */
  readonly derived: Buffer | undefined;
  /** Of a lawfully dropped record: the index of its leaf. */
  readonly gone: number | undefined;
  /** Its bytes were lawfully erased. */
  readonly isErased: boolean;
  /** The record itself; undefined where its bytes are no more. */
  record(): KwRecord | undefined;
}

/** A place between two rows. Dropped records have no offsets any more: their leaf index counts. */
export interface Place {
  readonly offset: bigint;
  /** Leaves of dropped records below this index were passed. */
  readonly gone: number;
}

export const beginning: Place = { offset: -1n, gone: 0 };

export function placeBehind(row: TreeRow, before: Place): Place {
  return row.gone === undefined
    ? { offset: row.offset, gone: before.gone }
    : { offset: row.offset, gone: row.gone + 1 };
}

/** The rows of a page, with what deriving it again found. A lawful erasure leaves a leaf that no bytes give. */
export function pageRows(
  bytes: Buffer,
  page: DerivedPage,
  key: StreamKey,
  erased: ReadonlyMap<bigint, ErasedRecord>,
): TreeRow[] {
  const odd = new Map(page.odd.map(({ row, leaf }) => [row, leaf]));
  return Array.from(page.starts, (start, i): TreeRow => {
    const other = odd.get(i);
    const row = {
      offset: bytes.readBigUInt64LE(start),
      length: page.lengths[i] as number,
      leaf: storedLeaf(bytes, start),
      derived: undefined,
      gone: undefined,
      isErased: false,
      record: () => decodeRecord(new RowBinaryReader(bytes, start), key).record,
    };
    if (other === undefined) return row;
    const { sealed } = decodeRecord(new RowBinaryReader(bytes, start), key);
    const isErased = sealed === erasedSeal && erased.get(row.offset)?.leaf.equals(row.leaf) === true;
    const derived = isErased ? undefined : Buffer.from(other.buffer, other.byteOffset, other.length);
    return { ...row, derived, isErased };
  });
}

/** A record that is lawfully gone, by the leaf that its tile keeps. */
export function goneRow(range: ExpiredRange, index: number, leaf: Buffer): TreeRow {
  const { last: offset } = range;
  return {
    offset,
    length: 0,
    leaf,
    derived: undefined,
    gone: index,
    isErased: false,
    record: () => undefined,
  };
}

/** Where the next record of an unbroken stream begins: a file's after the line's end, LF or CR LF. */
export function expectedBehind(row: TreeRow, transport: Transport): { from: bigint; to: bigint } {
  // How long a record was whose bytes are no more is known to nobody.
  const isUnknown = row.gone !== undefined || (row.isErased && transport === 'file');
  if (isUnknown) return { from: row.offset + 1n, to: 1n << 64n };
  if (transport !== 'file') return { from: row.offset + 1n, to: row.offset + 1n };
  const end = row.offset + BigInt(row.length);
  return { from: end, to: end + 2n };
}
