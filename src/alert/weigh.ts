import { type Level, levelRank, type Signal } from '../core/signal.ts';

/**
 * What one kind of signal adds to the sum for an entity and day. The unit is "one weak sign": a thing that
 * happens to innocent people now and then (a first read, a new address).
 * A baseline that calls itself medium has done the arithmetic of chance alone, so it is worth two.
 */
const weightOfLevel: Readonly<Record<Level, number>> = {
  // Said for context (a login, a renewal); four of them together are one sign.
  informational: 0.25,
  low: 1,
  medium: 2,
  high: 4,
  critical: 8,
};

/** A repeat says little that the first did not: the same cause makes both. */
const repeatWeightRatio = 0.25;

/** Four signals of one kind are as loud as it gets; below 2.0 together, so that one kind never agrees with itself. */
const repeatsCountedMax = 3;

/** Two kinds that are independent and rare each: the first point where chance alone is a poor explanation. */
const mediumSum = 2;

/** Four kinds at once, or two that were improbable alone. */
const highSum = 4;

/** An announcement halves a soft sign: buys precision, not silence (two announced kinds still count as one sign). */
const explainedWeightRatio = 0.5;

/** A signal as the grouping sees it: announcements are taken into account. */
export interface Weighed {
  readonly signal: Signal;
  readonly level: Level;
  readonly weight: number;
  /** Weak signals never make an alert of medium by themselves; they add up. */
  readonly isWeak: boolean;
  readonly isDamped: boolean;
}

/**
 * Default of `isHard`: a named rule whose author says high or critical about a single act (root, audit device,
 * destroy, crown jewel, an identity that left). A change window must not become a hiding place for these.
 */
export function isHardByLevel(signal: Signal): boolean {
  return signal.kind !== 'baseline' && levelRank(signal.level) >= levelRank('high');
}

/** Applies announcements: soft signals that are explained become at most low and count half, hard ones never. */
export function weigh(signal: Signal, isHard: (signal: Signal) => boolean): Weighed {
  const isDamped = signal.explained.length > 0 && !isHard(signal);
  const level = isDamped && levelRank(signal.level) > levelRank('low') ? 'low' : signal.level;
  const weight = weightOfLevel[level] * (isDamped ? explainedWeightRatio : 1);
  const isWeak = signal.kind === 'baseline' || levelRank(level) < levelRank('medium');
  return { signal, level, weight, isWeak, isDamped };
}

/** The sum over distinct kinds (rule ids): the heaviest of each in full, repeats a little and capped. */
function sumOf(parts: readonly Weighed[]): number {
  const kinds = new Map<string, { top: number; count: number }>();
  for (const { signal, weight } of parts) {
    const kind = kinds.get(signal.rule) ?? { top: 0, count: 0 };
    kinds.set(signal.rule, { top: Math.max(kind.top, weight), count: kind.count + 1 });
  }
  let sum = 0;
  for (const { top, count } of kinds.values()) {
    sum += top * (1 + repeatWeightRatio * Math.min(count - 1, repeatsCountedMax));
  }
  return sum;
}

/**
 * Severity of an alert: the strongest named part, or what the sum says. A sum alone never says critical
 * (critical wakes a person: only a rule that names the act may do that), nor does a baseline.
 */
export function severityOf(parts: readonly Weighed[]): Level {
  const sum = sumOf(parts);
  let level: Level = sum >= highSum ? 'high' : sum >= mediumSum ? 'medium' : 'informational';
  for (const part of parts) {
    const own = part.isWeak && levelRank(part.level) > levelRank('low') ? 'low' : part.level;
    if (levelRank(own) > levelRank(level)) level = own;
  }
  return level;
}
