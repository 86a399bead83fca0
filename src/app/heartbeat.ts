import type { Clock } from '../core/clock.ts';
import type { KeywitnessError } from '../core/errors.ts';
import type { StreamKey } from '../core/record.ts';
import type { CompiledSet } from '../detect/sigma/sigma.ts';
import type { Catalog } from '../enrich/catalog.ts';
import { heartbeatIntervalMs } from '../ledger/ledger.ts';
import { type AccountSources, checkAccounts, checkRecords } from '../store/accounts.ts';
import type { Engine } from '../store/client.ts';
import { recordCounts } from '../store/recordCounts.ts';
import { every } from './every.ts';
import type { Line } from './line.ts';

export interface Heartbeat {
  /** Pins and signs what grew, now. */
  beat(): Promise<void>;
  stop(): Promise<void>;
  /** The `stop` leaf, unless something stored stands in no tree: the next start mends that, and a `stop` would deny it. */
  orderlyEnd(): Promise<void>;
}

export interface HeartbeatOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly rules: CompiledSet;
  readonly catalog: Catalog;
  /** Told when a heartbeat could not be written; absent: it ends the process. */
  readonly onTrouble?: (error: KeywitnessError) => void;
  /** Told when one was. */
  readonly onHeartbeat?: () => void;
}

/** Every ten seconds: the two invariants of the store are checked between flushes, then what grew is signed. */
export function startHeartbeat({ ledger, sink, onTrouble }: Line, options: HeartbeatOptions): Heartbeat {
  const { engine, clock, rules, catalog } = options;
  const facts = () => ({
    highs: sink.newHighs(),
    hashes: { rules: String(rules.version), catalog: catalog.hash },
  });
  const treeOf = (key: StreamKey) => ledger.extent(key);
  const sources: AccountSources = { trees: () => ledger.trees(), counts: recordCounts(engine) };
  let checkedAt = clock.now();
  const stop = every(
    heartbeatIntervalMs,
    clock,
    async () => {
      const now = clock.now();
      const breaches = await sink.between(() => checkAccounts(engine, treeOf, checkedAt, sources));
      checkedAt = now;
      for (const { key, sentence } of breaches) await onTrouble({ kind: 'breach', key, sentence });
      await ledger.heartbeat(facts());
      options.onHeartbeat?.();
    },
    (error) => {
      if (options.onTrouble === undefined) throw error;
      options.onTrouble(error);
    },
  );
  return {
    stop,
    beat: () => ledger.heartbeat(facts()),
    async orderlyEnd() {
      const breaches = await checkRecords(engine, treeOf, sources);
      await (breaches.length === 0 ? ledger.stop(facts()) : ledger.abandon());
    },
  };
}
