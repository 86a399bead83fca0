import { createHash } from 'node:crypto';
import { type Correlator, type CorrelatorLimits, createCorrelator as correlate } from './correlate.ts';
import type { Diagnostic } from './diagnostic.ts';
import { loadFiles, type RuleFile } from './load.ts';
import { compileNode } from './node.ts';
import type { Correlation, LoadedRule, Logsource, Rule } from './rule.ts';
import { buildIndex, type RuleIndex } from './ruleIndex.ts';
import { createFields, createView, type Fields, look, ownCategory, type View } from './view.ts';

export type { CorrelatedEvent, Correlator, Firing, Hit } from './correlate.ts';
export type { Diagnostic } from './diagnostic.ts';
export type { RuleFile } from './load.ts';
export type { Correlation, Logsource, Rule, RuleTest, TestEvent } from './rule.ts';

/** One event offered to the rules. */
export interface RuleEvent {
  readonly logsource: Logsource;
  /** The parsed (redacted) record. */
  readonly native: unknown;
  /** The AuditEvent with enrichment as it is stored, blank = missing; undefined = not understood. */
  readonly kw?: object | undefined;
}

/** The rules of some files, compiled. */
export interface CompiledSet {
  readonly rules: readonly Rule[];
  readonly correlations: readonly Correlation[];
  /** Hash of the text of the files that loaded: the same rules give the same number. Never 0. */
  readonly version: number;
  /**
   * The detection rules that match, in the order of the files, those that only feed correlations included
   * (`alerts: false`). Do not offer events of phase `attempt`: their other half counts.
   */
  match(event: RuleEvent): readonly Rule[];
}

/**
 * Reads and compiles rule files. All complaints come at once; a file with an error is left out as a whole and the
 * others still load. `rules` is undefined when nothing loads.
 * @example
 * const { rules, diagnostics } = loadRules([{ path: 'a.yml', text }]);
 * rules?.match({ logsource: { product: 'vault', service: 'audit' }, native, kw: event });
 */
export function loadRules(files: readonly RuleFile[]): {
  rules: CompiledSet | undefined;
  diagnostics: Diagnostic[];
} {
  const fields = createFields();
  const diagnostics: Diagnostic[] = [];
  const loaded = loadFiles(files, fields, diagnostics);
  const isEmpty = loaded.rules.length === 0 && loaded.correlations.length === 0;
  return {
    rules: isEmpty
      ? undefined
      : compileSet(loaded.rules, loaded.correlations, versionOf(loaded.files), fields),
    diagnostics,
  };
}

/** The incremental evaluator for the set's correlations; `R` is how the caller names an event. */
export function createCorrelator<R>(set: CompiledSet, limits?: CorrelatorLimits): Correlator<R> {
  return correlate<R>(set.correlations, limits);
}

function versionOf(files: readonly RuleFile[]): number {
  const hashes = files.map((f) => createHash('sha256').update(f.text).digest('hex')).sort();
  return createHash('sha256').update(hashes.join('\n')).digest().readUInt32BE(0) || 1;
}

interface Compiled {
  readonly rule: Rule;
  readonly test: (view: View) => boolean;
}

/** The rules one log source can meet, behind their index. */
interface Route {
  readonly rules: readonly Compiled[];
  readonly index: RuleIndex;
  /** Stamp of the event a rule was last found for: a rule found twice is asked once. */
  readonly found: Float64Array;
  readonly order: number[];
}

const noRules: readonly Rule[] = [];

function compileSet(
  loaded: readonly LoadedRule[],
  correlations: readonly Correlation[],
  version: number,
  fields: Fields,
): CompiledSet {
  const compiled = loaded.map(({ rule, node }) => ({ rule, node, test: compileNode(node) }));
  const routes = new Map<string, Route>();
  const view = createView(fields);
  let last: { logsource: Logsource; hasEvent: boolean; route: Route } | undefined;
  const routeOf = (logsource: Logsource, hasEvent: boolean): Route => {
    // An adapter hands the same object for all its events.
    if (last !== undefined && last.logsource === logsource && last.hasEvent === hasEvent) return last.route;
    const key = `${logsource.product}\n${logsource.service}\n${logsource.category}\n${hasEvent}`;
    let route = routes.get(key);
    if (!route) {
      if (routes.size >= routesMax) routes.clear();
      const rules = compiled.filter((c) => concerns(c.rule.logsource, logsource, hasEvent));
      const index = buildIndex(rules.map((c) => c.node));
      route = { rules, index, found: new Float64Array(rules.length), order: [] };
      routes.set(key, route);
    }
    last = { logsource, hasEvent, route };
    return route;
  };
  return {
    rules: loaded.map((l) => l.rule),
    correlations,
    version,
    match(event) {
      const route = routeOf(event.logsource, event.kw !== undefined);
      if (route.rules.length === 0) return noRules;
      look(view, event.native, event.kw);
      return ask(route, view);
    },
  };
}

/** Log sources come from adapters, a few dozen; a caller that makes them up must not grow the memory. */
const routesMax = 1_000;

function ask(route: Route, view: View): readonly Rule[] {
  const { found, order } = route;
  order.length = 0;
  route.index.candidates(view, (rule) => {
    if (found[rule] === view.stamp) return;
    found[rule] = view.stamp;
    if ((route.rules[rule] as Compiled).test(view)) order.push(rule);
  });
  if (order.length === 0) return noRules;
  order.sort((a, b) => a - b);
  return order.map((rule) => (route.rules[rule] as Compiled).rule);
}

/** Every part the rule names must be equal; an event of any log source that we understood is also secrets_audit. */
function concerns(wanted: Logsource, given: Logsource, hasEvent: boolean): boolean {
  if (wanted.product !== undefined && wanted.product !== given.product) return false;
  if (wanted.service !== undefined && wanted.service !== given.service) return false;
  if (wanted.category === undefined || wanted.category === given.category) return true;
  return wanted.category === ownCategory && hasEvent;
}
