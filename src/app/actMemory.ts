import type { ObservedEvent } from '../detect/observed.ts';

/** A copy by a second device, trail or region comes within this time of the first: no source is later. */
const copiesWithinMs = 30 * 60_000;

/** Which acts were met already, for as long as copies of them may still come. */
export interface ActMemory {
  /** True for the first copy of an act. */
  readonly isFirst: (event: ObservedEvent) => boolean;
  /** Event time has come this far: older acts are let go. */
  forget(timeMs: number): void;
}

export function createActMemory(): ActMemory {
  let recent = new Set<string>();
  /** Let go as a whole when `recent` has filled for long enough. */
  let older = new Set<string>();
  let turnedAt = Number.NEGATIVE_INFINITY;
  return {
    isFirst({ source, dup_key }) {
      const act = `${source}\n${dup_key}`;
      if (recent.has(act) || older.has(act)) return false;
      recent.add(act);
      return true;
    },
    forget(timeMs) {
      if (timeMs - turnedAt < copiesWithinMs) return;
      older = recent;
      recent = new Set();
      turnedAt = timeMs;
    },
  };
}
