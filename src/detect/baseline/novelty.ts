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
  /** New values beyond each such day's first. */
  more: number;
}

export function noCounts(): NoveltyCounts {
  return { days: 0, newDays: 0, more: 0 };
}

export function addDay(counts: NoveltyCounts, newValues: number): void {
  counts.days += 1;
  if (newValues <= 0) return;
  counts.newDays += 1;
  counts.more += Math.max(0, newValues - 1);
}

export interface NoveltyChance {
  /** Chance of at least `k` new values on an active day. */
  readonly p: number;
  /** New values to be expected on an active day. */
  readonly expected: number;
}

/** Few people have bunches enough to say how theirs grow. */
const poolBunches = 3;

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
  // A bunch grows by one more with this chance (a geometric size); three bunches of the pool speak beside one's own.
  const poolMore = (pool.more + 1) / (pool.more + pool.newDays + 2);
  const more = (own.more + poolBunches * poolMore) / (own.more + own.newDays + poolBunches);
  const expected = rate / (1 - more);
  if (k <= 0) return { p: 1, expected };
  const p = rate ** Math.min(1, k) * more ** Math.max(0, k - 1);
  return { p: Math.min(1, p), expected };
}
