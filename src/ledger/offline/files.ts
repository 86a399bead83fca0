import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';

/** No note, proof or list of keys is longer; a leaf text is below 64 KiB, so an entry bundle below 16 MiB. */
const textBytesMax = 1024 * 1024;
export const entryBundleBytesMax = 256 * (2 + 0xffff);
/** A record is at most 64 MiB, a third more in base64, and some bytes around it. */
export const recordLineBytesMax = 96 * 1024 * 1024;
const chunkBytes = 1024 * 1024;

/** The file's bytes; undefined = there is no such file. Longer than `bytesMax` is cut, so it cannot be what it should. */
export function readBytes(path: string, bytesMax: number): Buffer | undefined {
  if (!existsSync(path) || !statSync(path).isFile()) return undefined;
  if (statSync(path).size <= bytesMax) return readFileSync(path);
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(bytesMax + 1);
    return bytes.subarray(0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}

/** A text in UTF-8; undefined = no such file, '' = not UTF-8. */
export function readText(path: string): string | undefined {
  const bytes = readBytes(path, textBytesMax);
  if (bytes === undefined) return undefined;
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : '';
}

export interface Line {
  /** Without its LF; undefined = longer than allowed. */
  readonly bytes: Buffer | undefined;
  /** False = the file ends within it. */
  readonly isWhole: boolean;
}

/** The lines of a file, one at a time; a missing file has none. */
export function* readLines(path: string, lineBytesMax: number): Generator<Line> {
  if (!existsSync(path) || !statSync(path).isFile()) return;
  const file = openSync(path, 'r');
  try {
    let parts: Buffer[] = [];
    let length = 0;
    for (;;) {
      const chunk = Buffer.allocUnsafe(chunkBytes);
      const read = readSync(file, chunk);
      if (read === 0) break;
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0 && at < read; at = chunk.indexOf(10, from)) {
        parts.push(chunk.subarray(from, at));
        const bytes = length + at - from > lineBytesMax ? undefined : Buffer.concat(parts);
        [parts, length, from] = [[], 0, at + 1];
        yield { bytes, isWhole: true };
      }
      length += read - from;
      // What is too long is counted and not kept.
      if (length > lineBytesMax) parts = [];
      else parts.push(chunk.subarray(from, read));
    }
    if (length > 0) yield { bytes: length > lineBytesMax ? undefined : Buffer.concat(parts), isWhole: false };
  } finally {
    closeSync(file);
  }
}
