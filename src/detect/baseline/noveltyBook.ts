import { type BaselineEvent, entityOf } from './event.ts';
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
  /** The day's firsts, by whom: of those of many each is told with its own only. */
  found: Map<string, BaselineEvent[]>;
  foundCount: number;
  news: News;
}

/** Notes a first and gives all of the day by the same entity, this one last. */
export function addFirst(novice: Novice, event: BaselineEvent): readonly BaselineEvent[] {
  const who = entityOf(event);
  const own = novice.found.get(who) ?? [];
  own.push(event);
  novice.found.set(who, own);
  novice.foundCount += 1;
  return own;
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
      Object.assign(novice, newDay());
    }
    today.clear();
  };
  const prune = (timeMs: number) => {
    for (const [key, { lastMs, values }] of novices) {
      if (timeMs - lastMs > forgetMs) novices.delete(key);
      else for (const [what, seenMs] of values) if (timeMs - seenMs > forgetMs) values.delete(what);
    }
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
    ...newDay(),
  };
}

function newDay(): Pick<Novice, 'novelty' | 'isJudged' | 'found' | 'foundCount' | 'news'> {
  return { novelty: 0, isJudged: false, found: new Map(), foundCount: 0, news: createNews() };
}
