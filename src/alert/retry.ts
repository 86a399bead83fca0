/** First wait: most failures are a restart or a blip. */
const retryBaseMs = 1000;

/** Longest own wait: an alert should follow within minutes of the receiver's recovery. */
const retryMaxMs = 5 * 60_000;

/** Longest wait a receiver may ask for: a broken Retry-After must not silence us for years. */
const retryAfterMaxMs = 3600_000;

/**
 * Wait after the n-th failed attempt in a row (n ≥ 1): exponential, with the upper half random so that many
 * instances do not come back together, and never sooner than the receiver asked (Retry-After).
 * There is no last attempt: an alert waits until it is delivered, refused or closed by a person.
 */
export function retryDelayMs(failures: number, afterMs: number, random: () => number): number {
  const full = Math.min(retryMaxMs, retryBaseMs * 2 ** Math.min(failures - 1, 30));
  const own = full / 2 + (full / 2) * random();
  return Math.ceil(Math.max(own, Math.min(Math.max(afterMs, 0), retryAfterMaxMs)));
}
