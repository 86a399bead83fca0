import type { Signal } from '../../../core/signal.ts';
import { createBudget } from '../budget.ts';
import type { BaselineDocument } from '../document.ts';
import type { BaselineEvent } from '../event.ts';
import { fieldReader } from '../fields.ts';
import { defineKind, type Evaluator } from '../kind.ts';
import { dayMs, parameter } from '../parameters.ts';
import { selector } from '../select.ts';
import { chanceText, signalOf } from '../signal.ts';

/**
 * Silence: an entity that showed up nearly every day stays away. The no-show chances of the silent days are
 * multiplied, each by its class of day (lessons-detection, 11); a day on which many are silent proves nothing
 * about one; what was removed may be silent.
 */
export const kind = defineKind({ name: 'absence', explainedBy: 'absence', create });

interface EntityState {
  readonly firstDay: number;
  last: BaselineEvent;
  lastDay: number;
  /** Days seen and days active, for weekdays and weekends. */
  readonly days: [number, number];
  readonly active: [number, number];
  /** Days of the silence so far, and its chance. */
  readonly missed: [number, number];
  chance: number;
  isSaid: boolean;
}

function create(document: BaselineDocument): Evaluator {
  const isMine = selector(document);
  const entity = fieldReader(document.for);
  const learnDays = parameter(document, 'learn') / dayMs;
  const forgetDays = parameter(document, 'forget') / dayMs;
  const budget = createBudget(parameter(document, 'low_per_day'), parameter(document, 'medium_per_day'));
  const entities = new Map<string, EntityState>();
  let today = Number.NaN;

  /** The day is over: those who were there learn it, for the others it was a no-show. */
  const closeDay = (day: number): Signal[] => {
    const kindOfDay = isWeekend(day) ? 1 : 0;
    for (const [key, { lastDay }] of entities) if (day - lastDay > forgetDays) entities.delete(key);
    const known = [...entities].filter(([, s]) => day >= s.firstDay + learnDays);
    // Those already silent have their own story.
    const silent = known.filter(([, s]) => s.lastDay !== day && s.chance === 1).length;
    const shared = known.length === 0 ? 1 : (silent + 0.5) / (known.length + 1);
    const endMs = (day + 1) * dayMs;
    budget.count(endMs, known.length);
    const out: Signal[] = [];
    for (const [key, state] of entities) {
      if (day === state.firstDay) continue;
      if (state.lastDay === day) {
        showUp(state, kindOfDay);
        continue;
      }
      if (day >= state.firstDay + learnDays) out.push(...noShow(key, state, { kindOfDay, shared, endMs }));
      else state.days[kindOfDay] += 1;
    }
    return out;
  };

  const noShow = (
    key: string,
    state: EntityState,
    { kindOfDay, shared, endMs }: { kindOfDay: 0 | 1; shared: number; endMs: number },
  ): Signal[] => {
    const days = state.days[kindOfDay];
    const own = (days - state.active[kindOfDay] + 0.5) / (days + 1);
    state.chance *= Math.max(own, shared);
    state.missed[kindOfDay] += 1;
    const level = state.isSaid ? undefined : budget.level(state.chance, key, endMs);
    if (level !== 'medium') return [];
    state.isSaid = true;
    const silentDays = Math.round(endMs / dayMs) - state.lastDay - 1;
    const who = state.last.actor_name || key;
    const usual = `${state.active[0] + state.active[1]} of ${state.days[0] + state.days[1]} days`;
    const sentence = `${who} was there on ${usual} and has been silent for ${silentDays} days since ${new Date(state.last.timeMs).toISOString().slice(0, 16)}Z (p = ${chanceText(state.chance)}).`;
    const unusual = { expected: silentDays, seen: 0, p: state.chance, sentence };
    return [
      signalOf({
        document,
        explainedBy: kind.explainedBy,
        level,
        events: [state.last],
        unusual,
        group: key,
        timeMs: endMs,
        isAbsence: true,
      }),
    ];
  };

  const advance = (timeMs: number): Signal[] => {
    const day = Math.floor(timeMs / dayMs);
    if (Number.isNaN(today)) today = day;
    const out: Signal[] = [];
    for (; today < day; today++) out.push(...closeDay(today));
    return out;
  };

  return {
    advance,
    observe(event) {
      const out = advance(event.timeMs);
      if (isRemoval(event)) forget(entities, event);
      const key = isMine(event) ? entity(event) : '';
      if (key === '') return out;
      const state = entities.get(key);
      if (state) Object.assign(state, { last: event, lastDay: today });
      else entities.set(key, newEntity(event, today));
      return out;
    },
  };
}

function newEntity(event: BaselineEvent, day: number): EntityState {
  return {
    firstDay: day,
    last: event,
    lastDay: day,
    days: [0, 0],
    active: [0, 0],
    missed: [0, 0],
    chance: 1,
    isSaid: false,
  };
}

/** Back again: days off that nobody had to hear of are part of its rhythm; a silence that was said is not. */
function showUp(state: EntityState, kindOfDay: 0 | 1): void {
  for (const k of [0, 1] as const) {
    if (!state.isSaid) state.days[k] += state.missed[k];
    state.missed[k] = 0;
  }
  state.days[kindOfDay] += 1;
  state.active[kindOfDay] += 1;
  state.chance = 1;
  state.isSaid = false;
}

/** The epoch began on a Thursday. */
function isWeekend(day: number): boolean {
  const weekday = (day + 4) % 7;
  return weekday === 0 || weekday === 6;
}

function isRemoval(event: BaselineEvent): boolean {
  return (
    event.action === 'delete' && event.outcome === 'allowed' && /^(?:role|identity)$/.test(event.object_kind)
  );
}

/** Whoever had the role, or was the identity, that was removed. */
function forget(entities: Map<string, EntityState>, removal: BaselineEvent): void {
  const name = removal.object_id.slice(removal.object_id.lastIndexOf('/') + 1);
  for (const [key, { last }] of entities) {
    if (last.actor_role === name || last.actor_id.endsWith(`/${name}`)) entities.delete(key);
  }
}
