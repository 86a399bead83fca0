import { createGunzip } from 'node:zlib';

/** What a request's body turned out to be: its bytes, or why it is refused. */
export type Body =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'damaged' };

/**
 * Reads a body of at most `bytesMax`, both as it travels and after gunzip: a gzip bomb is cut off when it passes
 * the limit, not when it has filled the memory.
 */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  isGzip: boolean,
  bytesMax: number,
): Promise<Body> {
  if (body === null) return { kind: 'bytes', bytes: Buffer.alloc(0) };
  const wire = await collect(body, bytesMax);
  if (!isGzip || wire.kind !== 'bytes') return wire;
  const gunzip = createGunzip();
  gunzip.end(wire.bytes);
  return collect(gunzip, bytesMax).finally(() => gunzip.destroy());
}

async function collect(chunks: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Body> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of chunks) {
      length += chunk.length;
      if (length > bytesMax) return { kind: 'too-large' };
      parts.push(chunk);
    }
  } catch {
    // The sender went away in the middle, or the gzip is none: that is the sender's affair.
    return { kind: 'damaged' };
  }
  return { kind: 'bytes', bytes: Buffer.concat(parts) };
}

const newline = 0x0a;

/** The lines of an NDJSON body that are not blank, each without its line end; undefined when they are too many. */
export function linesOf(bytes: Buffer, linesMax: number): Buffer[] | undefined {
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const next = bytes.indexOf(newline, start);
    const end = next < 0 ? bytes.length : next;
    const line = bytes.subarray(start, bytes[end - 1] === 0x0d && end > start ? end - 1 : end);
    if (line.some((byte) => byte !== 0x20 && byte !== 0x09)) lines.push(line);
    if (lines.length > linesMax) return undefined;
    start = end + 1;
  }
  return lines;
}
