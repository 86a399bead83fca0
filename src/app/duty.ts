import type { Config } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import type { KeywitnessError } from '../core/errors.ts';
import { type StreamKey, streamKeyText } from '../core/record.ts';
import type { CompiledSet } from '../detect/sigma/sigma.ts';
import type { Catalog } from '../enrich/catalog.ts';
import type { LedgerKeys } from '../ledger/keys.ts';
import { heartbeatIntervalMs, Ledger } from '../ledger/ledger.ts';
import { parseMeta } from '../ledger/meta.ts';
import type { AccountBreach } from '../store/accounts.ts';
import type { Engine } from '../store/client.ts';
import { metaLeavesOfKind, openLedgerStore } from '../store/ledgerStore.ts';
import type { LogFence } from '../store/metaAppend.ts';
import { storedPositions } from '../store/positions.ts';
import { underived } from '../store/sharedStore.ts';
import { openStreamBook } from '../store/streamBook.ts';
import * as events from '../telemetry/serviceEvents.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { catchUp, checkTrees } from './catchUp.ts';
import type { ControlMessage } from './controlMessage.ts';
import { openDutyLive } from './dutyLive.ts';
import { every } from './every.ts';
import { startKeyReminder } from './keyReminder.ts';
import { openWitnesses } from './observers.ts';
import { watchLedger } from './watchLedger.ts';

export interface DutyOptions {
  readonly engine: Engine;
  readonly config: Config;
  readonly keys: LedgerKeys;
  readonly catalog: Catalog;
  readonly rules: CompiledSet;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly instance: string;
  readonly fence: LogFence;
  /** High watermarks of all topics, whoever reads them. */
  readonly highs: () => Promise<readonly (StreamKey & { readonly high: bigint })[]>;
  readonly isWaiting: () => boolean;
  /** Another instance keeps the log now: told once. */
  readonly onFenced: (error: KeywitnessError) => void;
}

/** The duties of the one instance that keeps the log: meta-log, trees, signatures, detection over time, messages. */
export interface Duty {
  receive(messages: readonly ControlMessage[]): Promise<void>;
  /** Pins and signs what is stored; the orderly end of the log when no other instance is left. */
  end(isLast: boolean): Promise<void>;
  /** Lets go without a word. */
  drop(): Promise<void>;
}

/** How long after its record a derived row may be missing: its instance may have been replaced in between. */
const deriveMs = 60_000;

/** Opens the log, takes over what all instances stored, and goes on. @throws KW_LEDGER_BROKEN, KW_FENCED, KW_STORE */
export async function openDuty(options: DutyOptions): Promise<Duty> {
  const { engine, config, keys, clock, telemetry, fence } = options;
  const early: Parameters<Trouble>[0][] = [];
  let trouble: Trouble = (what) => void early.push(what);
  const ledger = await Ledger.open({
    store: openLedgerStore(engine, fence),
    keys,
    anchorFile: config.anchor,
    anchors: openWitnesses(config, telemetry, (what) => trouble(what)),
    clock,
  });
  try {
    const book = await openStreamBook(engine);
    await ledger.start([['instance', options.instance]]);
    await catchUp(engine, ledger, book);
    const live = await openDutyLive(options, (key) => book.of(key)?.transport);
    trouble = (what) => void live.trouble(what);
    for (const what of early) trouble(what);
    for (const key of ledger.broken()) {
      const sentence = `${streamKeyText(key)} is not what its signed checkpoint says; it goes on unsigned.`;
      trouble({ kind: 'broken', key, sentence });
    }
    const forgetKey = startKeyReminder(
      () => ledger.keys.eras().at(-1)?.since,
      clock,
      (days) => events.signingKeyOld(telemetry, days),
    );
    const heartbeat = heartbeats(options, ledger, () => catchUp(engine, ledger, book), trouble);
    return {
      async receive(messages) {
        for (const message of messages) {
          if (message.kind !== 'leaf' || (await isRecorded(engine, message))) continue;
          await ledger.record(message.leaf, message.lines);
        }
        const troubles = messages.flatMap((m) => (m.kind === 'trouble' ? [m.trouble] : []));
        // Stored as alerts before they count as read: the next keeper would not hear of them.
        if (troubles.length > 0) await live.tell(troubles);
      },
      async end(isLast) {
        await forgetKey();
        await live.end();
        await heartbeat.end(isLast);
      },
      async drop() {
        await Promise.all([forgetKey(), live.drop(), heartbeat.drop()]);
      },
    };
  } catch (error) {
    await ledger.abandon();
    throw error;
  }
}

type Live = Awaited<ReturnType<typeof openDutyLive>>;
type Trouble = (what: Parameters<Live['trouble']>[0]) => void;

/** A partition that changed hands before anything of it was stored meets the same loss again: it is one. */
async function isRecorded(engine: Engine, { leaf, lines }: Extract<ControlMessage, { kind: 'leaf' }>) {
  const same = JSON.stringify(lines);
  const leaves = await metaLeavesOfKind(engine, leaf);
  return leaves.some(({ text }) => JSON.stringify(parseMeta(text)?.lines) === same);
}

/** Every ten seconds what all instances stored is checked, pinned and signed. */
function heartbeats(options: DutyOptions, ledger: Ledger, takeOver: () => Promise<void>, trouble: Trouble) {
  const { engine, clock, telemetry, rules, catalog } = options;
  const watch = watchLedger(telemetry, clock, trouble);
  const facts = async () => ({
    highs: await options.highs(),
    hashes: { rules: String(rules.version), catalog: catalog.hash },
  });
  const told = new Set<string>();
  /** Up to here every record has its rows, or people know that it has not. */
  let cleanTo = clock.now() - deriveMs;
  /** When a record without rows was seen first: a store that was away leaves some, for who stored them to mend. */
  let seen = new Map<string, number>();
  const lateRows = async (): Promise<readonly AccountBreach[]> => {
    const now = clock.now();
    const to = now - deriveMs;
    const found = await underived(engine, cleanTo, to);
    seen = new Map(found.map(({ sentence }) => [sentence, seen.get(sentence) ?? now]));
    const late = found.filter(({ sentence }) => now - (seen.get(sentence) ?? now) >= deriveMs);
    if (found.length === late.length) cleanTo = Math.max(cleanTo, to);
    return late;
  };
  const check = async () => {
    const breaches = [...(await checkTrees(engine, ledger)), ...(await lateRows())];
    for (const { key, sentence } of breaches) {
      if (told.has(sentence)) continue;
      told.add(sentence);
      trouble({ kind: 'breach', key, sentence });
    }
    return breaches.length === 0;
  };
  const beat = async () => {
    await takeOver();
    await check();
    await ledger.heartbeat(await facts());
    watch.onHeartbeat?.();
  };
  const stop = every(heartbeatIntervalMs, clock, beat, (error) => {
    if (error.code === 'KW_FENCED') options.onFenced(error);
    else watch.onTrouble?.(error);
  });
  return {
    async end(isLast: boolean) {
      await stop();
      await takeOver();
      if (isLast && (await check())) return ledger.stop(await facts());
      await ledger.heartbeat(await facts());
      await ledger.abandon();
    },
    async drop() {
      await stop();
      await ledger.abandon();
    },
  };
}

/** High watermarks of topics as those of the trees they grow: the newest epoch of each partition. */
export async function highsOfTrees(
  engine: Engine,
  cluster: string,
  highs: readonly { readonly topic: string; readonly partition: number; readonly high: bigint }[],
): Promise<(StreamKey & { readonly high: bigint })[]> {
  const newest = new Map<string, StreamKey>();
  for (const { stream, partition, epoch } of await storedPositions(engine)) {
    const name = `${stream}/${partition}`;
    if ((newest.get(name)?.epoch ?? -1) < epoch) newest.set(name, { stream, partition, epoch });
  }
  return highs.flatMap(({ topic, partition, high }) => {
    const key = newest.get(`${cluster}.${topic}/${partition}`);
    return key === undefined ? [] : [{ ...key, high }];
  });
}
