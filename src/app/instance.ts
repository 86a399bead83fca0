import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { keepCatalog } from '../app.ts';
import { systemClock } from '../core/clock.ts';
import { KeywitnessError } from '../core/errors.ts';
import { loadRuleFolders, shippedRules } from '../detect/ruleFolder.ts';
import { emptyCatalog, loadCatalog } from '../enrich/catalog.ts';
import type { Intake } from '../intake/intake.ts';
import type { LedgerKeys } from '../ledger/keys.ts';
import { openKeys } from '../ledger/openKeys.ts';
import { loadSources } from '../sources/registry.ts';
import type { Engine } from '../store/client.ts';
import { lockDataDir } from '../store/lock.ts';
import { isLogOpen, logsOf } from '../store/metaAppend.ts';
import { migrate } from '../store/migrate.ts';
import { openStreamBook } from '../store/streamBook.ts';
import * as events from '../telemetry/serviceEvents.ts';
import { type Control, createControl } from './control.ts';
import { highsOfTrees, openDuty } from './duty.ts';
import { endsOfExpired } from './expiredEnds.ts';
import { aborted, type Closers, openIntakes, type ServiceOptions } from './intakes.ts';
import { createSeat, type Seat } from './seat.ts';
import { createSink, type SharedStore, type Sink, type StreamLog, type StreamTrouble } from './sink.ts';
import { createStages } from './stages.ts';
import { readingOf } from './streamReading.ts';

/**
 * One of several instances on a ClickHouse server (docs/kafka.md, "Several instances"): it stores and derives the
 * partitions the group gives it; the one that holds the control partition also keeps the log, detects and tells.
 */
export async function runInstance(options: ServiceOptions): Promise<void> {
  const { config, openStore } = options;
  const release = lockDataDir(config.data);
  let engine: Engine | undefined;
  try {
    engine = await openStore();
    await migrate(engine);
    const keys = await openKeys(config.data, process.env);
    await requireSameLog(engine, keys);
    await run(engine, keys, options);
  } finally {
    await engine?.close();
    release();
  }
}

async function run(engine: Engine, keys: LedgerKeys, options: ServiceOptions): Promise<void> {
  const { config, telemetry, stop } = options;
  const intakes: Intake[] = [];
  const closers: Closers = [];
  const draining = new AbortController();
  const failed = new AbortController();
  const fail = (error: unknown) => failed.abort(error);
  const { seat, control, sink } = await openSeat(engine, keys, options, {
    intakes,
    fail,
    draining: draining.signal,
  });
  const drain = async () => {
    draining.abort();
    events.serviceDraining(telemetry);
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
  };
  try {
    await openIntakes(sink, options, { intakes, closers, draining: draining.signal, membership: seat });
    events.serviceStarted(telemetry, config);
    const ended = Promise.all([aborted(stop), ...intakes.map((i) => i.ended)]);
    await Promise.race([aborted(stop), ended, aborted(failed.signal)]);
    if (failed.signal.aborted) throw failed.signal.reason;
    await drain();
  } catch (error) {
    await control.drop();
    await drain();
    throw error;
  }
  events.serviceStopped(telemetry);
}

interface Around {
  readonly intakes: readonly Intake[];
  readonly fail: (error: unknown) => void;
  readonly draining: AbortSignal;
}

async function openSeat(
  engine: Engine,
  keys: LedgerKeys,
  { config, telemetry, clock }: ServiceOptions,
  { intakes, fail, draining }: Around,
): Promise<{ seat: Seat; control: Control; sink: Sink }> {
  const catalog = config.catalog === undefined ? emptyCatalog : loadCatalog(config.catalog);
  keepCatalog({
    dataDir: config.data,
    ...(config.catalog === undefined ? {} : { catalogFile: config.catalog }),
  });
  const rules = loadRuleFolders(config.rules ?? [shippedRules]);
  const instance = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  const { cluster } = config;
  const seat: Seat = createSeat({
    engine,
    cluster,
    log: keys.logId,
    instance,
    clock,
    onControl: () => control.take(),
    onControlLost: () => control.lose(),
    onMessages: (messages) => control.receive(messages),
    onLeaving: () => control.end(),
  });
  const control: Control = createControl({
    seat,
    telemetry,
    clock,
    onFailure: fail,
    open: (onFenced) =>
      openDuty({
        ...{ engine, config, keys, catalog, rules, clock, telemetry, instance, onFenced },
        fence: seat.logFence,
        highs: () => highsOf(engine, cluster, seat),
        isWaiting: () => intakes.some((intake) => intake.isWaiting()),
      }),
  });
  const book = await openStreamBook(engine);
  const sources = await loadSources();
  const stages = await createStages({
    ...{ engine, book, clock, catalog, rules },
    writer: seat.writer,
    fence: seat.fence,
    extend: () => {},
  });
  const expired = endsOfExpired(engine);
  const shared: SharedStore = {
    isOurs: seat.isOurs,
    async ready() {
      await logIsOpen(engine, draining);
      await requireSameLog(engine, keys);
      await expired.refresh();
    },
  };
  const sink = await createSink({
    stages,
    book,
    shared,
    ledger: { ...expired, ...logOver(seat) },
    readingOf: (stream) => readingOf(config, sources, stream),
    onTrouble: (trouble) => tell(seat, trouble),
  });
  return { seat, control, sink };
}

/** What goes into the log is said to whoever keeps it; how streams are read it finds in the store, as their records. */
function logOver(seat: Seat): Pick<StreamLog, 'bind' | 'extend' | 'record'> {
  return {
    bind: async () => {},
    extend: () => {},
    record: (leaf, lines) => seat.say({ kind: 'leaf', leaf, lines }),
  };
}

/** Nothing depends on it: the flush it is about is stored, and must not be stored again because nobody could be told. */
async function tell(seat: Seat, trouble: StreamTrouble): Promise<void> {
  const { kind, sentence, key } = trouble;
  const { stream, partition, epoch } = key;
  const plain = { kind, sentence, key: { stream, partition, epoch } };
  await seat.say({ kind: 'trouble', trouble: plain }).catch(() => {});
}

const logPauseMs = 200;

/** An instance that stores before the log is begun would look, to the log's keeper, like somebody who slips records in. */
async function logIsOpen(engine: Engine, draining: AbortSignal): Promise<void> {
  while (!draining.aborted && !(await isLogOpen(engine))) await systemClock.sleep(logPauseMs, draining);
}

/** @throws KW_KEY when the store holds another log: all instances need the same DATA/ledger */
async function requireSameLog(engine: Engine, { logId }: LedgerKeys): Promise<void> {
  const others = (await logsOf(engine)).filter((log) => log !== logId);
  if (others.length === 0) return;
  throw new KeywitnessError(
    'KW_KEY',
    `${engine.where} holds the log ${others.join(', ')}, and DATA/ledger is that of ${logId}. Nothing was written. ` +
      'All instances on one store need the same DATA/ledger: copy it from the first one.',
  );
}

/** A broker that does not answer leaves them out: the heartbeat matters more. */
async function highsOf(engine: Engine, cluster: string, seat: Seat) {
  try {
    return await highsOfTrees(engine, cluster, await seat.group().highs());
  } catch (error) {
    if (error instanceof KeywitnessError) throw error;
    return [];
  }
}
