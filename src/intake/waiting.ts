import { systemClock } from '../core/clock.ts';

/** Well below any session timeout: waiting must not cost the membership. */
const heartbeatWhileWaitingMs = 3_000;

/** Calls `heartbeat` now and then until `promise` settles: waiting must not cost the membership. */
export async function waitAlive(promise: Promise<void>, heartbeat: () => Promise<void>): Promise<void> {
  const done = new AbortController();
  const settled = promise.finally(() => done.abort());
  while (!done.signal.aborted) {
    await Promise.race([settled, systemClock.sleep(heartbeatWhileWaitingMs, done.signal)]);
    if (!done.signal.aborted) await heartbeat();
  }
  await settled;
}

/** Waits for `promise`, but not longer than `ms`. */
export async function withinMs(promise: Promise<void>, ms: number): Promise<void> {
  const done = new AbortController();
  await Promise.race([promise.finally(() => done.abort()), systemClock.sleep(ms, done.signal)]);
}
