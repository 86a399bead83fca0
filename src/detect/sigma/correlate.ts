import { compileEventField, compileNativeField, createFound, type Found } from './field.ts';
import type { Correlation, Rule } from './rule.ts';
import { ownCategory, textOf } from './view.ts';
import { addMember, createWindow, dropBefore, met, shrink, type Window } from './window.ts';

/** An event as a correlation sees it. */
export interface CorrelatedEvent {
  readonly native: unknown;
  readonly kw?: object | undefined;
}

/** One hit of a rule. Hits come in event-time order. */
export interface Hit<R> {
  readonly rule: Rule;
  readonly timeMs: number;
  readonly event: CorrelatedEvent;
  /** How the caller names the event. */
  readonly ref: R;
}

export interface Firing<R> {
  readonly correlation: Correlation;
  readonly correlationId: string;
  /** Values of the group-by fields, in their order. */
  readonly groupKey: readonly string[];
  readonly first: number;
  readonly last: number;
  /** The events that made it fire, in event-time order. */
  readonly refs: readonly R[];
  /** Events, distinct values or distinct rules, whichever the correlation counts. */
  readonly count: number;
}

interface CorrelatorStats {
  readonly groups: number;
  readonly events: number;
  /** Groups given up because there were too many: their windows begin anew. */
  readonly evicted: number;
  /** Events forgotten before their window ended, beyond `eventsMax` of one group. */
  readonly truncated: number;
}

export interface Correlator<R> {
  /** Takes one hit and gives what fires now, windows that close before it included. */
  push(hit: Hit<R>): Firing<R>[];
  /** Event time has come this far: closes windows. */
  advance(timeMs: number): Firing<R>[];
  /** The input ends here: closes every window. */
  finish(): Firing<R>[];
  readonly stats: CorrelatorStats;
}

export interface CorrelatorLimits {
  /** Groups of all correlations together, and events in their windows: some 300 B each. */
  readonly groupsMax: number;
  readonly eventsTotalMax: number;
  /** Events one group's window holds beyond what its threshold needs. */
  readonly eventsMax: number;
}

const defaultLimits: CorrelatorLimits = { groupsMax: 200_000, eventsTotalMax: 1_000_000, eventsMax: 1_000 };

interface Running<R> {
  readonly correlation: Correlation;
  /** True for conditions that more events can undo (lt, lte, eq, neq): decided when the window closes. */
  readonly decidesAtClose: boolean;
  readonly keep: number;
  /** In the order of their last event, the longest silent first. */
  readonly windows: Map<string, Window<R>>;
  /** Windows to decide at close, in the order they opened, which is the order they close. */
  readonly opened: { text: string; closesAt: number }[];
}

/** What flows between correlations: a hit of a rule, or the firing of a correlation. */
interface Signal<R> {
  readonly ruleId: string;
  readonly timeMs: number;
  readonly refs: readonly R[];
  readonly read: (field: string) => string[];
}

type Stats = { -readonly [K in keyof CorrelatorStats]: CorrelatorStats[K] };

/** The incremental evaluator of all correlations of a set: state comes from what is pushed, nothing else. */
export function createCorrelator<R>(
  correlations: readonly Correlation[],
  limits: CorrelatorLimits = defaultLimits,
): Correlator<R> {
  const stats: Stats = { groups: 0, events: 0, evicted: 0, truncated: 0 };
  const running = correlations.map((correlation) => start<R>(correlation, limits));
  const readers = new Map<string, Running<R>[]>();
  for (const each of running) {
    for (const rule of each.correlation.rules) readers.set(rule, [...(readers.get(rule) ?? []), each]);
  }
  const offer = (signal: Signal<R>, out: Firing<R>[]): void => {
    for (const each of readers.get(signal.ruleId) ?? []) {
      const firing = take(each, signal, stats);
      makeRoom(each, limits, stats);
      if (firing) emit(firing, signal.read, out);
    }
  };
  const emit = (firing: Firing<R>, read: Signal<R>['read'], out: Firing<R>[]): void => {
    out.push(firing);
    offer(asSignal(firing, read), out);
  };
  const advance = (timeMs: number): Firing<R>[] => {
    const out: Firing<R>[] = [];
    for (const each of running) {
      for (const firing of close(each, timeMs, stats)) emit(firing, () => [], out);
      forget(each, timeMs, stats);
    }
    return out;
  };
  return {
    push(hit) {
      if (!readers.has(hit.rule.id)) return [];
      const out = advance(hit.timeMs);
      const read = fieldReader(hit.rule, hit.event);
      offer({ ruleId: hit.rule.id, timeMs: hit.timeMs, refs: [hit.ref], read }, out);
      return out;
    },
    advance,
    finish: () => advance(Number.POSITIVE_INFINITY),
    stats,
  };
}

function start<R>(correlation: Correlation, limits: CorrelatorLimits): Running<R> {
  const asked = Math.max(...correlation.criteria.map((c) => c.value));
  return {
    correlation,
    decidesAtClose: correlation.criteria.some((c) => c.op !== 'gt' && c.op !== 'gte'),
    keep: Math.max(limits.eventsMax, Math.ceil(asked) + 1),
    windows: new Map(),
    opened: [],
  };
}

/** A firing is an event to the correlations above: its group's fields first, then those of the completing event. */
function asSignal<R>(firing: Firing<R>, read: Signal<R>['read']): Signal<R> {
  const { groupBy } = firing.correlation;
  return {
    ruleId: firing.correlationId,
    timeMs: firing.last,
    refs: firing.refs,
    read(field) {
      const index = groupBy.indexOf(field);
      return index >= 0 ? [firing.groupKey[index] as string] : read(field);
    },
  };
}

function take<R>(running: Running<R>, signal: Signal<R>, stats: Stats): Firing<R> | undefined {
  const { correlation, windows, keep } = running;
  const key = groupKeyOf(correlation, signal);
  const values = key && valuesOf(correlation, signal);
  if (!key || !values) return undefined;
  const text = JSON.stringify(key);
  let window = windows.get(text);
  if (window) windows.delete(text);
  else {
    window = createWindow(key);
    stats.groups += 1;
    if (running.decidesAtClose) {
      running.opened.push({ text, closesAt: signal.timeMs + correlation.timespanMs });
    }
  }
  windows.set(text, window);
  addMember(window, { timeMs: signal.timeMs, ruleId: signal.ruleId, refs: signal.refs, values });
  stats.events += 1;
  if (window.members.length > 2 * keep) {
    const gone = shrink(window, keep);
    stats.events -= gone;
    stats.truncated += gone;
  }
  return running.decidesAtClose ? undefined : decide(running, window, signal.timeMs, stats);
}

/** Fires once for each group and window: again only for an event more than a timespan after the one that fired. */
function decide<R>(
  running: Running<R>,
  window: Window<R>,
  timeMs: number,
  stats: Stats,
): Firing<R> | undefined {
  const { correlation } = running;
  stats.events -= dropBefore(window, timeMs - correlation.timespanMs);
  if (window.firedAt !== undefined && timeMs <= window.firedAt + correlation.timespanMs) return undefined;
  window.firedAt = undefined;
  const firing = firingOf(correlation, window);
  if (firing) window.firedAt = timeMs;
  return firing;
}

function close<R>(running: Running<R>, timeMs: number, stats: Stats): Firing<R>[] {
  const { opened, windows, correlation } = running;
  const out: Firing<R>[] = [];
  let closed = 0;
  while (closed < opened.length && (opened[closed] as { closesAt: number }).closesAt < timeMs) {
    const { text } = opened[closed] as { text: string };
    closed += 1;
    const window = windows.get(text);
    if (!window) continue;
    const firing = firingOf(correlation, window);
    if (firing) out.push(firing);
    remove(running, text, window, stats);
  }
  opened.splice(0, closed);
  return out;
}

/** Windows whose time and re-arming lie behind: nothing they hold can matter any more. */
function forget<R>(running: Running<R>, timeMs: number, stats: Stats): void {
  if (running.decidesAtClose) return;
  for (const [text, window] of running.windows) {
    const last = window.members.at(-1)?.timeMs ?? Number.NEGATIVE_INFINITY;
    if (last + running.correlation.timespanMs >= timeMs) break;
    remove(running, text, window, stats);
  }
}

function remove<R>(running: Running<R>, text: string, window: Window<R>, stats: Stats): void {
  running.windows.delete(text);
  stats.groups -= 1;
  stats.events -= window.members.length;
}

/** Too many: the correlation that grows gives up its longest silent groups. */
function makeRoom<R>(running: Running<R>, limits: CorrelatorLimits, stats: Stats): void {
  for (const [text, window] of running.windows) {
    const isFull = stats.groups > limits.groupsMax || stats.events > limits.eventsTotalMax;
    if (!isFull || running.windows.size === 1) return;
    remove(running, text, window, stats);
    stats.evicted += 1;
  }
}

function firingOf<R>(correlation: Correlation, window: Window<R>): Firing<R> | undefined {
  const counted = met(correlation, window);
  if (!counted) return undefined;
  const { members } = counted;
  return {
    correlation,
    correlationId: correlation.id,
    groupKey: window.key,
    first: members[0]?.timeMs ?? 0,
    last: members.at(-1)?.timeMs ?? 0,
    refs: [...new Set(members.flatMap((m) => m.refs))],
    count: counted.count,
  };
}

/** An event that lacks a group-by field belongs to no group: a group of "nobody" would join strangers. */
function groupKeyOf<R>(correlation: Correlation, signal: Signal<R>): string[] | undefined {
  const key: string[] = [];
  for (const field of correlation.groupBy) {
    const values = signal.read(fieldFor(correlation, field, signal.ruleId));
    if (values.length === 0) return undefined;
    key.push(values.join(' '));
  }
  return key;
}

/** Several fields count their combinations; an event without the field counts nothing. */
function valuesOf<R>(correlation: Correlation, signal: Signal<R>): string[] | undefined {
  if (correlation.type === 'event_count') return [];
  if (correlation.type !== 'value_count') return [signal.ruleId];
  const columns = correlation.fields.map((f) => signal.read(fieldFor(correlation, f, signal.ruleId)));
  if (columns.some((c) => c.length === 0)) return undefined;
  return columns.length === 1 ? [...new Set(columns[0])] : [JSON.stringify(columns)];
}

function fieldFor(correlation: Correlation, field: string, ruleId: string): string {
  return correlation.aliases.get(field)?.get(ruleId) ?? field;
}

type ReadField = (root: unknown, into: Found) => void;

/** The group-by, field and alias names of the loaded correlations: few, until rules are reloaded very often. */
const compiled = new Map<string, ReadField>();
const compiledMax = 10_000;

function fieldReader(rule: Rule, event: CorrelatedEvent): (field: string) => string[] {
  const isOwn = rule.logsource.category === ownCategory;
  return (field) => {
    const isOurs = isOwn || field.startsWith('kw.');
    const bare = field.startsWith('kw.') ? field.slice(3) : field;
    const key = `${isOurs}:${bare}`;
    let read = compiled.get(key);
    if (!read) {
      read = isOurs ? compileEventField(bare) : compileNativeField(bare);
      if (compiled.size >= compiledMax) compiled.clear();
      compiled.set(key, read);
    }
    const found = createFound();
    read(isOurs ? event.kw : event.native, found);
    return found.values.filter((v) => v !== null).map((v) => textOf(v));
  };
}
