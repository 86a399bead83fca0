/** Sigma's levels, in rising order (docs/alerts.md says what each one does). */
export const levels = ['informational', 'low', 'medium', 'high', 'critical'] as const;
export type Level = (typeof levels)[number];

export function levelRank(level: Level): number {
  return levels.indexOf(level);
}

/** How unusual it was: what was seen against what was expected, and the chance of it. */
export interface Unusual {
  readonly expected?: number;
  readonly seen: number;
  /** Chance of at least `seen` under the baseline; absent when the rule has no baseline. */
  readonly p?: number;
  /** One sentence in plain words with the numbers in it. */
  readonly sentence: string;
}

/** One finding about one entity: a rule that hit, a correlation that fired, a baseline that was left. */
export interface Signal {
  /** hash(rule, group, completing event): the same whenever the same events are evaluated again. */
  readonly id: string;
  readonly kind: 'rule' | 'correlation' | 'baseline';
  /** Id of the rule or baseline document. */
  readonly rule: string;
  readonly title: string;
  readonly level: Level;
  /** What to do, from the rule. */
  readonly advice: string;
  /** The entity it is about: identity when known, else address, else secret. Never ''. */
  readonly group: string;
  /** Milliseconds of event time. `time` is the completing event's. */
  readonly first: number;
  readonly last: number;
  readonly time: number;
  readonly identity: string;
  readonly identityName: string;
  readonly secret: string;
  /** All it touched, `secret` among them, in event-time order, at most 200. */
  readonly secrets: readonly string[];
  readonly srcIps: readonly string[];
  readonly sessions: readonly string[];
  /** `stream/partition/epoch/offset/idx`, in event-time order, at most 200. */
  readonly events: readonly string[];
  readonly requests: readonly string[];
  readonly eventsTotal: number;
  readonly unusual: Unusual;
  /** Calendar entries and marks that speak for it being expected. */
  readonly explained: readonly string[];
}

const alertStates = ['open', 'acknowledged', 'resolved', 'false-positive'] as const;
export type AlertState = (typeof alertStates)[number];

/** What people are told, once: one or more signals about one entity. JSON shape of `alerts list --json`. */
export interface Alert {
  readonly id: string;
  readonly rule: string;
  readonly title: string;
  readonly severity: Level;
  readonly state: AlertState;
  /** ISO 8601 UTC. */
  readonly first: string;
  readonly last: string;
  readonly identity: string;
  readonly identityName: string;
  readonly secret: string;
  readonly secrets: readonly string[];
  readonly srcIps: readonly string[];
  readonly sessions: readonly string[];
  readonly owner: string;
  readonly requests: readonly string[];
  readonly events: readonly string[];
  readonly eventsTotal: number;
  /** What happened and how unusual it was, in a sentence or two. */
  readonly summary: string;
  readonly advice: string;
  /** The signals it is made of, strongest first. */
  readonly parts: readonly { rule: string; title: string; level: Level; count: number; sentence: string }[];
}
