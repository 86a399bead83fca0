import { negativeBinomialTail } from './negativeBinomial.ts';
import { hourMs } from './parameters.ts';

/** What one hour of an entity should bring. */
export interface Expectation {
  /** Chance of any act in this hour. */
  readonly active: number;
  /** Acts to be expected when there are any. */
  readonly volume: number;
  /** Size of the negative binomial of an active hour: small = bursty, large = steady. */
  readonly size: number;
}

export interface HourModel {
  expect(hour: number): Expectation;
  /** A whole hour, counted from the epoch, that is old enough to teach. */
  learn(hour: number, count: number): void;
}

const weekHours = 168;

/** How strange an hour must be to be down-weighted when it teaches: one in a thousand, about one a season. */
const outlierChance = 0.001;

/** Before residuals speak, an active hour scatters like a geometric (size 1): a login and its reads. */
const dispersionPrior = 1;
/** Nearly Poisson and lone bursts: the ends between which an estimate is believed. */
const dispersionMin = 0.05;
const dispersionMax = 20;

/** Sums over cells of the week. `seen` hours, `active` ones among them, `acts` in these. */
interface Sums {
  seen: number;
  active: number;
  acts: number;
}

/**
 * Chance of at least `count` acts in an hour: that it is active at all, times the tail when it is. One act where
 * none is expected is then as rare as activity is, not a multiple of some tiny mean (lessons-detection, 9).
 */
export function hourTail(count: number, { active, volume, size }: Expectation): number {
  if (count <= 0) return 1;
  return active * negativeBinomialTail(count - 1, Math.max(volume - 1, 0.01), size);
}

/**
 * Hour-of-week expectation in the manner of Farrington: 168 cells, each shrunk to its hour of the day by kind of
 * day (weekday, weekend), and that to the entity's level, as long as there are few weeks.
 */
export function createHourModel(shrinkWeeks: number): HourModel {
  const cells: Sums[] = Array.from({ length: weekHours }, () => ({ seen: 0, active: 0, acts: 0 }));
  const classes: Sums[] = Array.from({ length: 48 }, () => ({ seen: 0, active: 0, acts: 0 }));
  const all: Sums = { seen: 0, active: 0, acts: 0 };
  // Of the volume of active hours, beyond the first act: squared residuals less Poisson's, and squared means.
  let excess = 0;
  let square = 0;

  const expect = (hour: number): Expectation => {
    const cell = cells[cellOf(hour)] as Sums;
    const ofClass = classes[classOf(hour)] as Sums;
    // Half an active hour in one more (Jeffreys): what never happened is rare, not impossible.
    const level = {
      active: (all.active + 0.5) / (all.seen + 1),
      volume: (all.acts + 1) / (all.active + 0.5),
    };
    const middle = shrunk(ofClass, level, shrinkWeeks);
    const { active, volume } = shrunk(cell, middle, shrinkWeeks);
    const beyond = Math.max(volume - 1, 0.01) ** 2;
    const dispersion = (excess + dispersionPrior * beyond * shrinkWeeks) / (square + beyond * shrinkWeeks);
    return { active, volume, size: 1 / Math.min(dispersionMax, Math.max(dispersionMin, dispersion)) };
  };

  return {
    expect,
    learn(hour, count) {
      const expected = expect(hour);
      const beyond = Math.max(expected.volume - 1, 0.01);
      const spread = Math.sqrt(beyond + (beyond * beyond) / expected.size);
      const isOutlier = count > expected.volume && hourTail(count, expected) < outlierChance;
      const used = isOutlier ? Math.min(count, expected.volume + 3 * spread) : count;
      for (const sums of [cells[cellOf(hour)] as Sums, classes[classOf(hour)] as Sums, all]) {
        sums.seen += 1;
        if (used === 0) continue;
        sums.active += 1;
        sums.acts += used;
      }
      if (used === 0) return;
      excess += (used - 1 - beyond) ** 2 - beyond;
      square += beyond * beyond;
    },
  };
}

/** `weeks` hours of the wider group speak beside the narrow one's own. */
function shrunk(own: Sums, wide: { active: number; volume: number }, weeks: number) {
  return {
    active: (own.active + weeks * wide.active) / (own.seen + weeks),
    volume: Math.max(1, (own.acts + weeks * wide.volume) / (own.active + weeks)),
  };
}

/** The epoch began on a Thursday; cell 0 is Sunday 00:00 UTC. */
function cellOf(hour: number): number {
  return (((hour + 4 * 24) % weekHours) + weekHours) % weekHours;
}

/** Hour of the day, weekdays apart from the weekend. */
function classOf(hour: number): number {
  const cell = cellOf(hour);
  const isWeekend = cell < 24 || cell >= 144;
  return (cell % 24) + (isWeekend ? 24 : 0);
}

export function hourOf(timeMs: number): number {
  return Math.floor(timeMs / hourMs);
}

const names = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** `Tuesday 14 h`. */
export function hourText(hour: number): string {
  const cell = cellOf(hour);
  return `${names[Math.floor(cell / 24)]} ${cell % 24} h`;
}
