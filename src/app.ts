import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DispatchObserver } from './alert/channel.ts';
import { createAccessReview } from './app/accessReview.ts';
import { type Alerting, openAlerting } from './app/alerting.ts';
import { detectStored } from './app/detectStored.ts';
import { startHeartbeat } from './app/heartbeat.ts';
import { type IngestOptions, type IngestSummary, ingestFile } from './app/ingestFile.ts';
import { openLine } from './app/line.ts';
import type { Sink, SinkParts, StreamTrouble } from './app/sink.ts';
import type { Clock } from './core/clock.ts';
import type { KeywitnessError } from './core/errors.ts';
import { parseEventRef } from './core/record.ts';
import type { Alert } from './core/signal.ts';
import { loadBaselineFactory } from './detect/baseline/engine.ts';
import { createDetector, type Detector } from './detect/detector.ts';
import { loadRuleFolders, shippedRules } from './detect/ruleFolder.ts';
import { titleLookup } from './detect/sentences.ts';
import type { CompiledSet } from './detect/sigma/sigma.ts';
import { type Catalog, emptyCatalog, loadCatalog } from './enrich/catalog.ts';
import { createOwnerLookup } from './enrich/objects.ts';
import type { Anchor } from './ledger/anchors/anchor.ts';
import type { NotifySettings } from './notify/registry.ts';
import type { CreatedReview } from './report/review.ts';
import type { Engine } from './store/client.ts';
import { lockDataDir } from './store/lock.ts';

export interface AppOptions {
  readonly dataDir: string;
  readonly anchorFile: string;
  /** Who else remembers what was signed; closed with the app. */
  readonly anchors?: readonly Anchor[];
  readonly catalogFile?: string;
  /** Default: the rules that ship with the product. */
  readonly ruleFolders?: readonly string[];
  readonly clock: Clock;
  /** The embedded engine or a server: opened once the data directory is this process's own. */
  readonly openStore: () => Promise<Engine>;
  /** Receivers by name; one that is not named writes what it would have sent to DATA/outbox. */
  readonly notify?: NotifySettings;
  /** How live streams are read, and who hears of their troubles; absent where only files come in. */
  readonly live?: Pick<SinkParts, 'readingOf' | 'onTrouble'>;
  /** Told what became of messages to people. */
  readonly observe?: DispatchObserver;
  /** Told when a heartbeat could not be written; the next one is tried all the same. */
  readonly onTrouble?: (error: KeywitnessError) => void;
  /** Told when one was. */
  readonly onHeartbeat?: () => void;
}

/** The whole program in one process: opened on a data directory, fed with records, closed in order. */
export interface App {
  readonly engine: Engine;
  readonly catalog: Catalog;
  readonly sink: Sink;
  readonly alerting: Alerting;
  createDetector(): Detector;
  /** True when an event (`stream/partition/epoch/offset/idx`) came by a live stream, not by a file. */
  isLiveEvent(ref: string): boolean;
  /** Title of a rule by its id; the id itself when no such rule is loaded. */
  ruleTitle(id: string): string;
  ingestFile(path: string, options: IngestOptions): Promise<IngestSummary>;
  /** Detection over time over all that is stored; stores the alerts and returns every one of them. */
  detect(onDay?: (done: number, total: number) => void): Promise<readonly Alert[]>;
  /** Verifies the log and makes the access review of a period in DATA/reviews. */
  review(period: string): Promise<CreatedReview>;
  /** Pins and signs what grew, now rather than at the next heartbeat. */
  checkpoint(): Promise<void>;
  /** The run before this one did not end in order; what it left half done is mended. */
  readonly isAfterCrash: boolean;
  /** When the key that signs came into force, in ms. */
  keySince(): number | undefined;
  /** What is wrong with streams, where nobody is told live. */
  readonly troubles: readonly StreamTrouble[];
  /** The orderly end: signed and anchored, silence from here on is lawful. */
  close(): Promise<void>;
  /** After a failure: lets go without claiming an orderly end. */
  abandon(): Promise<void>;
}

/** Opens the store, mends what a crash left, and is then ready for records. @throws KW_DATA_HELD, KW_CATALOG, KW_RULES */
export async function openApp(options: AppOptions): Promise<App> {
  const catalog = options.catalogFile === undefined ? emptyCatalog : loadCatalog(options.catalogFile);
  const rules = loadRuleFolders(options.ruleFolders ?? [shippedRules]);
  const release = lockDataDir(options.dataDir);
  let engine: Engine | undefined;
  try {
    engine = await options.openStore();
    keepCatalog(options);
    return await start(engine, { options, catalog, rules, release });
  } catch (error) {
    await engine?.close();
    release();
    throw error;
  }
}

/** The catalog a data directory was used with last: later commands need not name it again. */
export function keptCatalog(dataDir: string): string {
  return join(dataDir, 'catalog.yaml');
}

/** Keeps it for `keptCatalog`. */
export function keepCatalog({ dataDir, catalogFile }: Pick<AppOptions, 'dataDir' | 'catalogFile'>): void {
  const kept = keptCatalog(dataDir);
  if (catalogFile === undefined || catalogFile === kept) return;
  writeFileSync(kept, readFileSync(catalogFile), { mode: 0o600 });
}

interface Parts {
  readonly options: AppOptions;
  readonly catalog: Catalog;
  readonly rules: CompiledSet;
  readonly release: () => void;
}

async function start(engine: Engine, { options, catalog, rules, release }: Parts): Promise<App> {
  const { clock, dataDir, anchorFile } = options;
  const anchors = options.anchors ?? [];
  const line = await openLine(engine, {
    dataDir,
    anchorFile,
    anchors,
    clock,
    catalog,
    rules,
    live: options.live,
  });
  const { ledger, book, sink } = line;
  const alerting = await openAlerting({
    engine,
    clock,
    notify: options.notify ?? {},
    dataDir,
    observe: options.observe ?? {},
    ownerOf: createOwnerLookup(catalog),
  });
  const newBaselines = await loadBaselineFactory();
  const newDetector = () => createDetector(rules, newBaselines());
  const heartbeat = startHeartbeat(line, { ...options, engine, rules, catalog });
  const end = async (endLedger: () => Promise<void>) => {
    await heartbeat.stop();
    await alerting.dispatcher.close();
    await endLedger();
    await engine.close();
    release();
  };
  return {
    engine,
    catalog,
    sink,
    alerting,
    createDetector: newDetector,
    isLiveEvent(ref) {
      const event = parseEventRef(ref);
      return event !== undefined && book.of(event)?.transport !== 'file';
    },
    ruleTitle: titleLookup([...rules.rules, ...rules.correlations]),
    ingestFile: (path, ingest) =>
      ingestFile(path, ingest, { engine, book, ledger, now: () => clock.now(), deliver: sink.take }),
    detect: async (onDay) => alerting.record(await detectStored(engine, newDetector, onDay)),
    review: (period) =>
      createAccessReview({ engine, dataDir, anchorFile, catalog, period, now: clock.now() }),
    checkpoint: () => heartbeat.beat(),
    isAfterCrash: line.isAfterCrash,
    keySince: () => ledger.keys.eras().at(-1)?.since,
    troubles: line.troubles,
    close: () => end(() => heartbeat.orderlyEnd()),
    abandon: () => end(() => ledger.abandon()),
  };
}
