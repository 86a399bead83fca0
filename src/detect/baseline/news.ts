import { type Level, levelRank } from '../../core/signal.ts';

/** Whether a finding that goes on is worth another word. */
export interface News {
  isNews(level: Level, count: number): boolean;
}

/** With every quarter more: a mass read of a hundred secrets is some twenty words, each with all before it. */
const growth = 1.25;

/** A new level is news at once. */
export function createNews(): News {
  let saidRank = -1;
  let saidCount = 0;
  return {
    isNews(level, count) {
      if (levelRank(level) <= saidRank && count < saidCount * growth) return false;
      saidRank = Math.max(saidRank, levelRank(level));
      saidCount = count;
      return true;
    },
  };
}
