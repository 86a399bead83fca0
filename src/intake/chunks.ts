import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { KeywitnessError } from '../core/errors.ts';

/** Large enough that few lines cross a border, small enough to be nothing beside a batch. */
const chunkBytes = 1024 * 1024;

/** How far a reader is, in bytes as they lie on the disk (compressed ones too): what a progress bar needs. */
export interface ReadProgress {
  readonly read: number;
  /** 0 = not known (stdin). */
  readonly total: number;
}

/** The bytes of a file or of stdin after gunzip, with the beginning looked at and put back. */
export interface ByteSource {
  /** The first bytes, up to one chunk; shorter only when there is no more. */
  readonly head: Buffer;
  /** Gzip and stdin cannot grow behind our back: their last line is final. */
  readonly isFinal: boolean;
  readonly chunks: AsyncIterable<Buffer>;
  /** Bytes read from the disk so far. */
  read(): number;
  close(): void;
}

/** Opens `path` (`-` = stdin). Gzip is told by its first two bytes, not by the name. */
export async function openBytes(path: string, stdin: Readable = process.stdin): Promise<ByteSource> {
  const raw = path === '-' ? stdin : createReadStream(path, { highWaterMark: chunkBytes });
  let readBytes = 0;
  const counted = (async function* () {
    for await (const chunk of raw as AsyncIterable<Buffer | string>) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      readBytes += bytes.length;
      yield bytes;
    }
  })();
  const rawStart = await takeHead(counted, 2, path);
  const isGzip = rawStart.head[0] === 0x1f && rawStart.head[1] === 0x8b;
  const plain = isGzip ? gunzip(rawStart.chunks) : rawStart.chunks;
  const { head, chunks } = await takeHead(plain, chunkBytes, path);
  return {
    head,
    isFinal: isGzip || path === '-',
    chunks,
    read: () => readBytes,
    close: () => {
      if (path !== '-') raw.destroy();
    },
  };
}

function gunzip(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const out = createGunzip({ chunkSize: chunkBytes });
  // An error reaches the reader of `out`; without a callback it would also be thrown into the process.
  pipeline(Readable.from(chunks, { objectMode: true }), out, () => {});
  return out;
}

/** Reads until `bytes` are there and gives them back at the front of `chunks`. */
async function takeHead(
  source: AsyncIterable<Buffer>,
  bytes: number,
  path: string,
): Promise<{ head: Buffer; chunks: AsyncIterable<Buffer> }> {
  const iterator = source[Symbol.asyncIterator]();
  const parts: Buffer[] = [];
  let length = 0;
  while (length < bytes) {
    const next = await iterator.next().catch((error: unknown) => refuse(path, length, error));
    if (next.done) break;
    parts.push(next.value);
    length += next.value.length;
  }
  const head = Buffer.concat(parts);
  const chunks = (async function* () {
    if (head.length > 0) yield head;
    let given = head.length;
    for (;;) {
      const next = await iterator.next().catch((error: unknown) => refuse(path, given, error));
      if (next.done) return;
      given += next.value.length;
      yield next.value;
    }
  })();
  return { head, chunks };
}

function refuse(path: string, atByte: number, cause: unknown): never {
  if (cause instanceof KeywitnessError) throw cause;
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const advice =
    code === 'Z_BUF_ERROR' || code === 'Z_DATA_ERROR'
      ? 'The gzip file is cut or damaged there; what stands before was read. Copy it again and run the same command.'
      : 'Check the path and its permissions.';
  throw new KeywitnessError('KW_INPUT', `${path}, byte ${atByte}: ${code || String(cause)}. ${advice}`, {
    cause,
  });
}
