import type { Clock } from '../core/clock.ts';
import { streamKeyText } from '../core/record.ts';
import type { CompiledSet } from '../detect/sigma/sigma.ts';
import type { Catalog } from '../enrich/catalog.ts';
import type { Anchor } from '../ledger/anchors/anchor.ts';
import { Ledger } from '../ledger/ledger.ts';
import { openKeys } from '../ledger/openKeys.ts';
import { repair } from '../pipeline.ts';
import type { Engine } from '../store/client.ts';
import { openLedgerStore } from '../store/ledgerStore.ts';
import { migrate } from '../store/migrate.ts';
import { openStreamBook, type StreamBook } from '../store/streamBook.ts';
import { createSink, type Sink, type SinkParts, type StreamTrouble } from './sink.ts';
import { createStages } from './stages.ts';

/** The line from a record to its derived rows, mended and ready. */
export interface Line {
  readonly ledger: Ledger;
  readonly book: StreamBook;
  readonly sink: Sink;
  readonly onTrouble: SinkParts['onTrouble'];
  /** The run before this one did not end in order; what it left half done is mended. */
  readonly isAfterCrash: boolean;
  /** What is wrong with streams, where nobody is told live. */
  readonly troubles: readonly StreamTrouble[];
}

export interface LineOptions {
  readonly dataDir: string;
  readonly anchorFile: string;
  /** Who else remembers; the ledger closes them. */
  readonly anchors: readonly Anchor[];
  readonly clock: Clock;
  readonly catalog: Catalog;
  readonly rules: CompiledSet;
  /** How live streams are read, and who hears of their troubles; absent where only files come in. */
  readonly live: Pick<SinkParts, 'readingOf' | 'onTrouble'> | undefined;
}

/** Opens the ledger on the store, mends what a crash left, and says which streams contradict what was signed. */
export async function openLine(engine: Engine, options: LineOptions): Promise<Line> {
  const { clock, dataDir, anchorFile, anchors, catalog, rules } = options;
  await migrate(engine);
  const keys = await openKeys(dataDir, process.env);
  const ledger = await Ledger.open({ store: openLedgerStore(engine), keys, anchorFile, anchors, clock });
  const book = await openStreamBook(engine);
  const stages = await createStages({
    engine,
    book,
    clock,
    catalog,
    rules,
    writer: () => 0n,
    extend: (key, leaves) => ledger.extend(key, leaves),
  });
  const isAfterCrash = ledger.isInterrupted;
  await ledger.start();
  await repair(stages);
  const troubles: StreamTrouble[] = [];
  const live = options.live ?? { readingOf: unknownStream, onTrouble: async (t) => void troubles.push(t) };
  for (const key of ledger.broken()) {
    const sentence = `${streamKeyText(key)} is not what its signed checkpoint says; it goes on unsigned.`;
    await live.onTrouble({ kind: 'broken', key, sentence });
  }
  const sink = await createSink({ stages, book, ledger, ...live });
  return { ledger, book, sink, onTrouble: live.onTrouble, isAfterCrash, troubles };
}

function unknownStream(stream: string): never {
  throw new Error(`${stream} is no file and nothing says how it is read`);
}
