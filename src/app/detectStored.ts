import type { Signal } from '../core/signal.ts';
import type { Detector } from '../detect/detector.ts';
import { type EventDay, eventDays, eventsOfDays } from '../detect/observed.ts';
import type { Engine } from '../store/client.ts';
import { createActMemory } from './actMemory.ts';

/**
 * A silence this long ends a span: what comes after is another story (an old file beside a new one), and
 * neither may hold or flood the other's clock. Longer than any holiday a source could be quiet over.
 */
const spanGapDays = 30;
const dayMs = 86_400_000;

/**
 * Detection over time over all that is stored, in order of event time, with state of its own for each span;
 * windows and absences close at a span's last event. The same store gives the same signals.
 */
export async function detectStored(
  engine: Engine,
  createDetector: () => Detector,
  onDay?: (done: number, total: number) => void,
): Promise<Signal[]> {
  const signals: Signal[] = [];
  const days = await eventDays(engine);
  let done = 0;
  for (const span of spansOf(days)) {
    const detector = createDetector();
    const acts = createActMemory();
    let last = 0;
    for await (const page of eventsOfDays(engine, span)) {
      for (const event of page.events) {
        if (!acts.isFirst(event)) continue;
        for (const signal of detector.inline(event)) signals.push(signal);
        for (const signal of detector.push(event)) signals.push(signal);
        last = event.timeMs;
      }
      acts.forget(last);
      done += page.days;
      onDay?.(done, days.length);
    }
    for (const signal of detector.advance(last)) signals.push(signal);
  }
  return signals;
}

/** Runs of days without a long silence, in order. */
export function spansOf(days: readonly EventDay[]): EventDay[][] {
  const out: EventDay[][] = [];
  let before = Number.NEGATIVE_INFINITY;
  for (const day of days) {
    const time = Date.parse(day.day);
    if (time - before > spanGapDays * dayMs) out.push([]);
    out.at(-1)?.push(day);
    before = time;
  }
  return out;
}
