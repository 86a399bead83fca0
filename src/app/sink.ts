import { type KwRecord, type StreamKey, streamKeyText } from '../core/record.ts';
import type { IntakeSink, StoredEnd } from '../intake/intake.ts';
import type { Transport } from '../ledger/leaf.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { TreeExtent } from '../ledger/ledgerOptions.ts';
import type { MetaLine } from '../ledger/meta.ts';
import type { StoredLeaf } from '../ledger/ports.ts';
import { type FlushCounts, processFlush, repair, type Stages } from '../pipeline.ts';
import type { StreamSettings } from '../sources/source.ts';
import { leavesOf } from '../store/ledgerStore.ts';
import { newestIngest, recordAt, storedEnd, storedPositions } from '../store/positions.ts';
import type { StreamBook } from '../store/streamBook.ts';

/** How a live stream's records are read, as the configuration says. */
export interface StreamReading {
  readonly transport: Transport;
  /** '' = found record by record. */
  readonly source: string;
  readonly settings: StreamSettings;
}

/** Whom the sink tells what happens to streams: the ledger itself, or whoever keeps it for several instances. */
export type StreamLog = Pick<Ledger, 'bind' | 'extend' | 'trees'> & {
  extent(key: StreamKey): Pick<TreeExtent, 'end'>;
  record(kind: 'gap' | 'epoch', lines: readonly MetaLine[]): Promise<void>;
};

/** What differs where other instances write to the same store. */
export interface SharedStore {
  /** A tree of a partition that this instance has claimed: nobody else derives from it. */
  isOurs(key: StreamKey): boolean;
  /** Resolves when the log is being kept, by whomever: nothing may be stored before. */
  ready(): Promise<void>;
}

export interface SinkParts {
  readonly stages: Stages;
  readonly book: StreamBook;
  readonly ledger: StreamLog;
  /** Absent where this process is alone on its store. */
  readonly shared?: SharedStore;
  readonly readingOf: (stream: string) => StreamReading;
  /** Something about a stream that people must hear of. */
  readonly onTrouble: (trouble: StreamTrouble) => Promise<void>;
}

export interface StreamTrouble {
  /** `quarantine`: records that could not be understood. `broken`: contradicts its signed checkpoint; `breach`: the store does not keep its two invariants. */
  readonly kind: 'gap' | 'epoch' | 'broken' | 'breach' | 'quarantine';
  readonly key: StreamKey;
  readonly sentence: string;
}

export interface Sink extends IntakeSink {
  /** Like `deliver`, with what became of the records. */
  take(records: readonly KwRecord[]): Promise<FlushCounts>;
  /** Time of the newest flush that is stored whole, in ms: nothing up to it is still on its way. */
  flushedAt(): number;
  /** Kafka's high watermarks seen since the last call, for the heartbeat. */
  newHighs(): readonly (StreamKey & { readonly high: bigint })[];
  /** Runs between two flushes, while the store and the trees stand still; a failed flush is mended first. */
  between<T>(run: () => Promise<T>): Promise<T>;
}

/**
 * What an intake relies on: the store is the authority for where a stream stands, flushes happen one after
 * another, and a flush that failed half way is mended before anyone reads on.
 */
export async function createSink(parts: SinkParts): Promise<Sink> {
  const { stages, book, ledger, shared } = parts;
  const { engine } = stages;
  // Last offset in each tree: after a failed flush the store may be ahead of the trees. What others store is theirs.
  const inTree = new Map<string, bigint>(
    shared ? [] : (await storedPositions(engine)).map((p) => [streamKeyText(p), p.offset]),
  );
  // A flush's time names it to the detection, which reads on after the newest: it must rise, whatever the clock does.
  let newestFlush = await newestIngest(engine);
  let flushedAt = newestFlush;
  const extending: Stages = {
    ...stages,
    now: () => {
      newestFlush = Math.max(newestFlush + 1, stages.now());
      return newestFlush;
    },
    extend(key, leaves) {
      stages.extend(key, leaves);
      const last = leaves.at(-1);
      if (last !== undefined) inTree.set(streamKeyText(key), last.offset);
    },
  };
  /** A flush failed half way, and what it left is not mended yet. */
  let isTorn = false;
  let queue: Promise<unknown> = Promise.resolve();
  const oneByOne = <T>(run: () => Promise<T>): Promise<T> => {
    const result = queue.then(run);
    queue = result.catch(() => undefined);
    return result;
  };

  /**
   * Derives and puts into the trees what a failed flush left, of whatever stream, before anything follows it:
   * detection reads flushes in order, and a check of the store must not find half of one.
   */
  const mend = async (): Promise<void> => {
    if (shared) await book.refresh();
    await repair(stages, (key) => inTree.get(streamKeyText(key)) ?? -1n, shared?.isOurs);
    for (const position of await storedPositions(engine)) {
      const name = streamKeyText(position);
      const known = inTree.get(name) ?? -1n;
      if (position.offset <= known || shared?.isOurs(position) === false) continue;
      if (!shared) {
        for await (const leaves of leavesOf(engine, position, { from: known }))
          ledger.extend(position, leaves);
      }
      inTree.set(name, position.offset);
    }
    isTorn = false;
    flushedAt = newestFlush;
  };

  const bind = async (key: StreamKey): Promise<void> => {
    const reading = parts.readingOf(key.stream);
    const { transport, source } = reading;
    // The meta-log first: `verify` reads the records as this leaf says.
    await ledger.bind(key, { transport, source, settings: { ...reading.settings } });
    const settings = JSON.stringify(reading.settings);
    const { stream, partition, epoch } = key;
    await book.bind({
      stream,
      partition,
      epoch,
      transport,
      fingerprint: '',
      source,
      settings,
      as_of: 0,
      known_at: stages.now(),
    });
  };
  const bound = new Set<string>();
  const highs = new Map<string, StreamKey & { readonly high: bigint }>();

  const take = (records: readonly KwRecord[]) =>
    oneByOne(async () => {
      for (const record of records) {
        const name = streamKeyText(record);
        // A file's binding is its own affair: it was made with the file's fingerprint.
        if (bound.has(name) || book.of(record)?.transport === 'file') continue;
        await bind(record);
        bound.add(name);
      }
      if (isTorn) await mend();
      isTorn = true;
      const counts = await processFlush(records, extending);
      isTorn = false;
      flushedAt = newestFlush;
      return counts;
    });

  return {
    take,
    between: (run) =>
      oneByOne(async () => {
        if (isTorn) await mend();
        return run();
      }),
    flushedAt: () => flushedAt,
    async deliver(records) {
      const { quarantined } = await take(records);
      const key = records[0];
      if (quarantined === 0 || key === undefined) return;
      const streams = [...new Set(records.map((r) => r.stream))].join(', ');
      const sentence = `${quarantined} parts of records of ${streams} could not be understood; the table set_aside says why.`;
      await parts.onTrouble({ kind: 'quarantine', key, sentence });
    },
    authority: async (stream, partition) =>
      newer(await storedEnd(engine, stream, partition), treeEnd(ledger, stream, partition)),
    async isStored(record) {
      if (book.of(record) === undefined) return false;
      const stored = (await recordAt(engine, record, record.offset)) ?? endOf(ledger, record);
      return stored?.leaf.equals(stages.leaf(record)) === true;
    },
    async recover() {
      await shared?.ready();
      await oneByOne(mend);
    },
    onHigh: (key, high) => void highs.set(streamKeyText(key), { ...key, high }),
    newHighs() {
      const seen = [...highs.values()];
      highs.clear();
      return seen;
    },
    async onGap(key, first, last) {
      const lines = [
        ['tree', streamKeyText(key)],
        ['first', `${first}`],
        ['last', `${last}`],
      ] as const;
      await ledger.record('gap', lines);
      const sentence = `Offsets ${first} to ${last} of ${streamKeyText(key)} were gone from the broker before they were read.`;
      await parts.onTrouble({ kind: 'gap', key, sentence });
    },
    async onEpoch(key, reason) {
      await ledger.record('epoch', [
        ['tree', streamKeyText(key)],
        ['reason', reason],
      ]);
      const sentence = `${streamKeyText(key)} begins anew: ${reason}. What was stored before stays.`;
      await parts.onTrouble({ kind: 'epoch', key, sentence });
    },
  };
}

/** The last leaf of the newest epoch: of a stream whose records have all expired it is all that is left. */
function treeEnd(ledger: StreamLog, stream: string, partition: number): StoredEnd | undefined {
  const epochs = ledger.trees().filter((t) => t.stream === stream && t.partition === partition);
  const newest = epochs.sort((a, b) => a.epoch - b.epoch).at(-1);
  const end = newest && ledger.extent(newest).end;
  return newest && end && { ...newest, offset: end.offset };
}

function newer(a: StoredEnd | undefined, b: StoredEnd | undefined): StoredEnd | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.epoch > a.epoch || (b.epoch === a.epoch && b.offset > a.offset) ? b : a;
}

/** The leaf of a record that has expired, when it was the last of its tree. */
function endOf(ledger: StreamLog, record: KwRecord): StoredLeaf | undefined {
  const { end } = ledger.extent(record);
  return end?.offset === record.offset ? end : undefined;
}
