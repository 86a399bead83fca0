import { type App, openApp } from '../app.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import type { Alert } from '../core/signal.ts';
import { createOwnerLookup } from '../enrich/objects.ts';
import { httpIntake } from '../intake/http.ts';
import type { Intake } from '../intake/intake.ts';
import { startKafka } from '../intake/kafka.ts';
import { listen } from '../intake/listen.ts';
import { loadSources, type SourceRegistry } from '../sources/registry.ts';
import type { Engine } from '../store/client.ts';
import * as anchorEvents from '../telemetry/anchorEvents.ts';
import * as events from '../telemetry/serviceEvents.ts';
import { statusRoutes } from '../telemetry/status.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { type AnchorTrouble, openAnchors } from './anchors.ts';
import { every } from './every.ts';
import { kafkaOptions } from './kafkaOptions.ts';
import { startKeyReminder } from './keyReminder.ts';
import { watchFaults } from './lastingFaults.ts';
import { createLiveAlerting, type LiveAlerting } from './liveAlerting.ts';
import { createLiveDetection, type LiveDetection } from './liveDetection.ts';
import type { StreamTrouble } from './sink.ts';
import { readingOf } from './streamReading.ts';
import { watchLedger } from './watchLedger.ts';

export interface ServiceOptions {
  readonly config: Config;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly openStore: () => Promise<Engine>;
  /** Aborted when the process is told to end. */
  readonly stop: AbortSignal;
}

/** People hear within seconds: a round of detection and delivery begins this long after the last ended. */
const roundPauseMs = 1_000;

/** SIGTERM drains within 10 s, most of which the intakes may need: what is not told by then waits in the store. */
const lastMessagesMs = 1_000;

/** What was opened, to be closed in the opposite order. */
type Closers = (() => Promise<void>)[];

/**
 * The service: takes in topics and HTTP streams, detects, tells, until `stop`; then drains: takes no more,
 * stores what was read, moves the offsets, signs the end. Rejects with what a restart may cure.
 */
export async function runService(options: ServiceOptions): Promise<void> {
  const { config, telemetry, stop } = options;
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
    await openIntakes(app, options, { intakes, closers, draining: draining.signal });
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
  { config, telemetry, clock, openStore }: ServiceOptions,
  sources: SourceRegistry,
  intakes: readonly Intake[],
): Promise<{ app: App; live: LiveAlerting; detection: LiveDetection }> {
  let live: LiveAlerting | undefined;
  const early: (StreamTrouble | AnchorTrouble)[] = [];
  const trouble = (what: StreamTrouble | AnchorTrouble) =>
    live === undefined ? void early.push(what) : live.trouble(what);
  const app = await openApp({
    dataDir: config.data,
    anchorFile: config.anchor,
    anchors: openAnchors(config.witnesses, {
      kept: (anchor, wasAway) => anchorEvents.anchorKept(telemetry, anchor, wasAway),
      failed: (anchor, error, isFirst) => anchorEvents.anchorFailed(telemetry, anchor, error, isFirst),
      trouble,
    }),
    ...(config.catalog === undefined ? {} : { catalogFile: config.catalog }),
    ...(config.rules === undefined ? {} : { ruleFolders: config.rules }),
    clock,
    openStore,
    notify: { ...config.notify },
    ...watchLedger(telemetry, trouble),
    observe: {
      delivered: (channel) => events.messageDelivered(telemetry, channel),
      rejected: (channel, key, reason) => events.messageRejected(telemetry, channel, key, reason),
      channelDown: (channel, reason, waiting) => events.channelDown(telemetry, channel, reason, waiting),
      channelUp: (channel) => events.channelUp(telemetry, channel),
    },
    live: {
      readingOf: (stream) => readingOf(config, sources, stream),
      onTrouble: async (what) => trouble(what),
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
  live = createLiveAlerting(detection, app.alerting, clock, createOwnerLookup(app.catalog), isLive);
  for (const what of early) live.trouble(what);
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
    for (const fault of lastingFaults()) live.trouble(fault);
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

/** Opens what people and records come in by. */
async function openIntakes(
  app: App,
  { config, telemetry, clock }: ServiceOptions,
  { intakes, closers, draining }: { intakes: Intake[]; closers: Closers; draining: AbortSignal },
): Promise<void> {
  closers.push(
    await listen(
      config.listen,
      statusRoutes(telemetry, () => !draining.aborted),
    ),
  );
  if (config.http !== undefined) {
    const { streams } = config.http;
    const http = httpIntake({ streams, sink: app.sink, telemetry, clock });
    const close = await listen(config.http, http.app);
    closers.push(async () => {
      await http.stop();
      await close();
    });
  }
  if (config.kafka === undefined) return;
  const kafka = startKafka(kafkaOptions(config.cluster, config.kafka), app.sink, telemetry);
  intakes.push(kafka);
  closers.push(() => kafka.stop());
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
