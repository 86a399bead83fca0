import { type App, openApp } from '../app.ts';
import type { Alert } from '../core/signal.ts';
import { createOwnerLookup } from '../enrich/objects.ts';
import type { Intake } from '../intake/intake.ts';
import { loadSources, type SourceRegistry } from '../sources/registry.ts';
import * as events from '../telemetry/serviceEvents.ts';
import type { AnchorTrouble } from './anchors.ts';
import { every } from './every.ts';
import { runInstance } from './instance.ts';
import { aborted, type Closers, openIntakes, type ServiceOptions } from './intakes.ts';
import { justIn } from './justIn.ts';
import { startKeyReminder } from './keyReminder.ts';
import { watchFaults } from './lastingFaults.ts';
import { createLiveAlerting, type LiveAlerting } from './liveAlerting.ts';
import { createLiveDetection, type LiveDetection } from './liveDetection.ts';
import { deliveryObserver, openWitnesses } from './observers.ts';
import type { StreamTrouble } from './sink.ts';
import { readingOf } from './streamReading.ts';
import { watchLedger } from './watchLedger.ts';

/** People hear within seconds: a round of detection and delivery begins this long after the last ended. */
const roundPauseMs = 1_000;

/** SIGTERM drains within 10 s, most of which the intakes may need: what is not told by then waits in the store. */
const lastMessagesMs = 1_000;

/** Troubles that only one moment can tell of. */
const mustBeStored: ReadonlySet<StreamTrouble['kind']> = new Set(['gap', 'epoch']);

/**
 * The service: takes in topics and HTTP streams, detects, tells, until `stop`; then drains: takes no more,
 * stores what was read, moves the offsets, signs the end. Rejects with what a restart may cure.
 */
export async function runService(options: ServiceOptions): Promise<void> {
  const { config, telemetry, stop } = options;
  // Records that several instances may share come from a topic, and then there is one to agree over as well.
  if (config.store !== undefined && config.kafka !== undefined) return runInstance(options);
  const sources = await loadSources();
  const intakes: Intake[] = [];
  const { app, live, detection } = await openLive(options, sources, intakes);
  const closers: Closers = [];
  const draining = new AbortController();
  const drain = async () => {
    draining.abort();
    events.serviceDraining(telemetry);
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
  };
  try {
    await live.start();
    closers.push(startRounds(live, detection, options, draining.signal));
    const onOld = (days: number) => events.signingKeyOld(telemetry, days);
    closers.push(startKeyReminder(() => app.keySince(), options.clock, onOld));
    await openIntakes(app.sink, options, { intakes, closers, draining: draining.signal });
    if (app.isAfterCrash) events.runInterrupted(telemetry);
    events.serviceStarted(telemetry, config);
    await Promise.race([aborted(stop), Promise.all([aborted(stop), ...intakes.map((i) => i.ended)])]);
    await drain();
    await app.close();
  } catch (error) {
    await drain().finally(() => app.abandon());
    throw error;
  }
  events.serviceStopped(telemetry);
}

async function openLive(
  { config, telemetry, clock, openStore, stop }: ServiceOptions,
  sources: SourceRegistry,
  intakes: readonly Intake[],
): Promise<{ app: App; live: LiveAlerting; detection: LiveDetection }> {
  let live: LiveAlerting | undefined;
  const early: (StreamTrouble | AnchorTrouble)[] = [];
  const trouble = (what: StreamTrouble | AnchorTrouble) =>
    live === undefined ? void early.push(what) : void live.trouble(what);
  const app = await openApp({
    dataDir: config.data,
    anchorFile: config.anchor,
    anchors: openWitnesses(config, telemetry, trouble),
    ...(config.catalog === undefined ? {} : { catalogFile: config.catalog }),
    ...(config.rules === undefined ? {} : { ruleFolders: config.rules }),
    clock,
    openStore,
    notify: { ...config.notify },
    ...watchLedger(telemetry, clock, trouble),
    observe: deliveryObserver(telemetry),
    live: {
      readingOf: (stream) => readingOf(config, sources, stream),
      // Reading goes on only when the alert of a loss is stored: a crash before that meets the loss again. Whoever
      // is told to end does not wait for a store that is away.
      onTrouble: async (what) =>
        live !== undefined && mustBeStored.has(what.kind)
          ? Promise.race([live.trouble(what), aborted(stop)])
          : trouble(what),
    },
  });
  const latenessMs = new Map(sources.map((s) => [s.name, s.latenessMs]));
  const detection = createLiveDetection({
    engine: app.engine,
    detector: app.createDetector(),
    clock,
    flushedAt: () => app.sink.flushedAt(),
    isWaiting: () => intakes.some((intake) => intake.isWaiting()),
    latenessMs: (source) => latenessMs.get(source) ?? 0,
  });
  // What names no event is about a stream itself.
  const isLive = ({ events: refs }: Alert) => refs.length === 0 || refs.some((ref) => app.isLiveEvent(ref));
  const isJustIn = justIn(app.engine, app.sink.flushedAt());
  live = createLiveAlerting(detection, app.alerting, clock, createOwnerLookup(app.catalog), isLive, isJustIn);
  for (const what of early) void live.trouble(what);
  return { app, live, detection };
}

function startRounds(
  live: LiveAlerting,
  detection: LiveDetection,
  { clock, telemetry }: ServiceOptions,
  draining: AbortSignal,
): () => Promise<void> {
  const failed = (error: unknown) => events.roundFailed(telemetry, error);
  const lastingFaults = watchFaults(telemetry.faults, () => clock.now());
  const round = async () => {
    for (const fault of lastingFaults()) void live.trouble(fault);
    await live.round(draining);
    events.roundDone(telemetry, detection.late());
  };
  const stop = every(roundPauseMs, clock, round, failed);
  return async () => {
    await stop();
    // What the intakes stored last is looked at too.
    await live.round(AbortSignal.timeout(lastMessagesMs)).catch(failed);
  };
}
