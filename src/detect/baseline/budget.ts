import type { Level } from '../../core/signal.ts';
import { dayMs } from './parameters.ts';

/**
 * How improbable is worth a word: not a fixed alpha but alerts a day. With n chances a day to be wrong, a
 * threshold of budget / n gives that many false words a day, whatever the size of the organisation.
 */
export interface Budget {
  /** One more chance to be wrong (an entity's day, an entity's hour) at this time, or several. */
  count(timeMs: number, chances?: number): void;
  /** Level of a finding about this entity with this chance; undefined = not worth a word. */
  level(p: number, entity: string, timeMs: number): Level | undefined;
}

/** Four weeks: long enough to count a word that comes every other week, short enough to follow a change. */
const memoryDays = 28;
/** In a small organisation the budget would let everyday things through: one in ten is never news. */
const lowChanceMax = 0.1;
const mediumChanceMax = 0.005;

interface Day {
  readonly day: number;
  chances: number;
  /** The smallest chance of each entity on that day. */
  readonly least: Map<string, number>;
}

/**
 * Medium asks theory: the chance must be that small. Low is context and asks experience too: chances of
 * counted things come in steps and our priors are careful, so that theory alone says less than it may; what
 * was among the strangest of the last four weeks, as many as the budget allows, is worth a low.
 */
export function createBudget(lowPerDay: number, mediumPerDay: number): Budget {
  const days: Day[] = [];
  let lowMax = 0;
  let mediumMax = 0;

  const today = (timeMs: number): Day => {
    const day = Math.floor(timeMs / dayMs);
    const last = days.at(-1);
    if (last?.day === day) return last;
    const fresh = { day, chances: 0, least: new Map<string, number>() };
    days.push(fresh);
    if (days.length > memoryDays + 1) days.shift();
    setThresholds();
    return fresh;
  };
  const setThresholds = () => {
    const whole = days.length > 1 ? days.slice(0, -1) : days;
    const chances = Math.max(1, whole.reduce((sum, d) => sum + d.chances, 0) / whole.length);
    mediumMax = Math.min(mediumChanceMax, mediumPerDay / chances);
    const allowed = Math.floor(lowPerDay * (days.length - 1));
    const strangest = whole.flatMap((d) => [...d.least.values()]).sort((a, b) => a - b);
    const experience = whole.length < memoryDays ? 0 : (strangest[allowed - 1] ?? lowChanceMax);
    lowMax = Math.min(lowChanceMax, Math.max(lowPerDay / chances, experience));
  };

  return {
    count(timeMs, chances = 1) {
      today(timeMs).chances += chances;
    },
    level(p, entity, timeMs) {
      const { least } = today(timeMs);
      least.set(entity, Math.min(p, least.get(entity) ?? 1));
      if (p <= mediumMax) return 'medium';
      return p <= lowMax ? 'low' : undefined;
    },
  };
}
