import type { BaselineEvent } from './event.ts';
import { createNews, type News } from './news.ts';
import { addDay, type NoveltyCounts, noCounts } from './novelty.ts';
import { dayMs } from './parameters.ts';

/** One entity's day and past, as far as new values go. */
export interface Novice {
  readonly kind: string;
  readonly firstMs: number;
  lastMs: number;
  /** Last time of each value. */
  readonly values: Map<string, number>;
  readonly counts: NoveltyCounts;
  /** New values of the day, a half where a team mate knew it. */
  novelty: number;
  /** Whether the day counts: the entity was past its learning. */
  isJudged: boolean;
  found: BaselineEvent[];
  news: News;
}

export interface NoveltyBook {
  of(key: string, event: BaselineEvent): Novice;
  /** What entities of a kind (humans, services …) did in all. */
  pool(kind: string): NoveltyCounts;
  /** Closes the day when time has passed it; to be told of every event. */
  turn(timeMs: number): void;
}

const pruneEveryDays = 7;

/** Remembers entities, learns from days that are over (the present must not explain itself), forgets the lost. */
export function createNoveltyBook(forgetMs: number, onPrune: (timeMs: number) => void): NoveltyBook {
  const novices = new Map<string, Novice>();
  const pools = new Map<string, NoveltyCounts>();
  const today = new Set<Novice>();
  let day = Number.NaN;

  const pool = (kind: string): NoveltyCounts => {
    const counts = pools.get(kind) ?? noCounts();
    pools.set(kind, counts);
    return counts;
  };
  const closeDay = () => {
    for (const novice of today) {
      if (novice.isJudged) {
        addDay(novice.counts, novice.novelty);
        addDay(pool(novice.kind), novice.novelty);
      }
      Object.assign(novice, { novelty: 0, isJudged: false, found: [], news: createNews() });
    }
    today.clear();
  };
  const prune = (timeMs: number) => {
    for (const [key, { lastMs }] of novices) if (timeMs - lastMs > forgetMs) novices.delete(key);
    onPrune(timeMs);
  };

  return {
    pool,
    turn(timeMs) {
      const now = Math.floor(timeMs / dayMs);
      if (now === day) return;
      closeDay();
      day = now;
      if (day % pruneEveryDays === 0) prune(timeMs);
    },
    of(key, event) {
      const novice = novices.get(key) ?? newNovice(event);
      novices.set(key, novice);
      novice.lastMs = event.timeMs;
      today.add(novice);
      return novice;
    },
  };
}

function newNovice({ identity_kind, timeMs }: BaselineEvent): Novice {
  return {
    kind: identity_kind,
    firstMs: timeMs,
    lastMs: timeMs,
    values: new Map(),
    counts: noCounts(),
    novelty: 0,
    isJudged: false,
    found: [],
    news: createNews(),
  };
}
