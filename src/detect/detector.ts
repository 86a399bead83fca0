import { createHash } from 'node:crypto';
import type { Level, Signal } from '../core/signal.ts';
import type { ObservedEvent } from './observed.ts';

/** What the detector needs to know of a rule to turn a hit into a signal. */
export interface SignalRule {
  readonly id: string;
  readonly title: string;
  readonly level: Level;
  readonly advice: string;
  /** Fields (ours) whose first present value is the entity a signal is about. */
  readonly group: readonly (keyof ObservedEvent & string)[];
}

/** A correlation that fired: the rule, and the events that made it fire, in event-time order. */
export interface Firing {
  readonly rule: SignalRule;
  readonly events: readonly ObservedEvent[];
  readonly count: number;
  readonly sentence: string;
}

/** A signal carries the events that made it, up to this many: enough to score and to read, small enough to store. */
const eventsMax = 200;

/** A hit of a detection rule is a signal by itself. */
export function hitSignal(rule: SignalRule, event: ObservedEvent): Signal {
  return signal('rule', rule, entityOf(rule, event), [event], 1, hitSentence(event));
}

export function firingSignal(firing: Firing): Signal {
  const last = firing.events.at(-1);
  if (last === undefined) throw new Error(`${firing.rule.id} fired without an event`);
  return signal(
    'correlation',
    firing.rule,
    entityOf(firing.rule, last),
    firing.events,
    firing.count,
    firing.sentence,
  );
}

function signal(
  kind: Signal['kind'],
  rule: SignalRule,
  group: string,
  events: readonly ObservedEvent[],
  seen: number,
  sentence: string,
): Signal {
  const first = events[0] as ObservedEvent;
  const last = events.at(-1) as ObservedEvent;
  const kept = events.slice(-eventsMax);
  return {
    id: createHash('sha256')
      .update(`signal-v1\0${rule.id}\0${group}\0${last.ref}`)
      .digest('hex')
      .slice(0, 32),
    kind,
    rule: rule.id,
    title: rule.title,
    level: rule.level,
    advice: rule.advice,
    group,
    first: first.timeMs,
    last: last.timeMs,
    time: last.timeMs,
    identity: last.identity,
    identityName: last.actor_name,
    secret: last.secret,
    srcIps: unique(kept.map((e) => e.src_ip)),
    sessions: unique(kept.map((e) => e.session_id)),
    events: kept.map((e) => e.ref),
    requests: unique(kept.map((e) => e.request_id)),
    eventsTotal: events.length,
    unusual: { seen, sentence },
    explained: unique(kept.flatMap((e) => e.marks.filter((m) => m.startsWith('explained')))),
  };
}

/** The entity: the rule's own choice, else whoever did it, else where it came from, else what it touched. */
function entityOf(rule: SignalRule, event: ObservedEvent): string {
  for (const field of rule.group) {
    const value = event[field];
    if (typeof value === 'string' && value !== '') return value;
  }
  return (
    event.identity || event.actor_id || event.target_actor || event.src_ip || event.object_id || event.source
  );
}

function hitSentence(event: ObservedEvent): string {
  const who = event.actor_name || event.actor_id || event.target_actor || 'an unidentified caller';
  const from = event.src_ip === '' ? '' : ` from ${event.src_ip}`;
  return `${who} did ${event.operation || event.action} on ${event.object_id || 'no named object'}${from}: ${event.outcome}.`;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values.filter((v) => v !== ''))];
}
