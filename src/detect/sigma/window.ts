import { compareNumbers } from './compare.ts';
import type { Correlation } from './rule.ts';

/** One event in a window. */
export interface Member<R> {
  readonly timeMs: number;
  readonly ruleId: string;
  readonly refs: readonly R[];
  /** What is counted when it is not events: the values of value_count, else the rule. */
  readonly values: readonly string[];
}

/** One group's events of the last timespan, in event-time order. */
export interface Window<R> {
  readonly key: readonly string[];
  readonly members: Member<R>[];
  /** How many members show each value: the distinct count is its size, without counting again. */
  readonly counts: Map<string, number>;
  /** Time of the completing event while the group is not re-armed. */
  firedAt: number | undefined;
}

export function createWindow<R>(key: readonly string[]): Window<R> {
  return { key, members: [], counts: new Map(), firedAt: undefined };
}

export function addMember<R>(window: Window<R>, member: Member<R>): void {
  window.members.push(member);
  for (const value of member.values) window.counts.set(value, (window.counts.get(value) ?? 0) + 1);
}

/** Forgets what happened before `fromMs`. Gives the number of members that went. */
export function dropBefore<R>(window: Window<R>, fromMs: number): number {
  const { members } = window;
  let gone = 0;
  while (gone < members.length && (members[gone] as Member<R>).timeMs < fromMs) gone += 1;
  return dropFirst(window, gone);
}

/**
 * Brings a window down to `keep` members. Repeats of a value go first and the latest of each stays, so that one
 * chatty secret cannot push the others out of a distinct count.
 */
export function shrink<R>(window: Window<R>, keep: number): number {
  const before = window.members.length;
  const later = new Set<string>();
  const kept: Member<R>[] = [];
  for (let i = before - 1; i >= 0; i -= 1) {
    const member = window.members[i] as Member<R>;
    if (kept.length < keep && (member.values.length === 0 || member.values.some((v) => !later.has(v)))) {
      kept.push(member);
    }
    for (const value of member.values) later.add(value);
  }
  window.members.length = 0;
  window.counts.clear();
  for (const member of kept.reverse()) addMember(window, member);
  return before - kept.length;
}

function dropFirst<R>(window: Window<R>, gone: number): number {
  if (gone === 0) return 0;
  for (let i = 0; i < gone; i += 1) {
    for (const value of (window.members[i] as Member<R>).values) {
      const left = (window.counts.get(value) as number) - 1;
      if (left === 0) window.counts.delete(value);
      else window.counts.set(value, left);
    }
  }
  window.members.splice(0, gone);
  return gone;
}

export interface Counted<R> {
  readonly count: number;
  /** The events that speak for the count. */
  readonly members: readonly Member<R>[];
}

/** What the window shows, when it meets the correlation's condition. */
export function met<R>(correlation: Correlation, window: Window<R>): Counted<R> | undefined {
  const { members, counts } = window;
  let counted: Counted<R>;
  if (correlation.type === 'event_count') counted = { count: members.length, members };
  else if (correlation.type === 'temporal_ordered') counted = inOrder(correlation, members);
  else counted = { count: counts.size, members };
  return correlation.criteria.every((c) => compareNumbers(counted.count, c.op, c.value))
    ? counted
    : undefined;
}

/** As many steps of the rules' order as the window shows; taking each step as early as it comes finds the most. */
function inOrder<R>(correlation: Correlation, members: readonly Member<R>[]): Counted<R> {
  const steps: Member<R>[] = [];
  for (const member of members) {
    if (member.ruleId === correlation.rules[steps.length]) steps.push(member);
  }
  return { count: steps.length, members: steps.length > 0 ? steps : members };
}
