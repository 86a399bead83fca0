import { parseEventRef } from '../core/record.ts';
import type { Alert } from '../core/signal.ts';
import type { Engine } from '../store/client.ts';
import { ingestTime } from '../store/positions.ts';

/** Rounds of detection are a second apart; an hour is longer than any trouble with them goes unnoticed. */
const justInMs = 3_600_000;

/** Whether an alert is about records that came in shortly before `newestFlush`, which detection may never have seen. */
export function justIn(engine: Engine, newestFlush: number): (alert: Alert) => Promise<boolean> {
  return async ({ events }) => {
    const newest = parseEventRef(events.at(-1) ?? '');
    if (newest === undefined) return false;
    return ((await ingestTime(engine, newest)) ?? 0) >= newestFlush - justInMs;
  };
}
