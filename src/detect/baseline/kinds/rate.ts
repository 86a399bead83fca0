import { createBudget } from '../budget.ts';
import type { BaselineDocument } from '../document.ts';
import type { BaselineEvent } from '../event.ts';
import { fieldReader } from '../fields.ts';
import { createHourModel, type HourModel, hourOf, hourTail, hourText } from '../hourOfWeek.ts';
import { defineKind, type Evaluator } from '../kind.ts';
import { createNews, type News } from '../news.ts';
import { dayMs, hourMs, parameter } from '../parameters.ts';
import { selector } from '../select.ts';
import { chanceText, countText, signalOf } from '../signal.ts';

/**
 * More acts in an hour than this entity's hour of the week explains. Said while the hour still runs: the chance
 * of so many in a whole hour is an upper bound for a part of it.
 */
export const kind = defineKind({ name: 'rate', explainedBy: 'rate', create });

interface EntityState {
  /** Once there is an hour to learn: who comes for a minute and never again costs no model. */
  model: HourModel | undefined;
  readonly firstMs: number;
  lastMs: number;
  /** The next hour to be taught. */
  nextHour: number;
  /** Counts of hours that are not old enough to teach. */
  readonly waiting: Map<number, number>;
  hour: number;
  found: BaselineEvent[];
  news: News;
}

/** An hour's acts beyond this are counted, not kept. */
const foundMax = 200;

function create(document: BaselineDocument): Evaluator {
  const isMine = selector(document);
  const entity = fieldReader(document.for);
  const learnMs = parameter(document, 'learn');
  const guardHours = parameter(document, 'guard') / hourMs;
  const shrinkWeeks = parameter(document, 'shrink_weeks');
  const budget = createBudget(parameter(document, 'low_per_day'), parameter(document, 'medium_per_day'));
  const volumeChanceMax = parameter(document, 'volume_chance');
  const forgetMs = parameter(document, 'forget');
  const entities = new Map<string, EntityState>();
  let countedDay = -1;

  /** Every hour of everybody known is a chance to be wrong, the quiet ones too: the tail holds being active at all. */
  const countChances = (timeMs: number) => {
    const day = Math.floor(timeMs / dayMs);
    if (day === countedDay) return;
    countedDay = day;
    for (const [key, { lastMs }] of entities) if (timeMs - lastMs > forgetMs) entities.delete(key);
    const ready = [...entities.values()].filter((e) => timeMs >= e.firstMs + learnMs).length;
    budget.count(timeMs, ready * 24);
  };

  /** Teaches every hour up to the guard band: the present must not explain itself. */
  const catchUp = (state: EntityState, hour: number) => {
    for (; state.nextHour < hour - guardHours; state.nextHour++) {
      state.model ??= createHourModel(shrinkWeeks);
      state.model.learn(state.nextHour, state.waiting.get(state.nextHour) ?? 0);
      state.waiting.delete(state.nextHour);
    }
  };

  return {
    advance: () => [],
    observe(event) {
      if (!isMine(event)) return [];
      const key = entity(event);
      if (key === '') return [];
      countChances(event.timeMs);
      const hour = hourOf(event.timeMs);
      const state = entities.get(key) ?? newEntity(event.timeMs);
      entities.set(key, state);
      state.lastMs = event.timeMs;
      const isReady = event.timeMs >= state.firstMs + learnMs;
      if (hour !== state.hour) {
        catchUp(state, hour);
        Object.assign(state, { hour, found: [], news: createNews() });
      }
      const count = (state.waiting.get(hour) ?? 0) + 1;
      state.waiting.set(hour, count);
      if (state.found.length < foundMax) state.found.push(event);
      if (!isReady || !state.model) return [];
      const expectation = state.model.expect(hour);
      const mean = expectation.active * expectation.volume;
      if (count <= mean) return [];
      const p = hourTail(count, expectation);
      if (p > expectation.active * volumeChanceMax) return [];
      const level = budget.level(p, key, event.timeMs);
      if (level === undefined || !state.news.isNews(level, count)) return [];
      const unit = document.parameters.unit ?? 'acts';
      const sentence = `expected ${countText(mean)} ${unit}/h for ${hourText(hour)} UTC, saw ${count} (p = ${chanceText(p)}).`;
      const unusual = { expected: mean, seen: count, p, sentence };
      return [signalOf({ document, explainedBy: kind.explainedBy, level, events: state.found, unusual })];
    },
  };
}

function newEntity(timeMs: number): EntityState {
  // The hour in which an entity first appears is no whole hour.
  const nextHour = hourOf(timeMs) + 1;
  return {
    model: undefined,
    firstMs: timeMs,
    lastMs: timeMs,
    nextHour,
    waiting: new Map(),
    hour: -1,
    found: [],
    news: createNews(),
  };
}
