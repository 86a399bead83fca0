import { sum } from 'simple-statistics';
import type { BaselineEvent } from './event.ts';
import { hourOf } from './hourOfWeek.ts';
import { createNews, type News } from './news.ts';

/** One entity's firsts, and the sums of its windows of time. */
export interface Spreading {
  readonly key: string;
  readonly firstMs: number;
  lastMs: number;
  readonly kind: string;
  readonly values: Map<string, number>;
  /** What was new in the window, and its weight together. */
  readonly found: { readonly event: BaselineEvent; readonly weight: number }[];
  foundWeight: number;
  /** Sums of whole windows, oldest first; the window that runs is not among them. */
  readonly windows: number[];
  windowStartMs: number;
  windowSum: number;
  day: number;
  news: News;
}

/** Of the sums of whole windows: how many, their sum, the sum of their squares. */
interface Totals {
  n: number;
  sum: number;
  squares: number;
}

/** Fewer windows of others say nothing about how windows scatter. */
const othersMin = 8;
/** Between bursts and nearly Poisson: the ends between which an estimate is believed. */
const sizeMin = 0.2;
const sizeMax = 100;

/** What a window should bring: mean and size of a negative binomial. */
interface SpreadExpectation {
  readonly expected: number;
  readonly size: number;
}

/** Everybody, each judged by the others of its kind. */
interface Peers {
  of(key: string, event: BaselineEvent, windowStartMs: number): Spreading;
  /** What others of its kind add in a window; one's own past but the last window speaks like two of them. */
  expectation(state: Spreading): SpreadExpectation | undefined;
  prune(timeMs: number): void;
}

/** The sums of windows are kept up by kind: a first must not ask every other entity again. */
export function createPeers(windowMs: number, forgetMs: number): Peers {
  const entities = new Map<string, Spreading>();
  const totals = new Map<string, Totals>();
  /** Entities by the hour in which their window ends. */
  const due = new Map<number, Spreading[]>();
  let turnedHour: number | undefined;

  const awaitEnd = (state: Spreading) => {
    const hour = hourOf(state.windowStartMs + windowMs);
    const list = due.get(hour);
    if (list) list.push(state);
    else due.set(hour, [state]);
  };
  /** Closes the windows whose time is over. */
  const turn = (timeMs: number) => {
    const now = hourOf(timeMs);
    for (let hour = turnedHour ?? now; hour <= now; hour++) {
      const list = due.get(hour) ?? [];
      due.delete(hour);
      for (const state of list) {
        if (entities.get(state.key) !== state) continue;
        if (timeMs >= state.windowStartMs + windowMs) {
          state.windows.push(state.windowSum);
          addWindow(totals, state.kind, state.windowSum, 1);
          state.windowSum = 0;
          state.windowStartMs += windowMs;
        }
        awaitEnd(state);
      }
    }
    turnedHour = now;
  };

  return {
    of(key, event, windowStartMs) {
      turn(event.timeMs);
      let state = entities.get(key);
      if (!state) {
        state = newEntity(key, event, windowStartMs);
        entities.set(key, state);
        awaitEnd(state);
      }
      state.lastMs = event.timeMs;
      return state;
    },
    expectation: (state) => expectationOf(state, totals.get(state.kind)),
    prune(timeMs) {
      for (const [key, state] of entities) {
        if (timeMs - state.lastMs > forgetMs) {
          entities.delete(key);
          for (const value of state.windows) addWindow(totals, state.kind, value, -1);
          continue;
        }
        for (const [what, seenMs] of state.values) {
          if (timeMs - seenMs > forgetMs) state.values.delete(what);
        }
      }
    },
  };
}

function addWindow(totals: Map<string, Totals>, kind: string, value: number, n: 1 | -1): void {
  const of = totals.get(kind) ?? { n: 0, sum: 0, squares: 0 };
  totals.set(kind, of);
  of.n += n;
  of.sum += n * value;
  of.squares += n * value * value;
}

function expectationOf({ windows }: Spreading, all: Totals | undefined): SpreadExpectation | undefined {
  const n = (all?.n ?? 0) - windows.length;
  if (all === undefined || n < othersMin) return undefined;
  const usual = (all.sum - sum(windows)) / n;
  const scatter = (all.squares - sum(windows.map((w) => w * w))) / n - usual * usual;
  const own = windows.slice(0, -1);
  const expected = Math.max(0.5, (sum(own) + 2 * usual) / (own.length + 2));
  const size = scatter > usual ? (usual * usual) / (scatter - usual) : sizeMax;
  return { expected, size: Math.min(sizeMax, Math.max(sizeMin, size)) };
}

/** One first more; those that left the window go. */
export function addSpread(state: Spreading, event: BaselineEvent, weight: number, windowMs: number): void {
  const { found } = state;
  found.push({ event, weight });
  state.foundWeight += weight;
  let gone = 0;
  for (; (found[gone]?.event.timeMs ?? 0) <= event.timeMs - windowMs; gone++) {
    state.foundWeight -= found[gone]?.weight ?? 0;
  }
  if (gone > 0) found.splice(0, gone);
}

function newEntity(key: string, event: BaselineEvent, windowStartMs: number): Spreading {
  return {
    key,
    firstMs: event.timeMs,
    lastMs: event.timeMs,
    kind: event.identity_kind,
    values: new Map(),
    found: [],
    foundWeight: 0,
    windows: [],
    windowStartMs,
    windowSum: 0,
    day: -1,
    news: createNews(),
  };
}
