const firstMs = 100;
/** Long enough not to hammer what is ill, short enough that recovery is noticed at once. */
const maxMs = 5_000;

/** 100 ms, doubled with each failure up to 5 s. */
export function backoffMs(failures: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(failures, 10));
}
