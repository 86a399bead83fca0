import type { Clock } from '../core/clock.ts';
import type { Signal } from '../core/signal.ts';
import type { Detector } from '../detect/detector.ts';
import { eventDays, eventsOfDays, eventsOfFlushes, type ObservedEvent } from '../detect/observed.ts';
import type { Engine } from '../store/client.ts';
import { spansOf } from './detectStored.ts';

/** A partition that delivered within this time is being read: its events hold the watermark. */
const activeMs = 60_000;

export interface LiveDetection {
  /** Rebuilds the detector's state from the store; returns what it finds again, known by id. */
  start(): Promise<Signal[]>;
  /** What arrived since the last call, and what event time closed. */
  poll(): Promise<Signal[]>;
  /** Milliseconds of event time up to which everything was looked at in order. */
  watermark(): number;
  /** Events that came behind the watermark: looked at by single-event rules, left to a later pass by the rest. */
  late(): number;
}

export interface LiveDetectionOptions {
  readonly engine: Engine;
  readonly detector: Detector;
  readonly clock: Clock;
  /** Time of the newest flush that is stored whole, in ms: nothing up to it is still on its way. */
  readonly flushedAt: () => number;
  /** How late a source's events may come, in ms (its adapter says so). */
  readonly latenessMs: (source: string) => number;
}

/**
 * Detection over live streams. Single-event rules speak at once; correlations and baselines wait until the
 * watermark has passed an event, so that they see events in order of event time whatever order streams deliver.
 */
export function createLiveDetection({
  engine,
  detector,
  clock,
  flushedAt,
  latenessMs,
}: LiveDetectionOptions): LiveDetection {
  const partitions = new Map<string, { highMs: number; deliveredAt: number; latenessMs: number }>();
  let waiting: ObservedEvent[] = [];
  let watermark = Number.NEGATIVE_INFINITY;
  let cursorMs = 0;
  let late = 0;

  const advance = (to: number): Signal[] => {
    if (to <= watermark) return [];
    watermark = to;
    const ready = waiting.filter((e) => e.timeMs <= to);
    waiting = waiting.filter((e) => e.timeMs > to);
    const signals = ready.flatMap((event) => detector.push(event));
    return [...signals, ...detector.advance(to)];
  };

  return {
    async start() {
      const signals: Signal[] = [];
      cursorMs = flushedAt();
      // The newest span from its beginning: baselines then know what they knew before the restart.
      for await (const { events } of eventsOfDays(engine, spansOf(await eventDays(engine)).at(-1) ?? [])) {
        for (const event of events) {
          signals.push(...detector.inline(event));
          waiting.push(event);
        }
        // What a late stream may still precede waits, as it would have without the restart.
        const last = events.at(-1);
        if (last !== undefined) signals.push(...advance(last.timeMs - latenessMs(last.source)));
      }
      return signals;
    },

    async poll() {
      const now = clock.now();
      const until = flushedAt();
      const signals: Signal[] = [];
      const fresh = until > cursorMs ? await eventsOfFlushes(engine, cursorMs, until) : [];
      cursorMs = Math.max(cursorMs, until);
      for (const event of fresh) {
        signals.push(...detector.inline(event));
        hold(partitions, event, now, latenessMs(event.source));
        if (event.timeMs <= watermark) late++;
        else waiting.push(event);
      }
      waiting.sort((a, b) => a.timeMs - b.timeMs || (a.ref < b.ref ? -1 : 1));
      signals.push(...advance(watermarkOf([...partitions.values()], now)));
      return signals;
    },

    watermark: () => watermark,
    late: () => late,
  };
}

function hold(
  partitions: Map<string, { highMs: number; deliveredAt: number; latenessMs: number }>,
  event: ObservedEvent,
  now: number,
  latenessMs: number,
): void {
  const name = event.ref.split('/').slice(0, 3).join('/');
  const highMs = Math.max(partitions.get(name)?.highMs ?? 0, event.timeMs);
  partitions.set(name, { highMs, deliveredAt: now, latenessMs });
}

/** The least of what active partitions have reached; when all are quiet, the wall clock less the longest lateness. */
function watermarkOf(
  partitions: readonly { highMs: number; deliveredAt: number; latenessMs: number }[],
  now: number,
): number {
  if (partitions.length === 0) return Number.NEGATIVE_INFINITY;
  const active = partitions.filter((p) => now - p.deliveredAt < activeMs);
  if (active.length === 0) return now - Math.max(...partitions.map((p) => p.latenessMs));
  return Math.min(...active.map((p) => p.highMs - p.latenessMs));
}
