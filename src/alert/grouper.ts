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
export const retentionMs = episodeMs + 24 * 3600_000;

export interface Replaced {
  /** Id that was told early. */
  readonly id: string;
  /** Id of the story it turned out to belong to. */
  readonly by: string;
}

export interface GroupChange {
  /** Alerts that are new or say something new, as the store keeps them. */
  readonly changed: readonly Grouped[];
  readonly replaced: readonly Replaced[];
  /** Signals behind the retention, not grouped. */
  readonly late: number;
}

export interface Grouper {
  add(signals: readonly Signal[]): GroupChange;
  /** Forgets what ended long before the watermark; returns how many signals are still held. */
  settle(watermark: number): number;
}

export interface GrouperOptions extends GroupOptions {
  /** Signals already told before a restart: they are known, and change nothing by themselves. */
  readonly past?: readonly Signal[];
}

interface GroupState {
  signals: Map<string, Signal>;
  told: readonly Grouped[];
}

/** One instance for the whole stream of signals; memory is bounded by `retentionMs` of signals. */
export function createGrouper(options: GrouperOptions = {}): Grouper {
  const groups = new Map<string, GroupState>();
  let horizon = Number.NEGATIVE_INFINITY;

  const take = (signals: readonly Signal[]) => {
    const touched = new Set<string>();
    let late = 0;
    for (const signal of signals) {
      if (signal.time < horizon) {
        late += 1;
        continue;
      }
      const state = groups.get(signal.group) ?? { signals: new Map<string, Signal>(), told: [] };
      groups.set(signal.group, state);
      if (!state.signals.has(signal.id)) touched.add(signal.group);
      state.signals.set(signal.id, signal);
    }
    return { touched, late };
  };

  const regroup = (state: GroupState): { now: readonly Grouped[]; before: readonly Grouped[] } => {
    const before = state.told;
    state.told = groupSignals([...state.signals.values()], options);
    return { now: state.told, before };
  };

  for (const name of take(options.past ?? []).touched) regroup(groups.get(name) as GroupState);

  return {
    add(signals) {
      const { touched, late } = take(signals);
      const changed: Grouped[] = [];
      const replaced: Replaced[] = [];
      for (const name of touched) {
        const { now, before } = regroup(groups.get(name) as GroupState);
        const saidBefore = new Map(before.map((g) => [g.alert.id, JSON.stringify(g.alert)]));
        for (const g of now) {
          if (saidBefore.get(g.alert.id) === JSON.stringify(g.alert)) continue;
          changed.push(g);
        }
        replaced.push(...replacedBy(before, now));
      }
      return { changed, replaced, late };
    },

    settle(watermark) {
      horizon = Math.max(horizon, watermark - retentionMs);
      let held = 0;
      for (const [name, state] of groups) {
        dropEnded(state, horizon);
        if (state.signals.size === 0) groups.delete(name);
        held += state.signals.size;
      }
      return held;
    },
  };
}

/** Alerts go as a whole: half an episode would be named by the wrong signal. */
function dropEnded(state: GroupState, horizon: number): void {
  const ended = state.told.filter((g) => Date.parse(g.alert.last) + episodeMs < horizon);
  for (const g of ended) for (const id of g.signalIds) state.signals.delete(id);
  state.told = state.told.filter((g) => !ended.includes(g));
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
