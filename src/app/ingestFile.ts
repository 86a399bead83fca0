import { KeywitnessError } from '../core/errors.ts';
import { type KwRecord, type StreamKey, streamKeyText } from '../core/record.ts';
import { type FileInput, fileStreamName, openFile } from '../intake/file.ts';
import { leafHash } from '../ledger/leaf.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { StoredLeaf } from '../ledger/ports.ts';
import type { FlushCounts } from '../pipeline.ts';
import type { StreamSettings } from '../sources/source.ts';
import type { Engine } from '../store/client.ts';
import { recordAt, storedPositions } from '../store/positions.ts';
import type { StreamBook } from '../store/streamBook.ts';

export interface IngestOptions {
  /** Name of the stream; undefined = the file's base name. Stdin needs one. */
  readonly stream?: string;
  /** The source all records are of; '' = found record by record. */
  readonly source: string;
  readonly settings: StreamSettings;
  /** Milliseconds, `--as-of`, fixed with the stream's first ingest; 0 = none. */
  readonly asOf: number;
  readonly onProgress?: (progress: { read: number; total: number; records: number }) => void;
  readonly onNewEpoch?: (key: StreamKey) => void;
  readonly onUnfinished?: (offset: bigint, bytes: number) => void;
}

export interface IngestSummary extends FlushCounts {
  readonly stream: string;
  readonly epoch: number;
}

export interface IngestParts {
  readonly engine: Engine;
  readonly book: StreamBook;
  readonly ledger: Ledger;
  readonly now: () => number;
  readonly deliver: (records: readonly KwRecord[]) => Promise<FlushCounts>;
}

/**
 * Reads one file into its stream, from where the store left off: the same file twice adds nothing, a grown one
 * adds its growth, and one whose content no longer matches what was stored begins a new epoch.
 */
export async function ingestFile(
  path: string,
  options: IngestOptions,
  parts: IngestParts,
): Promise<IngestSummary> {
  const stream = options.stream ?? (path === '-' ? undefined : fileStreamName(path));
  if (stream === undefined) {
    throw new KeywitnessError(
      'KW_USAGE',
      'Standard input has no name: give --stream NAME, so that a second run is known as the same.',
    );
  }
  const input = await openFile(path);
  try {
    const key = await epochFor(stream, input.fingerprint, parts.book);
    const last = await lastStored(parts, key);
    if (last !== undefined && !(await stillMatches(path, key, last, parts))) {
      if (path === '-') {
        throw new KeywitnessError(
          'KW_INPUT',
          `Standard input does not continue ${streamKeyText(key)}: its record at ${last.offset} is another. Give a new --stream.`,
        );
      }
      const fresh = { ...key, epoch: nextEpoch(stream, parts.book) };
      options.onNewEpoch?.(fresh);
      return await readInto(input, fresh, undefined, options, parts);
    }
    return await readInto(input, key, last?.offset, options, parts);
  } finally {
    input.close();
  }
}

/** A file already seen keeps its epoch, under whatever name or compression; another begins the next. */
async function epochFor(stream: string, fingerprint: string, book: StreamBook): Promise<StreamKey> {
  const known = book.named(stream).findLast((r) => r.fingerprint === fingerprint);
  return { stream, partition: 0, epoch: known?.epoch ?? nextEpoch(stream, book) };
}

function nextEpoch(stream: string, book: StreamBook): number {
  return Math.max(-1, ...book.named(stream).map((r) => r.epoch)) + 1;
}

/** Of a stream whose newest records have expired the ledger still has the last leaf. */
async function lastStored({ engine, ledger }: IngestParts, key: StreamKey): Promise<StoredLeaf | undefined> {
  const positions = await storedPositions(engine);
  const last = positions.find((p) => streamKeyText(p) === streamKeyText(key))?.offset;
  const { end } = ledger.extent(key);
  if (last === undefined || (end !== undefined && end.offset > last)) return end;
  return recordAt(engine, key, last).then((stored) => stored && { offset: last, leaf: stored.leaf });
}

/** Reads the record at the last stored offset again and compares leaves (docs/ledger.md, files). */
async function stillMatches(
  path: string,
  key: StreamKey,
  last: StoredLeaf,
  parts: IngestParts,
): Promise<boolean> {
  if (path === '-') return true;
  const again = await openFile(path);
  try {
    const timestamp = parts.book.of(key)?.as_of ?? 0;
    for await (const batch of again.records({ ...key, fromOffset: last.offset, timestamp })) {
      const record = batch[0];
      return record?.offset === last.offset && leafHash(record, 'file').equals(last.leaf);
    }
    return false;
  } finally {
    again.close();
  }
}

async function readInto(
  input: FileInput,
  key: StreamKey,
  last: bigint | undefined,
  options: IngestOptions,
  parts: IngestParts,
): Promise<IngestSummary> {
  const asOf = parts.book.of(key)?.as_of ?? options.asOf;
  // Before the first record: `verify` reads the records as this leaf of the meta-log says.
  await parts.ledger.bind(key, {
    transport: 'file',
    source: options.source,
    settings: { ...options.settings },
  });
  await parts.book.bind({
    ...key,
    transport: 'file',
    fingerprint: input.fingerprint,
    source: options.source,
    settings: JSON.stringify(options.settings),
    as_of: asOf,
    known_at: parts.now(),
  });
  const counts = { records: 0, events: 0, setAside: 0, quarantined: 0, hits: 0 };
  const batches = input.records({
    ...key,
    fromOffset: last === undefined ? 0n : last + 1n,
    timestamp: asOf,
    ...(options.onUnfinished === undefined ? {} : { onUnfinished: options.onUnfinished }),
  });
  for await (const batch of batches) {
    const added = await parts.deliver(batch);
    counts.records += added.records;
    counts.events += added.events;
    counts.setAside += added.setAside;
    counts.quarantined += added.quarantined;
    counts.hits += added.hits;
    options.onProgress?.({ ...input.progress(), records: counts.records });
  }
  parts.ledger.endStream(key);
  return { stream: key.stream, epoch: key.epoch, ...counts };
}
