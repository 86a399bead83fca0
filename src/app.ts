import { type IngestOptions, type IngestSummary, ingestFile } from './app/ingestFile.ts';
import { recordReader } from './app/recordReader.ts';
import { ruleMatcher } from './app/ruleMatcher.ts';
import type { Clock } from './core/clock.ts';
import type { KwRecord } from './core/record.ts';
import { loadRuleFolder, shippedRules } from './detect/ruleFolder.ts';
import type { CompiledSet } from './detect/sigma/sigma.ts';
import { type Catalog, emptyCatalog, loadCatalog } from './enrich/catalog.ts';
import { createEnricher } from './enrich/enrich.ts';
import { sessionOf } from './enrich/sessions.ts';
import { openKeys } from './ledger/keys.ts';
import { heartbeatIntervalMs, Ledger } from './ledger/ledger.ts';
import { type FlushCounts, processFlush, repair, type Stages } from './pipeline.ts';
import { loadSources } from './sources/registry.ts';
import type { Engine } from './store/client.ts';
import { openLedgerStore } from './store/ledgerStore.ts';
import { lockDataDir } from './store/lock.ts';
import { migrate } from './store/migrate.ts';
import { openStreamBook } from './store/streamBook.ts';

export interface AppOptions {
  readonly dataDir: string;
  readonly anchorFile: string;
  readonly catalogFile?: string;
  /** Default: the rules that ship with the product. */
  readonly ruleFolder?: string;
  readonly clock: Clock;
  /** The embedded engine or a server: opened once the data directory is this process's own. */
  readonly openStore: () => Promise<Engine>;
}

/** The whole program in one process: opened on a data directory, fed with records, closed in order. */
export interface App {
  readonly engine: Engine;
  readonly catalog: Catalog;
  /** Records whose derived rows a crash had lost, and that were derived again at start. */
  readonly repaired: number;
  deliver(records: readonly KwRecord[]): Promise<FlushCounts>;
  ingestFile(path: string, options: IngestOptions): Promise<IngestSummary>;
  close(): Promise<void>;
}

/** Opens the store, mends what a crash left, and is then ready for records. @throws KW_DATA_HELD, KW_CATALOG, KW_RULES */
export async function openApp(options: AppOptions): Promise<App> {
  const catalog = options.catalogFile === undefined ? emptyCatalog : loadCatalog(options.catalogFile);
  const rules = loadRuleFolder(options.ruleFolder ?? shippedRules);
  const registry = await loadSources();
  const release = lockDataDir(options.dataDir);
  let engine: Engine | undefined;
  try {
    engine = await options.openStore();
    return await start(engine, { options, catalog, rules, registry, release });
  } catch (error) {
    await engine?.close();
    release();
    throw error;
  }
}

interface Parts {
  readonly options: AppOptions;
  readonly catalog: Catalog;
  readonly rules: CompiledSet;
  readonly registry: Awaited<ReturnType<typeof loadSources>>;
  readonly release: () => void;
}

async function start(engine: Engine, { options, catalog, rules, registry, release }: Parts): Promise<App> {
  await migrate(engine);
  const ledger = await Ledger.open({
    store: openLedgerStore(engine),
    keys: openKeys(options.dataDir, process.env),
    anchorFile: options.anchorFile,
    clock: options.clock,
  });
  const book = await openStreamBook(engine);
  const reader = recordReader(book, registry);
  const now = () => options.clock.now();
  const stages: Stages = {
    engine,
    now,
    writer: 0n,
    understand: reader.understand,
    leaf: reader.leaf,
    enrich: createEnricher(catalog),
    match: ruleMatcher(rules),
    rulesVersion: () => rules.version,
    session: (event) => {
      const origin = sessionOf(event, event);
      if (origin === undefined) return undefined;
      const { stream, partition, epoch, offset, idx } = event;
      return { ...origin, stream, partition, epoch, offset, idx };
    },
    extend: (key, leaves) => ledger.extend(key, leaves),
  };
  await ledger.start();
  const repaired = await repair(stages);
  const facts = () => ({ hashes: { rules: String(rules.version), catalog: catalog.hash } });
  const stopHeartbeat = every(heartbeatIntervalMs, options.clock, () => ledger.heartbeat(facts()));
  const deliver = (records: readonly KwRecord[]) => processFlush(records, stages);
  return {
    engine,
    catalog,
    repaired,
    deliver,
    ingestFile: (path, ingest) => ingestFile(path, ingest, { engine, book, ledger, now, deliver }),
    async close() {
      await stopHeartbeat();
      await ledger.stop(facts());
      await engine.close();
      release();
    },
  };
}

/** Runs again and again with a pause between, until the returned function has stopped it. */
function every(pauseMs: number, clock: Clock, run: () => Promise<void>): () => Promise<void> {
  const stop = new AbortController();
  const loop = (async () => {
    for (;;) {
      await clock.sleep(pauseMs, stop.signal);
      if (stop.signal.aborted) return;
      await run();
    }
  })();
  return async () => {
    stop.abort();
    await loop;
  };
}
