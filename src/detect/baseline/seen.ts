import type { BaselineEvent } from './event.ts';
import type { FieldReader } from './fields.ts';

/** What others know of a value: who of which group showed it, and when it was made. */
export interface Seen {
  /** For every event, whether the document is about it or not: notes what is being made. */
  note(event: BaselineEvent): void;
  /** 1 = a stranger's value; a half = a team mate showed it; 0 = just made, so everybody's first. */
  weight(value: string, entity: string, event: BaselineEvent): number;
  show(value: string, entity: string, event: BaselineEvent): void;
  /** Lets go of what nobody showed for longer than is remembered. */
  prune(timeMs: number): void;
}

/** A team mate's knowledge makes a first less surprising, not nothing (lessons-detection, 4). */
const peerWeight = 0.5;

interface Group {
  readonly entity: string;
  readonly timeMs: number;
}

export function createSeen(value: FieldReader, forgetMs: number, youngMs: number): Seen {
  const made = new Map<string, number>();
  /** Per value and group the last two entities that showed it: enough to find one who is not the asker. */
  const shown = new Map<string, Group[]>();
  const keyOf = (what: string, event: BaselineEvent) => `${groupOf(event)}\n${what}`;
  return {
    note(event) {
      if (event.action !== 'create' || event.outcome !== 'allowed') return;
      const what = value(event);
      if (what !== '') made.set(what, event.timeMs);
    },
    weight(what, entity, event) {
      const madeAt = made.get(what);
      if (madeAt !== undefined && event.timeMs - madeAt <= youngMs) return 0;
      const others = shown.get(keyOf(what, event)) ?? [];
      return others.some((o) => o.entity !== entity && event.timeMs - o.timeMs <= forgetMs) ? peerWeight : 1;
    },
    show(what, entity, event) {
      const key = keyOf(what, event);
      const rest = (shown.get(key) ?? []).filter((o) => o.entity !== entity).slice(-1);
      shown.set(key, [...rest, { entity, timeMs: event.timeMs }]);
    },
    prune(timeMs) {
      for (const [what, madeAt] of made) if (timeMs - madeAt > youngMs) made.delete(what);
      for (const [key, list] of shown) if (list.every((o) => timeMs - o.timeMs > forgetMs)) shown.delete(key);
    },
  };
}

/** The team where the catalog knows it, else those with the same role, else the same kind. */
function groupOf(event: BaselineEvent): string {
  if (event.team !== '') return `team ${event.team} ${event.identity_kind}`;
  if (event.actor_role !== '') return `role ${event.actor_role}`;
  return `kind ${event.identity_kind}`;
}
