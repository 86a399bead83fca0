import { type Level, levelRank, type Signal } from '../../../core/signal.ts';
import { type Budget, createBudget } from '../budget.ts';
import type { BaselineDocument } from '../document.ts';
import { type BaselineEvent, entityOf } from '../event.ts';
import { fieldReader } from '../fields.ts';
import { defineKind, type Evaluator } from '../kind.ts';
import { noveltyChance } from '../novelty.ts';
import { addFirst, createNoveltyBook, type Novice } from '../noveltyBook.ts';
import { parameter } from '../parameters.ts';
import { createSeen, type Seen } from '../seen.ts';
import { type Select, selector } from '../select.ts';
import { chanceText, countText, signalOf } from '../signal.ts';

/**
 * First seen: a value (a secret, a network, a kind of act) that this entity never showed. Judged by how often
 * it shows new values, counted over a day, halved when a team mate showed it, nothing for things just made.
 */
export const kind = defineKind({ name: 'new', explainedBy: 'new', create });

interface Parts {
  readonly document: BaselineDocument;
  readonly isSaid: Select;
  readonly learnMs: number;
  readonly entityLearnMs: number;
  readonly forgetMs: number;
  readonly poolDays: number;
  readonly budget: Budget;
  readonly seen: Seen;
}

function create(document: BaselineDocument): Evaluator {
  const isMine = selector(document);
  const entity = fieldReader(document.for);
  const value = fieldReader(document.of ?? []);
  const forgetMs = parameter(document, 'forget');
  const parts: Parts = {
    document,
    isSaid: selector(document.only === undefined ? {} : { where: document.only }),
    learnMs: parameter(document, 'learn'),
    entityLearnMs: parameter(document, 'entity_learn'),
    forgetMs,
    poolDays: parameter(document, 'pool_days'),
    budget: createBudget(parameter(document, 'low_per_day'), parameter(document, 'medium_per_day')),
    seen: createSeen(value, forgetMs, parameter(document, 'young')),
  };
  const book = createNoveltyBook(forgetMs, parts.seen.prune);
  let startMs: number | undefined;
  return {
    advance: () => [],
    observe(event) {
      startMs ??= event.timeMs;
      book.turn(event.timeMs);
      parts.seen.note(event);
      if (!isMine(event)) return [];
      const [key, what] = [entity(event), value(event)];
      if (key === '' || what === '') return [];
      const novice = book.of(key, event);
      const weight = learn(event, { key, what, novice, startMs }, parts);
      if (weight === 0) return [];
      novice.novelty += weight;
      const own = addFirst(novice, event);
      const chance = noveltyChance(novice.novelty, novice.counts, book.pool(novice.kind), parts.poolDays);
      const level = levelOf(parts.budget.level(chance.p, key, event.timeMs), own.length);
      if (level === undefined || !novice.news.isNews(level, novice.foundCount)) return [];
      return [signalFor(own, { what, count: novice.foundCount, level, ...chance }, document)];
    },
  };
}

/** Notes the event; says the weight of its novelty, 0 when it is none or nothing is to be said yet. */
function learn(
  event: BaselineEvent,
  { key, what, novice, startMs }: { key: string; what: string; novice: Novice; startMs: number },
  { seen, budget, isSaid, learnMs, entityLearnMs, forgetMs }: Parts,
): number {
  const last = novice.values.get(what);
  const isFirst = novice.values.size === 0;
  const weight = seen.weight(what, key, event);
  novice.values.set(what, event.timeMs);
  seen.show(what, key, event);
  const isLearning = event.timeMs < startMs + learnMs || event.timeMs < novice.firstMs + entityLearnMs;
  if (isLearning || isFirst) return 0;
  if (!novice.isJudged) budget.count(event.timeMs);
  novice.isJudged = true;
  const isKnown = last !== undefined && event.timeMs - last <= forgetMs;
  return isKnown || !isSaid(event) ? 0 : weight;
}

/** A lone first is context, whatever its chance: everybody does something for the first time (lessons, 3). */
function levelOf(level: Level | undefined, firsts: number): Level | undefined {
  if (level === undefined || firsts > 1) return level;
  return levelRank(level) > levelRank('low') ? 'low' : level;
}

interface Said {
  readonly what: string;
  readonly count: number;
  readonly level: Level;
  readonly p: number;
  readonly expected: number;
}

function signalFor(
  events: readonly BaselineEvent[],
  { what, count, level, p, expected }: Said,
  document: BaselineDocument,
): Signal {
  const last = events.at(-1) as BaselineEvent;
  const who = last.actor_name || entityOf(last);
  const never =
    document.for.length === 0 ? `nobody had shown ${what} before` : `had never shown ${what} before`;
  const day = new Date(last.timeMs).toISOString().slice(0, 10);
  const sentence = `${who}: ${never}; ${count} new on ${day}, expected ${countText(expected)} (p = ${chanceText(p)}).`;
  const unusual = { expected, seen: count, p, sentence };
  return signalOf({ document, explainedBy: kind.explainedBy, level, events, unusual });
}
