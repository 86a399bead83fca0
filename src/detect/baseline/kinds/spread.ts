import { createBudget } from '../budget.ts';
import type { BaselineDocument } from '../document.ts';
import { type BaselineEvent, entityOf } from '../event.ts';
import { fieldReader } from '../fields.ts';
import { defineKind, type Evaluator } from '../kind.ts';
import { negativeBinomialTail } from '../negativeBinomial.ts';
import { createNews } from '../news.ts';
import { dayMs, parameter } from '../parameters.ts';
import { addSpread, createPeers, type Spreading } from '../peers.ts';
import { createSeen } from '../seen.ts';
import { selector } from '../select.ts';
import { chanceText, countText, signalOf } from '../signal.ts';

/**
 * Low and slow: new values over weeks, each day too few to notice, against what others of the same kind add in
 * as many days (lessons-detection, 10). It speaks only while the sum grows, so it ends when the behaviour does.
 */
export const kind = defineKind({ name: 'spread', explainedBy: 'spread', create });

function create(document: BaselineDocument): Evaluator {
  const isMine = selector(document);
  const entity = fieldReader(document.for);
  const value = fieldReader(document.of ?? []);
  const learnMs = parameter(document, 'learn');
  const windowMs = parameter(document, 'window');
  const forgetMs = parameter(document, 'forget');
  const budget = createBudget(parameter(document, 'low_per_day'), parameter(document, 'medium_per_day'));
  const seen = createSeen(value, forgetMs, parameter(document, 'young'));
  const peers = createPeers(windowMs, forgetMs);
  let startMs: number | undefined;
  let prunedMs = 0;

  const prune = (timeMs: number) => {
    if (timeMs < prunedMs + pruneEveryMs) return;
    prunedMs = timeMs;
    peers.prune(timeMs);
    seen.prune(timeMs);
  };

  const learn = (event: BaselineEvent, key: string, what: string, state: Spreading): number => {
    const last = state.values.get(what);
    const weight = seen.weight(what, key, event);
    state.values.set(what, event.timeMs);
    seen.show(what, key, event);
    const isLearning = event.timeMs < Math.max(startMs ?? 0, state.firstMs) + learnMs;
    if (isLearning || (last !== undefined && event.timeMs - last <= forgetMs)) return 0;
    state.windowSum += weight;
    return weight;
  };

  return {
    advance: () => [],
    observe(event) {
      startMs ??= event.timeMs;
      seen.note(event);
      if (!isMine(event)) return [];
      const [key, what] = [entity(event), value(event)];
      if (key === '' || what === '') return [];
      prune(event.timeMs);
      const state = peers.of(key, event, Math.max(startMs, event.timeMs) + learnMs);
      const weight = learn(event, key, what, state);
      const day = Math.floor(event.timeMs / dayMs);
      if (day !== state.day) budget.count(event.timeMs);
      state.day = day;
      if (weight === 0) return [];
      addSpread(state, event, weight, windowMs);
      const is = peers.expectation(state);
      if (!is) return [];
      const count = Math.round(state.foundWeight);
      const p = negativeBinomialTail(count, is.expected, is.size);
      const level = budget.level(p, key, event.timeMs);
      if (level === undefined) state.news = createNews();
      if (level === undefined || !state.news.isNews(level, count)) return [];
      const days = Math.round(windowMs / dayMs);
      const who = event.actor_name || entityOf(event);
      const sentence = `${who} read ${state.found.length} for the first time within ${days} days, expected ${countText(is.expected)} by its own past and its peers (p = ${chanceText(p)}).`;
      const unusual = { expected: is.expected, seen: state.found.length, p, sentence };
      const events = state.found.map((f) => f.event);
      return [signalOf({ document, explainedBy: kind.explainedBy, level, events, unusual })];
    },
  };
}

/** What was forgotten is let go of this often. */
const pruneEveryMs = 7 * dayMs;
