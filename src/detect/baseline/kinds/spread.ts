import { mean, sum, variance } from 'simple-statistics';
import { createBudget } from '../budget.ts';
import type { BaselineDocument } from '../document.ts';
import { type BaselineEvent, entityOf } from '../event.ts';
import { fieldReader } from '../fields.ts';
import { defineKind, type Evaluator } from '../kind.ts';
import { negativeBinomialTail } from '../negativeBinomial.ts';
import { createNews, type News } from '../news.ts';
import { dayMs, parameter } from '../parameters.ts';
import { createSeen } from '../seen.ts';
import { selector } from '../select.ts';
import { chanceText, countText, signalOf } from '../signal.ts';

/**
 * Low and slow: new values over weeks, each day too few to notice, against what others of the same kind add in
 * as many days (lessons-detection, 10). It speaks only while the sum grows, so it ends when the behaviour does.
 */
export const kind = defineKind({ name: 'spread', explainedBy: 'spread', create });

interface EntityState {
  readonly firstMs: number;
  readonly kind: string;
  readonly values: Map<string, number>;
  /** What was new in the window. */
  found: { readonly event: BaselineEvent; readonly weight: number }[];
  /** Sums of whole windows, oldest first; the window that runs is not among them. */
  readonly windows: number[];
  windowStartMs: number;
  windowSum: number;
  day: number;
  news: News;
}

function create(document: BaselineDocument): Evaluator {
  const isMine = selector(document);
  const entity = fieldReader(document.for);
  const value = fieldReader(document.of ?? []);
  const learnMs = parameter(document, 'learn');
  const windowMs = parameter(document, 'window');
  const forgetMs = parameter(document, 'forget');
  const budget = createBudget(parameter(document, 'low_per_day'), parameter(document, 'medium_per_day'));
  const seen = createSeen(value, forgetMs, parameter(document, 'young'));
  const entities = new Map<string, EntityState>();
  let startMs: number | undefined;

  const learn = (event: BaselineEvent, key: string, what: string, state: EntityState): number => {
    const last = state.values.get(what);
    const weight = seen.weight(what, key, event);
    state.values.set(what, event.timeMs);
    seen.show(what, key, event);
    turnWindows(state, event.timeMs, windowMs);
    const isLearning = event.timeMs < Math.max(startMs ?? 0, state.firstMs) + learnMs;
    if (isLearning || (last !== undefined && event.timeMs - last <= forgetMs)) return 0;
    state.windowSum += weight;
    return weight;
  };

  /** What others add in a window; one's own past but the last window speaks like two of them. */
  const expectation = (key: string, state: EntityState, timeMs: number) => {
    const others: number[] = [];
    for (const [name, other] of entities) {
      if (name === key || other.kind !== state.kind) continue;
      turnWindows(other, timeMs, windowMs);
      others.push(...other.windows);
    }
    if (others.length < othersMin) return undefined;
    const usual = mean(others);
    const own = state.windows.slice(0, -1);
    const expected = Math.max(0.5, (sum(own) + 2 * usual) / (own.length + 2));
    const scatter = variance(others);
    const size = scatter > usual ? (usual * usual) / (scatter - usual) : sizeMax;
    return { expected, size: Math.min(sizeMax, Math.max(sizeMin, size)) };
  };

  return {
    advance: () => [],
    observe(event) {
      startMs ??= event.timeMs;
      seen.note(event);
      if (!isMine(event)) return [];
      const [key, what] = [entity(event), value(event)];
      if (key === '' || what === '') return [];
      const state = entities.get(key) ?? newEntity(event, Math.max(startMs, event.timeMs) + learnMs);
      entities.set(key, state);
      const weight = learn(event, key, what, state);
      const day = Math.floor(event.timeMs / dayMs);
      if (day !== state.day) budget.count(event.timeMs);
      state.day = day;
      if (weight === 0) return [];
      state.found = [...state.found, { event, weight }].filter(
        (f) => f.event.timeMs > event.timeMs - windowMs,
      );
      const is = expectation(key, state, event.timeMs);
      if (!is) return [];
      const count = Math.round(sum(state.found.map((f) => f.weight)));
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

/** Fewer windows of others say nothing about how windows scatter. */
const othersMin = 8;
/** Between bursts and nearly Poisson: the ends between which an estimate is believed. */
const sizeMin = 0.2;
const sizeMax = 100;

function newEntity(event: BaselineEvent, windowStartMs: number): EntityState {
  return {
    firstMs: event.timeMs,
    kind: event.identity_kind,
    values: new Map(),
    found: [],
    windows: [],
    windowStartMs,
    windowSum: 0,
    day: -1,
    news: createNews(),
  };
}

function turnWindows(state: EntityState, timeMs: number, windowMs: number): void {
  while (timeMs >= state.windowStartMs + windowMs) {
    state.windows.push(state.windowSum);
    state.windowSum = 0;
    state.windowStartMs += windowMs;
  }
}
