import type { Clock } from '../core/clock.ts';
import { parseEventRef, streamKeyText } from '../core/record.ts';
import type { Signal } from '../core/signal.ts';
import type { Detector } from '../detect/detector.ts';
import {
  compareObserved,
  eventDays,
  eventsOfDays,
  eventsOfFlushes,
  type ObservedEvent,
  streamHeads,
} from '../detect/observed.ts';
import type { Engine } from '../store/client.ts';
import { createActMemory } from './actMemory.ts';
import { spansOf } from './detectStored.ts';

/** A partition that delivered within this time is being read: its events hold the watermark. */
const activeMs = 60_000;
/** A clock that runs ahead may open a day too early, not a year. */
const aheadMsMax = 24 * 3_600_000;

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
  /** An intake cannot read or store now: that nothing arrives does not mean that nothing happens. */
  readonly isWaiting: () => boolean;
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
  isWaiting,
  latenessMs,
}: LiveDetectionOptions): LiveDetection {
  const partitions = new Map<string, Reached>();
  let waiting: ObservedEvent[] = [];
  let watermark = Number.NEGATIVE_INFINITY;
  let cursorMs = 0;
  let late = 0;
  /** Found by a poll that the store then left without an answer: returned by the next. */
  let found: Signal[] = [];
  // Of the copies of one act the first to arrive speaks at once, and the first in order of time is counted.
  const arrived = createActMemory();
  const counted = createActMemory();

  const advance = (to: number): Signal[] => {
    if (to <= watermark) return [];
    watermark = to;
    const ready = waiting.filter((e) => e.timeMs <= to).sort(compareObserved);
    waiting = waiting.filter((e) => e.timeMs > to);
    const signals = ready.filter(counted.isFirst).flatMap((event) => detector.push(event));
    for (const signal of detector.advance(to)) signals.push(signal);
    arrived.forget(to);
    counted.forget(to);
    return signals;
  };
  const arrive = (event: ObservedEvent): Signal[] => {
    waiting.push(event);
    return arrived.isFirst(event) ? detector.inline(event) : [];
  };

  return {
    async start() {
      const signals: Signal[] = [];
      cursorMs = flushedAt();
      const days = (await eventDays(engine)).filter((d) => Date.parse(d.day) <= clock.now() + aheadMsMax);
      // The newest span from its beginning: baselines then know what they knew before the restart.
      const span = spansOf(days).at(-1) ?? [];
      for (const head of await streamHeads(engine, span[0]?.day ?? '1970-01-01')) {
        partitions.set(streamKeyText(head), { ...head, latenessMs: latenessMs(head.source) });
      }
      const heads = [...partitions.values()];
      // What waited for a partition behind the others waits on, as it would have without the restart.
      const reached = watermarkOf(heads, Math.max(...heads.map((p) => p.deliveredAt)));
      for await (const { events } of eventsOfDays(engine, span)) {
        for (const event of events) for (const signal of arrive(event)) signals.push(signal);
        const last = events.at(-1);
        // A page may end within a millisecond.
        const to = Math.min(reached, (last?.timeMs ?? 0) - 1);
        for (const signal of advance(to)) signals.push(signal);
      }
      // Nothing is quiet yet: whoever goes on delivering has as long for it as at any other time.
      for (const partition of heads) partition.deliveredAt = clock.now();
      return signals;
    },

    async poll() {
      const now = clock.now();
      const until = flushedAt();
      // Whoever may be behind holds the watermark, and has as long to deliver afterwards as at any other time.
      if (isWaiting()) for (const partition of partitions.values()) partition.deliveredAt = now;
      for await (const page of until > cursorMs ? eventsOfFlushes(engine, cursorMs, until) : []) {
        for (const event of page.events) {
          hold(partitions, event, now, latenessMs(event.source));
          if (event.timeMs <= watermark) late++;
          for (const signal of arrive(event)) found.push(signal);
        }
        cursorMs = page.until;
      }
      cursorMs = Math.max(cursorMs, until);
      waiting = waiting.filter((e) => e.timeMs > watermark);
      for (const signal of advance(watermarkOf([...partitions.values()], now))) found.push(signal);
      const signals = found;
      found = [];
      return signals;
    },

    watermark: () => watermark,
    late: () => late,
  };
}

interface Reached {
  highMs: number;
  deliveredAt: number;
  readonly latenessMs: number;
}

function hold(partitions: Map<string, Reached>, event: ObservedEvent, now: number, latenessMs: number): void {
  const key = parseEventRef(event.ref);
  if (key === undefined) throw new Error(`${event.ref} names no event`);
  const name = streamKeyText(key);
  // An event that claims to be of tomorrow must not make late what comes today.
  const highMs = Math.max(partitions.get(name)?.highMs ?? 0, Math.min(event.timeMs, now));
  partitions.set(name, { highMs, deliveredAt: now, latenessMs });
}

/** The least of what active partitions have reached; when all are quiet, the wall clock less the longest lateness. */
function watermarkOf(partitions: readonly Reached[], now: number): number {
  if (partitions.length === 0) return Number.NEGATIVE_INFINITY;
  const active = partitions.filter((p) => now - p.deliveredAt < activeMs);
  if (active.length === 0) return now - Math.max(...partitions.map((p) => p.latenessMs));
  return Math.min(...active.map((p) => p.highMs - p.latenessMs));
}
