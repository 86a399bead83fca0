import { KeywitnessError } from '../core/errors.ts';

/** Reads ClickHouse RowBinary where it lies: strings are views into the block, nothing is copied. */
export class RowBinaryReader {
  readonly bytes: Buffer;
  position: number;

  constructor(bytes: Buffer, position = 0) {
    this.bytes = bytes;
    this.position = position;
  }

  isAtEnd(): boolean {
    return this.position >= this.bytes.length;
  }

  u8(): number {
    const at = this.#take(1);
    return this.bytes[at] as number;
  }

  u16(): number {
    return this.bytes.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.#take(4));
  }

  u64(): bigint {
    return this.bytes.readBigUInt64LE(this.#take(8));
  }

  /** A signed 64-bit number that is a time in ms: below 2^53 for the next 285,000 years. */
  millis(): number {
    const at = this.#take(8);
    return this.bytes.readInt32LE(at + 4) * 0x1_0000_0000 + this.bytes.readUInt32LE(at);
  }

  /** Unsigned LEB128. Lengths are below 2^35 here: a block is. */
  length(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      if (scale > 2 ** 35) throw new RangeError('a length that is no length');
    }
  }

  binary(): Buffer {
    return this.fixed(this.length());
  }

  fixed(length: number): Buffer {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  skip(length: number): void {
    this.#take(length);
  }

  #take(length: number): number {
    const at = this.position;
    const missing = at + length - this.bytes.length;
    if (missing > 0) throw new RowBinaryEnd(missing);
    this.position = at + length;
    return at;
  }
}

/** The bytes end within a row: at least so many more must follow. */
class RowBinaryEnd extends RangeError {
  readonly missing: number;

  constructor(missing: number) {
    super('a row is not whole');
    this.missing = missing;
  }
}

/** Rows and bytes of a block; one row more than `bytes` is a block of its own. */
interface BlockLimits {
  readonly rows: number;
  readonly bytes: number;
}

export interface RowBlock {
  readonly bytes: Buffer;
  readonly rows: number;
  /** Where its last row begins. */
  readonly lastRow: number;
}

type SkipRow = (row: RowBinaryReader) => void;

/**
 * Cuts a stream of RowBinary bytes into blocks of whole rows. `skipRow` moves the reader over one row. Chunks of
 * the embedded engine end with a row, those of a connection anywhere.
 */
export async function* wholeRows(
  chunks: AsyncIterable<Buffer>,
  skipRow: SkipRow,
  limits: BlockLimits,
): AsyncGenerator<RowBlock> {
  let pending: Buffer[] = [];
  let missing = 0;
  for await (const chunk of chunks) {
    pending.push(chunk);
    missing -= chunk.length;
    // A row of megabytes comes in thousands of chunks: joined once, not at each of them.
    if (missing > 0) continue;
    const all = pending.length === 1 ? chunk : Buffer.concat(pending);
    let from = 0;
    for (let block = blockAt(all, from, skipRow, limits); ; block = blockAt(all, from, skipRow, limits)) {
      missing = block.missing;
      if (block.rows === 0) break;
      const lastRow = block.lastRow - from;
      yield { bytes: all.subarray(from, block.end), rows: block.rows, lastRow };
      from = block.end;
    }
    pending = from < all.length ? [all.subarray(from)] : [];
  }
  if (pending.length > 0) {
    throw new KeywitnessError('KW_STORE', 'The store’s answer broke off in the middle of a row. Try again.');
  }
}

function blockAt(bytes: Buffer, from: number, skipRow: SkipRow, limits: BlockLimits) {
  const reader = new RowBinaryReader(bytes, from);
  let end = from;
  let lastRow = from;
  let rows = 0;
  let missing = 0;
  try {
    while (rows < limits.rows && end - from < limits.bytes && !reader.isAtEnd()) {
      skipRow(reader);
      lastRow = end;
      end = reader.position;
      rows += 1;
    }
  } catch (error) {
    if (!(error instanceof RowBinaryEnd)) throw error;
    missing = error.missing;
  }
  return { end, rows, lastRow, missing };
}
