/**
 * Files and stdin as streams (docs/ledger.md): NDJSON, one JSON document, each also gzipped.
 * A record is a line, or the whole file when it is one JSON document (array, `Records` envelope, object) that
 * spans lines. Its offset is the byte offset of its first byte after gunzip, so that a rename, a gzip and growth
 * continue the same tree, and the same file read twice adds nothing.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import type { KwRecord } from '../core/record.ts';
import { type ByteSource, openBytes, type ReadProgress } from './chunks.ts';

/** A batch is one flush: at 1 k records merges cost more than inserts, above 20 k nothing is gained. */
const batchRecordsMax = 20_000;
const batchBytesMax = 32 * 1024 * 1024;
/** A record is held in memory several times over (bytes, parse, row): above this the file is refused. */
const recordBytesMax = 64 * 1024 * 1024;
/** The first line tells one file from another; audit lines carry random ids well before this. */
const fingerprintBytesMax = 64 * 1024;
/** A plain file written to this recently may be in the middle of a line. */
const unfinishedWithinMs = 60_000;

const newline = 0x0a;
const carriageReturn = 0x0d;

export interface FileReadOptions {
  readonly stream: string;
  readonly epoch: number;
  /** Records at or above this offset are given: 0, or the last stored offset plus one. */
  readonly fromOffset: bigint;
  /** Milliseconds, `--as-of`; 0 = none. In the leaf, so never the wall clock. */
  readonly timestamp: number;
  /** Told of a last line left for the next run, because its writer seems to be in the middle of it. */
  readonly onUnfinished?: (offset: bigint, bytes: number) => void;
}

/** An opened file: its fingerprint is known before a record is read, also for stdin. Read it once. */
export interface FileInput {
  /** Hex SHA-256 of the first record's first 64 KiB: which epoch of the stream this is. */
  readonly fingerprint: string;
  readonly shape: 'lines' | 'document';
  records(options: FileReadOptions): AsyncGenerator<KwRecord[]>;
  progress(): ReadProgress;
  close(): void;
}

/** Opens a file, or stdin for `-`. Throws KW_INPUT when it cannot be read. */
export async function openFile(path: string): Promise<FileInput> {
  const bytes = await openBytes(path);
  const shape = shapeOf(bytes.head);
  const stat = path === '-' ? undefined : statSync(path);
  const mayGrow = !bytes.isFinal && stat !== undefined && Date.now() - stat.mtimeMs < unfinishedWithinMs;
  return {
    fingerprint: fingerprintOf(bytes.head, shape),
    shape,
    records: (options) =>
      shape === 'document'
        ? documentRecord(path, bytes, options)
        : lineRecords(path, bytes, options, mayGrow),
    progress: () => ({ read: bytes.read(), total: stat?.size ?? 0 }),
    close: () => bytes.close(),
  };
}

/** The records of a file from `fromOffset` on, in batches of at most 20,000 records or 32 MiB. */
export async function* readFileRecords(path: string, options: FileReadOptions): AsyncGenerator<KwRecord[]> {
  const input = await openFile(path);
  try {
    yield* input.records(options);
  } finally {
    input.close();
  }
}

/** Hex SHA-256 of the first record's first 64 KiB, after gunzip. */
export async function fingerprint(path: string): Promise<string> {
  const input = await openFile(path);
  input.close();
  return input.fingerprint;
}

/** The stream a file belongs to when `--stream` names none: its base name without `.gz`, made safe. */
export function fileStreamName(path: string): string {
  const name = basename(path).replace(/\.gz$/, '');
  const safe = name.replace(/[^A-Za-z0-9._-]/g, '_');
  if (safe === name) return name;
  return `${safe}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
}

/**
 * A document that spans lines begins with a line that is no JSON value by itself and ends where a pretty printer
 * breaks lines. A cut first line of an NDJSON file can end at a comma too: then the second line is a whole object.
 */
function shapeOf(head: Buffer): 'lines' | 'document' {
  const [first, second] = firstLines(head);
  if (first === undefined || second === undefined) return 'lines';
  const text = first.toString('utf8').trim();
  if (!/^[[{]/.test(text) || isJson(text)) return 'lines';
  if (/[[{]$/.test(text)) return 'document';
  return /[,:]$/.test(text) && !isJson(second.toString('utf8')) ? 'document' : 'lines';
}

/** The first two lines that are not blank, as far as they end within the head. */
function firstLines(head: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = bomBytes(head);
  while (lines.length < 2 && start < head.length) {
    const end = head.indexOf(newline, start);
    const line = head.subarray(start, end < 0 ? head.length : end);
    if (!isBlank(line)) lines.push(line);
    start += line.length + 1;
  }
  return lines;
}

function fingerprintOf(head: Buffer, shape: 'lines' | 'document'): string {
  const first = shape === 'document' ? head : trimReturn(firstLines(head)[0] ?? Buffer.alloc(0));
  return createHash('sha256').update(first.subarray(0, fingerprintBytesMax)).digest('hex');
}

async function* documentRecord(
  path: string,
  bytes: ByteSource,
  options: FileReadOptions,
): AsyncGenerator<KwRecord[]> {
  if (options.fromOffset > 0n) return;
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of bytes.chunks) {
    parts.push(chunk);
    length += chunk.length;
    if (length > recordBytesMax) throw tooLarge(path, 0);
  }
  yield [record(options, 0, Buffer.concat(parts))];
}

async function* lineRecords(
  path: string,
  bytes: ByteSource,
  options: FileReadOptions,
  mayGrow: boolean,
): AsyncGenerator<KwRecord[]> {
  const from = Number(options.fromOffset);
  let batch: KwRecord[] = [];
  let batchBytes = 0;
  for await (const { lines, failure } of untilFailure(lineChunks(path, bytes.chunks))) {
    if (failure !== undefined) {
      // What stands before a damaged place is evidence as well: hand it on first.
      if (batch.length > 0) yield batch;
      throw failure;
    }
    for (const line of lines) {
      if (line.offset < from || isBlank(line.bytes)) continue;
      if (!line.isEnded && mayGrow && isTorn(line.bytes)) {
        options.onUnfinished?.(BigInt(line.offset), line.bytes.length);
        continue;
      }
      const isFull = batch.length >= batchRecordsMax || batchBytes + line.bytes.length > batchBytesMax;
      if (isFull && batch.length > 0) {
        yield batch;
        batch = [];
        batchBytes = 0;
      }
      batch.push(record(options, line.offset, trimReturn(line.bytes)));
      batchBytes += line.bytes.length;
    }
  }
  if (batch.length > 0) yield batch;
}

/** The line chunks, and as the last element the error that ended them. */
async function* untilFailure(
  source: AsyncIterable<Line[]>,
): AsyncGenerator<{ lines: Line[]; failure?: unknown }> {
  try {
    for await (const lines of source) yield { lines };
  } catch (failure) {
    yield { lines: [], failure };
  }
}

interface Line {
  readonly offset: number;
  readonly bytes: Buffer;
  readonly isEnded: boolean;
}

/** The lines that end in each chunk, without copying those that do not cross a border. */
async function* lineChunks(path: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Line[]> {
  let open: Buffer[] = [];
  let openBytes = 0;
  let offset = 0;
  for await (const chunk of chunks) {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const tail = chunk.subarray(start, end);
      const bytes = open.length > 0 ? Buffer.concat([...open, tail]) : tail;
      lines.push({ offset, bytes, isEnded: true });
      offset += bytes.length + 1;
      start = end + 1;
      open = [];
      openBytes = 0;
    }
    if (start < chunk.length) {
      open.push(chunk.subarray(start));
      openBytes += chunk.length - start;
    }
    yield lines;
    if (openBytes > recordBytesMax) throw tooLarge(path, offset);
  }
  if (openBytes > 0) yield [{ offset, bytes: Buffer.concat(open), isEnded: false }];
}

function record(options: FileReadOptions, offset: number, value: Buffer): KwRecord {
  return {
    stream: options.stream,
    partition: 0,
    epoch: options.epoch,
    offset: BigInt(offset),
    timestamp: options.timestamp,
    key: null,
    headers: [],
    value,
  };
}

function tooLarge(path: string, offset: number): KeywitnessError {
  return new KeywitnessError(
    'KW_INPUT',
    `${path}: the record that begins at byte ${offset} is larger than ${recordBytesMax / 1024 / 1024} MiB. ` +
      'All before it was taken. Write one event a line, for example with: ' +
      `jq -c '.Records[]? // .[]?' ${path} > events.ndjson`,
  );
}

function isTorn(line: Buffer): boolean {
  const text = line.toString('utf8');
  return /^\s*[[{]/.test(text) && !isJson(text);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09 && byte !== carriageReturn) return false;
  return true;
}

function trimReturn(line: Buffer): Buffer {
  return line.at(-1) === carriageReturn ? line.subarray(0, -1) : line;
}

function bomBytes(head: Buffer): number {
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
}
