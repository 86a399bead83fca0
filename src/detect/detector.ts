import { createHash } from 'node:crypto';
import type { Signal } from '../core/signal.ts';
import type { Baselines } from './baseline/engine.ts';
import { explainedOf } from './baseline/signal.ts';
import { hitEvent } from './hitFields.ts';
import type { ObservedEvent } from './observed.ts';
import { firingSentence, hitSentence, titleLookup } from './sentences.ts';
import {
  type CompiledSet,
  type Correlation,
  createCorrelator,
  type Firing,
  type Rule,
} from './sigma/sigma.ts';

/** A signal carries this many of its events: enough to score and to read, small enough to store. */
const eventsMax = 200;

/** The one evaluator, live and over history: what a single event says, and what events say over time. */
export interface Detector {
  /** Rules that one event alone fulfils; in any order. */
  inline(event: ObservedEvent): Signal[];
  /** Correlations and baselines; in order of event time. */
  push(event: ObservedEvent): Signal[];
  /** Event time has come this far, events or not. */
  advance(timeMs: number): Signal[];
}

export function createDetector(set: CompiledSet, baselines: Baselines): Detector {
  const rules = new Map(set.rules.map((r) => [r.id, r]));
  const titleOf = titleLookup([...set.rules, ...set.correlations]);
  const correlator = createCorrelator<ObservedEvent>(set);
  const firings = (found: readonly Firing<ObservedEvent>[]) =>
    found
      .filter((f) => f.correlation.alerts)
      .map((f) => signalOf('correlation', f.correlation, f.refs, f.count, firingSentence(f, titleOf)));
  // A rule that was removed since: its old hits stay in the store and speak no more.
  const known = (event: ObservedEvent) =>
    event.ruleHits.flatMap((hit) => {
      const rule = rules.get(hit.rule);
      return rule === undefined ? [] : [{ rule, fields: hit.fields }];
    });
  return {
    inline: (event) =>
      known(event)
        .filter(({ rule }) => rule.alerts)
        .map(({ rule }) => signalOf('rule', rule, [event], 1, hitSentence(event))),
    push(event) {
      const fired = known(event).flatMap(({ rule, fields }) =>
        firings(correlator.push({ rule, timeMs: event.timeMs, event: hitEvent(rule, fields), ref: event })),
      );
      return [...fired, ...baselines.push(event)];
    },
    advance(timeMs) {
      return [...firings(correlator.advance(timeMs)), ...baselines.advance(timeMs)];
    },
  };
}

function signalOf(
  kind: Signal['kind'],
  rule: Rule | Correlation,
  events: readonly ObservedEvent[],
  seen: number,
  sentence: string,
): Signal {
  const first = events[0];
  const last = events.at(-1);
  if (first === undefined || last === undefined) throw new Error(`${rule.id} found something in no event`);
  const group = entityOf(rule, last);
  const kept = events.slice(-eventsMax);
  return {
    id: signalId(rule.id, group, last.ref),
    kind,
    rule: rule.id,
    title: rule.title,
    level: rule.level,
    advice: rule.advice,
    group,
    first: first.timeMs,
    last: last.timeMs,
    time: last.timeMs,
    identity: last.identity || last.actor_id,
    identityName: last.actor_name || last.target_actor,
    secret: last.secret,
    secrets: unique(kept.map((e) => e.secret)),
    srcIps: unique(kept.map((e) => e.src_ip)),
    sessions: unique(kept.map((e) => e.session_id)),
    events: kept.map((e) => e.ref),
    requests: unique(kept.map((e) => e.request_id)),
    eventsTotal: events.length,
    unusual: { seen, sentence },
    explained: explainedOf(kept, []),
  };
}

/** The same whenever the same events are evaluated again: rule, entity and completing event. */
function signalId(rule: string, group: string, ref: string): string {
  return createHash('sha256').update(`signal-v1\0${rule}\0${group}\0${ref}`).digest('hex').slice(0, 32);
}

/** The entity: the rule's own choice, else whoever did it, else where it came from, else what it touched. */
function entityOf(rule: Rule | Correlation, event: ObservedEvent): string {
  for (const field of rule.group) {
    const value: unknown = (event as unknown as Record<string, unknown>)[field.replace(/^kw\./, '')];
    if (typeof value === 'string' && value !== '') return value;
  }
  return (
    event.identity || event.actor_id || event.target_actor || event.src_ip || event.object_id || event.source
  );
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values.filter((v) => v !== ''))];
}
