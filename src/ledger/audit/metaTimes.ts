import { type MetaLeaf, metaValue } from '../meta.ts';
import type { Finding } from './findings.ts';

/** When somebody outside the store had seen so many leaves of the meta-log. */
export interface OutsideTime {
  readonly size: number;
  /** Milliseconds. */
  readonly time: number;
}

/** Between taking the time and signing lies a write to the store, which may be slow or tried again. */
const toleranceMs = 600_000;
/** More of them say no more. */
const findingsMax = 20;

/**
 * Holds the leaves' times against each other and against those outside (docs/ledger.md, "Back-dated"). A clock that
 * was set back is lawful: the leaf that meets it says so in its line `clock`, and the report lists it.
 */
export function timeWatch(outside: readonly OutsideTime[]) {
  const findings: Finding[] = [];
  const notes: string[] = [];
  const seen = outside.toSorted((a, b) => a.size - b.size);
  let next = 0;
  let previous: number | undefined;
  /** No leaf from here on can be older than this. */
  let floor = Number.NEGATIVE_INFINITY;
  const say = (index: number, detail: string) => {
    if (findings.length < findingsMax) {
      findings.push({ class: 'back-dated', tree: 'meta', offset: BigInt(index), detail });
    }
  };
  return {
    findings,
    notes,
    see(index: number, leaf: MetaLeaf): void {
      const { time } = leaf;
      for (; next < seen.length && (seen[next] as OutsideTime).size <= index; next += 1) {
        floor = Math.max(floor, (seen[next] as OutsideTime).time);
      }
      if (previous !== undefined && time < previous) {
        if (metaValue(leaf, 'clock') === iso(previous)) {
          notes.push(`the clock went back from ${iso(previous)} to ${iso(time)}`);
          floor -= previous - time;
        } else say(index, `its time ${iso(time)} lies before that of the leaf before it, ${iso(previous)}`);
      }
      if (time < floor - toleranceMs) {
        say(index, `it says ${iso(time)}, but the leaves before it were anchored at ${iso(floor)}`);
      }
      const own = seen[next]?.size === index + 1 ? seen[next] : undefined;
      if (own !== undefined && own.time < time - toleranceMs) {
        say(index, `it says ${iso(time)}, but was anchored at ${iso(own.time)}, before it was written`);
      }
      previous = time;
    },
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
