/** Those who remember, beside the anchor file. One function an event: log line and metric together. */
import { errorText, type Telemetry } from './telemetry.ts';

export function anchorKept(t: Telemetry, anchor: string, wasAway: boolean): void {
  t.metrics.anchorUp.set({ anchor }, 1);
  t.metrics.anchorHeads.inc({ anchor, result: 'kept' });
  t.faults.delete(anchor);
  if (wasAway) t.log.info({ event: 'anchor_recovered', anchor }, 'it remembers our checkpoints again');
}

/** Once an outage: what repeats while it lasts is only counted. */
export function anchorFailed(t: Telemetry, anchor: string, error: unknown, isFirst: boolean): void {
  t.metrics.anchorUp.set({ anchor }, 0);
  t.metrics.anchorHeads.inc({ anchor, result: 'failed' });
  t.faults.set(anchor, errorText(error));
  if (!isFirst) return;
  t.log.error(
    { event: 'anchor_failed', anchor, reason: errorText(error) },
    'the checkpoint is signed and in the anchor file, but not remembered there; asking again at each heartbeat',
  );
}
