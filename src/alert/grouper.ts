/**
 * Grouping while signals arrive. An alert is told as soon as its condition holds; when a signal with an
 * earlier event time comes in later, the story gets the name it would have had in order, and `replaced`
 * says which early name it takes over, so that its message is updated rather than sent again.
 */
import type { Signal } from '../core/signal.ts';
import { episodeMs, type Grouped, type GroupOptions, groupSignals } from './group.ts';

/**
 * How long a story is kept after it ended by the watermark: a whole day plus an episode, so that a late day's
 * signal still finds the episode it belongs to. Later ones are counted as late and left to `backtest`.
 */
const retentionMs = episodeMs + 24 * 3600_000;

/**
 * A rule that hits one entity without end says the same all day: beyond this many signals of a rule, entity and
 * day only the store counts on. Keeps a round's work and the memory bounded, whatever a rule file does.
 */
const signalsPerRuleAndDayMax = 1_000;

export interface Replaced {
  /** Id that was told early. */
  readonly id: string;
  /** Id of the story it turned out to belong to. */
  readonly by: string;
}

interface GroupChange {
  /** Alerts that are new or say something new, as the store keeps them. */
  readonly changed: readonly Grouped[];
  readonly replaced: readonly Replaced[];
  /** Signals behind the retention, not grouped. */
  readonly late: number;
}

export interface Grouper {
  /**
   * Takes signals in and returns everything that changed since the last `confirm`: when the change could not be
   * stored, the next call returns it again, with no signals too.
   */
  add(signals: readonly Signal[]): GroupChange;
  /** What `add` returned last is stored. */
  confirm(): void;
  /** Forgets what ended long before the watermark; returns how many signals are still held. */
  settle(watermark: number): number;
}

export interface GrouperOptions extends GroupOptions {
  /** Signals whose alerts are stored already: they are known, and change nothing by themselves. */
  readonly past?: readonly Signal[];
}

interface GroupState {
  readonly signals: Map<string, Signal>;
  /** Signals by rule and day. */
  readonly counts: Map<string, number>;
  now: readonly Grouped[];
  confirmed: readonly Grouped[];
}

/** One instance for the whole stream of signals; memory is bounded by `retentionMs` of signals. */
export function createGrouper(options: GrouperOptions = {}): Grouper {
  const groups = new Map<string, GroupState>();
  const unconfirmed = new Set<GroupState>();
  let horizon = Number.NEGATIVE_INFINITY;

  const take = (signals: readonly Signal[]): number => {
    const touched = new Set<GroupState>();
    let late = 0;
    for (const signal of signals) {
      if (signal.time < horizon) {
        late += 1;
        continue;
      }
      const state = groups.get(signal.group) ?? {
        signals: new Map(),
        counts: new Map(),
        now: [],
        confirmed: [],
      };
      groups.set(signal.group, state);
      if (state.signals.has(signal.id) || isFlood(state, signal)) continue;
      touched.add(state);
      state.signals.set(signal.id, signal);
    }
    for (const state of touched) {
      state.now = groupSignals([...state.signals.values()], options);
      unconfirmed.add(state);
    }
    return late;
  };

  const confirm = () => {
    for (const state of unconfirmed) state.confirmed = state.now;
    unconfirmed.clear();
  };

  take(options.past ?? []);
  confirm();

  return {
    confirm,

    add(signals) {
      const late = take(signals);
      const states = [...unconfirmed];
      return {
        changed: states.flatMap(({ now, confirmed }) => changedSince(confirmed, now)),
        replaced: states.flatMap(({ now, confirmed }) => replacedBy(confirmed, now)),
        late,
      };
    },

    settle(watermark) {
      horizon = Math.max(horizon, watermark - retentionMs);
      let held = 0;
      for (const [name, state] of groups) {
        if (!unconfirmed.has(state)) dropEnded(state, horizon);
        if (state.signals.size === 0) groups.delete(name);
        held += state.signals.size;
      }
      return held;
    },
  };
}

function isFlood(state: GroupState, signal: Signal): boolean {
  const name = `${signal.rule}\n${Math.floor(signal.time / 86_400_000)}`;
  const count = (state.counts.get(name) ?? 0) + 1;
  state.counts.set(name, count);
  return count > signalsPerRuleAndDayMax;
}

/** Alerts go as a whole: half an episode would be named by the wrong signal. */
function dropEnded(state: GroupState, horizon: number): void {
  const ended = state.now.filter((g) => Date.parse(g.alert.last) + episodeMs < horizon);
  for (const g of ended) for (const id of g.signalIds) state.signals.delete(id);
  state.now = state.now.filter((g) => !ended.includes(g));
  state.confirmed = state.now;
}

function changedSince(before: readonly Grouped[], now: readonly Grouped[]): Grouped[] {
  const said = new Map(before.map((g) => [g.alert.id, JSON.stringify(g.alert)]));
  return now.filter((g) => said.get(g.alert.id) !== JSON.stringify(g.alert));
}

/** An early alert belongs to the story that now holds the signal it was named by (or any of its signals). */
function replacedBy(before: readonly Grouped[], now: readonly Grouped[]): Replaced[] {
  const ids = new Set(now.map((g) => g.alert.id));
  return before
    .filter((g) => !ids.has(g.alert.id))
    .map((g) => {
      const sign = g.anchor?.signal ?? g.signalIds[0] ?? '';
      const heir = now.find((n) => n.signalIds.includes(sign));
      return { id: g.alert.id, by: heir?.alert.id ?? '' };
    });
}
