/**
 * How surprising are k new values in one day? A hurdle: the chance that the day brings any, times the chance
 * that it brings so many when it brings some. New values come in bunches (a deployment reads five secrets at
 * once), so a Poisson or negative-binomial day would call every bunch a miracle.
 */
export interface NoveltyCounts {
  /** Active days on which novelty could have shown. */
  days: number;
  /** Of these, days that brought something new. */
  newDays: number;
  /** New values in all. */
  newValues: number;
}

export function noCounts(): NoveltyCounts {
  return { days: 0, newDays: 0, newValues: 0 };
}

export function addDay(counts: NoveltyCounts, newValues: number): void {
  counts.days += 1;
  if (newValues <= 0) return;
  counts.newDays += 1;
  counts.newValues += newValues;
}

export interface NoveltyChance {
  /** Chance of at least `k` new values on an active day. */
  readonly p: number;
  /** New values to be expected on an active day. */
  readonly expected: number;
}

/**
 * `own` is the entity's past, `pool` that of its kind (humans, services …), which speaks with the weight of
 * `poolDays` days: someone with a long past is judged by it, a newcomer by the others. `k` may be fractional:
 * a value that a team mate has shown counts half.
 */
export function noveltyChance(
  k: number,
  own: NoveltyCounts,
  pool: NoveltyCounts,
  poolDays: number,
): NoveltyChance {
  // Half an event in one more day (Jeffreys): what never happened in n days is not impossible.
  const poolRate = (pool.newDays + 0.5) / (pool.days + 1);
  const rate = (own.newDays + poolDays * poolRate) / (own.days + poolDays);
  const poolBunch = (pool.newValues + 1) / (pool.newDays + 0.5);
  const bunch = Math.max(1.01, (own.newValues + poolBunch) / (own.newDays + 1));
  const expected = rate * bunch;
  if (k <= 0) return { p: 1, expected };
  // Sizes of bunches as a geometric distribution: P(at least k | some) = (1 − 1 / mean) ^ (k − 1).
  const p = rate ** Math.min(1, k) * (1 - 1 / bunch) ** Math.max(0, k - 1);
  return { p: Math.min(1, p), expected };
}
