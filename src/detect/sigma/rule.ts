import type { Level } from '../../core/signal.ts';
import type { Comparison } from './compare.ts';
import type { Position } from './diagnostic.ts';
import type { Node } from './node.ts';
import type { Vocabulary } from './view.ts';

export const statuses = ['stable', 'test', 'experimental', 'deprecated', 'unsupported'] as const;
export type Status = (typeof statuses)[number];

/** What a rule says about the log it is for; each part it names must be equal. */
export interface Logsource {
  readonly product?: string;
  readonly service?: string;
  readonly category?: string;
}

/** One example beside the rule: raw events and whether it must match (or the correlation fire). */
export interface RuleTest extends Position {
  readonly name: string;
  readonly match: boolean;
  readonly events: readonly TestEvent[];
}

export interface TestEvent {
  readonly event: unknown;
  /** What enrichment would have added: tests know no catalog. */
  readonly kw: Readonly<Record<string, unknown>>;
  /** The event so many times, `{n}` in its texts counting from 0, `everyMs` apart. */
  readonly repeat: number;
  readonly everyMs: number;
}

/** What detection rules and correlations have in common. */
export interface RuleHead extends Position {
  /** The document's id, else its name, else its title. */
  readonly id: string;
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly status: Status | '';
  readonly level: Level;
  readonly tags: readonly string[];
  readonly falsepositives: readonly string[];
  readonly references: readonly string[];
  /** What to do about a hit, in one sentence (`keywitness: advice`). */
  readonly advice: string;
  /** Event fields that name the entity an alert is grouped by (`keywitness: group`). */
  readonly group: readonly string[];
  readonly tests: readonly RuleTest[];
  readonly file: string;
  /** False when only correlations speak for it: referred to by one without `generate: true`. */
  readonly alerts: boolean;
}

export interface Rule extends RuleHead {
  readonly kind: 'rule';
  readonly logsource: Logsource;
}

export const correlationTypes = ['event_count', 'value_count', 'temporal', 'temporal_ordered'] as const;
export type CorrelationType = (typeof correlationTypes)[number];

export interface Criterion {
  readonly op: Comparison;
  readonly value: number;
}

export interface Correlation extends RuleHead {
  readonly kind: 'correlation';
  readonly type: CorrelationType;
  /** Ids of the rules and correlations it joins, in the order written. */
  readonly rules: readonly string[];
  readonly groupBy: readonly string[];
  readonly timespanMs: number;
  readonly criteria: readonly Criterion[];
  /** value_count: the fields whose distinct values count. */
  readonly fields: readonly string[];
  /** alias → rule id → field. */
  readonly aliases: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly generate: boolean;
}

/** A rule as it is loaded: the head people see and the tree the engine runs. */
export interface LoadedRule {
  readonly rule: Rule;
  readonly node: Node;
  readonly vocabulary: Vocabulary;
}
