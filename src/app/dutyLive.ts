import { KeywitnessError } from '../core/errors.ts';
import { parseEventRef, type StreamKey } from '../core/record.ts';
import type { Alert } from '../core/signal.ts';
import { loadBaselineFactory } from '../detect/baseline/engine.ts';
import { createDetector } from '../detect/detector.ts';
import { createOwnerLookup } from '../enrich/objects.ts';
import { loadSources } from '../sources/registry.ts';
import { newestIngest } from '../store/positions.ts';
import { oldestUnderived } from '../store/sharedStore.ts';
import * as events from '../telemetry/serviceEvents.ts';
import { openAlerting } from './alerting.ts';
import type { DutyOptions } from './duty.ts';
import { every } from './every.ts';
import { aborted } from './intakes.ts';
import { justIn } from './justIn.ts';
import { watchFaults } from './lastingFaults.ts';
import { createLiveAlerting } from './liveAlerting.ts';
import { createLiveDetection } from './liveDetection.ts';
import { deliveryObserver } from './observers.ts';
import type { StreamTrouble } from './sink.ts';

const roundPauseMs = 1_000;
/**
 * Flushes of several instances have their own clocks' times, and may be stored in another order: detection reads up
 * to this long ago. It is how much later than with one instance an alert may come.
 */
const settleMs = 5_000;
const lastMessagesMs = 1_000;

/** Detection over time and messages to people, over what all instances stored. */
export async function openDutyLive(
  options: DutyOptions,
  transportOf: (key: StreamKey) => string | undefined,
) {
  const { engine, config, clock, catalog, rules, telemetry, fence } = options;
  const ownerOf = createOwnerLookup(catalog);
  const alerting = await openAlerting({
    engine,
    clock,
    notify: { ...config.notify },
    dataDir: config.data,
    observe: deliveryObserver(telemetry),
    ownerOf,
  });
  const newBaselines = await loadBaselineFactory();
  const latenessMs = new Map((await loadSources()).map((s) => [s.name, s.latenessMs]));
  let settled = clock.now() - settleMs;
  const settle = async () => {
    const to = clock.now() - settleMs;
    const oldest = await oldestUnderived(engine, Math.min(settled, to), to);
    settled = Math.max(settled, oldest === undefined ? to : oldest - 1);
  };
  const detection = createLiveDetection({
    engine,
    detector: createDetector(rules, newBaselines()),
    clock,
    flushedAt: () => settled,
    isWaiting: options.isWaiting,
    latenessMs: (source) => latenessMs.get(source) ?? 0,
  });
  const isLive = ({ events: refs }: Alert) =>
    refs.length === 0 ||
    refs.some((ref) => {
      const event = parseEventRef(ref);
      return event !== undefined && transportOf(event) !== 'file';
    });
  const isJustIn = justIn(engine, await newestIngest(engine));
  const live = createLiveAlerting(detection, alerting, clock, ownerOf, isLive, isJustIn);
  await live.start();
  const stopping = new AbortController();
  const lastingFaults = watchFaults(telemetry.faults, () => clock.now());
  const failed = (error: KeywitnessError) => {
    if (error.code === 'KW_FENCED') options.onFenced(error);
    else events.roundFailed(telemetry, error);
  };
  const round = async (signal: AbortSignal) => {
    // Whoever was replaced tells nobody anything: its successor does.
    await fence.confirm();
    await settle();
    for (const fault of lastingFaults()) void live.trouble(fault);
    await live.round(signal);
    events.roundDone(telemetry, detection.late());
  };
  const stop = every(roundPauseMs, clock, () => round(stopping.signal), failed);
  const over = new AbortController();
  const isOver = aborted(over.signal).then(() => {
    throw new KeywitnessError('KW_FENCED', 'The control partition is no longer ours.');
  });
  isOver.catch(() => {});
  return {
    trouble: live.trouble,
    /** Resolves when they are stored as alerts. */
    async tell(troubles: readonly StreamTrouble[]): Promise<void> {
      await Promise.race([Promise.all(troubles.map((what) => live.trouble(what))), isOver]);
    },
    async drop() {
      stopping.abort();
      await stop();
      over.abort();
      await alerting.dispatcher.close();
    },
    async end() {
      stopping.abort();
      await stop();
      await round(AbortSignal.timeout(lastMessagesMs)).catch((error: unknown) => {
        if (!(error instanceof KeywitnessError)) throw error;
        failed(error);
      });
      over.abort();
      await alerting.dispatcher.close();
    },
  };
}
