import { KeywitnessError } from '../../core/errors.ts';
import { shippedRules } from '../../detect/ruleFolder.ts';
import {
  type CompiledSet,
  type Correlation,
  createCorrelator,
  loadRules,
  type Rule,
  type RuleTest,
  type TestEvent,
} from '../../detect/sigma/sigma.ts';
import { printable, processTerminal } from '../output.ts';
import { readRuleFiles } from './files.ts';
import { diagnosticText } from './lint.ts';
import { type RawEvent, type ReadEvents, rawEventReader } from './rawEvents.ts';

/** What one example came to; JSON shape of `rules test --json`. */
export interface TestResult {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly title: string;
  readonly test: string;
  readonly ok: boolean;
  readonly message: string;
}

export async function testRules(paths: string[], flags: { readonly json?: boolean }): Promise<void> {
  const terminal = processTerminal(flags);
  const { rules, diagnostics } = loadRules(readRuleFiles(paths.length > 0 ? paths : [shippedRules]));
  const errors = diagnostics.filter((d) => d.severity === 'error');
  for (const d of errors) terminal.err.write(`${diagnosticText(d)}\n`);
  if (!rules) throw new KeywitnessError('KW_INPUT', 'No rule loads: there is nothing to test.');
  const results = runTests(rules, await rawEventReader());
  for (const result of results) {
    if (!terminal.isPeople) terminal.out.write(`${JSON.stringify(result)}\n`);
    else if (!result.ok) terminal.out.write(`${printable(failureText(result))}\n`);
  }
  const failed = results.filter((r) => !r.ok).length;
  terminal.err.write(`${results.length - failed} of ${results.length} examples are as they should be.\n`);
  if (failed > 0 || errors.length > 0) process.exitCode = 1;
}

function failureText(r: TestResult): string {
  return `${r.file}:${r.line}: ${r.title}${r.test === '' ? '' : `, "${r.test}"`}: ${r.message}`;
}

/** Every example of every rule and correlation, and a failure for each that lacks one of the two verdicts. */
export function runTests(set: CompiledSet, readEvents: ReadEvents): TestResult[] {
  const results: TestResult[] = [];
  for (const rule of [...set.rules, ...set.correlations]) {
    const say = (line: number, test: string, ok: boolean, message: string) =>
      results.push({ file: rule.file, line, rule: rule.id, title: rule.title, test, ok, message });
    for (const verdict of [true, false]) {
      if (!rule.tests.some((t) => t.match === verdict)) {
        say(rule.line, '', false, `no example with match: ${verdict}`);
      }
    }
    for (const test of rule.tests) {
      const actual = runTest(set, rule, test, readEvents);
      const message = actual === test.match ? '' : test.match ? 'does not match' : 'matches';
      say(test.line, test.name, actual === test.match, message);
    }
  }
  return results;
}

function runTest(
  set: CompiledSet,
  rule: Rule | Correlation,
  test: RuleTest,
  readEvents: ReadEvents,
): boolean {
  const events = test.events.flatMap((e) => copies(e, readEvents));
  if (rule.kind === 'rule') {
    const fallback = rule.logsource;
    return events.some((e) => matches(set, e, fallback).some((r) => r.id === rule.id));
  }
  const correlator = createCorrelator<number>(set);
  const fallbacks = set.rules.filter((r) => feeds(set, r.id, rule)).map((r) => r.logsource);
  const firings = events
    .map((event, ref) => ({ event, ref, timeMs: event.timeMs ?? ref }))
    .sort((a, b) => a.timeMs - b.timeMs || a.ref - b.ref)
    .flatMap(({ event, ref, timeMs }) => {
      const hits = new Set(
        fallbacks.length === 0 ? [] : fallbacks.flatMap((logsource) => [...matches(set, event, logsource)]),
      );
      return [...hits].flatMap((hit) => correlator.push({ rule: hit, timeMs, event, ref }));
    });
  return [...firings, ...correlator.finish()].some((f) => f.correlationId === rule.id);
}

function feeds(set: CompiledSet, id: string, correlation: Correlation): boolean {
  return correlation.rules.some((r) => {
    const inner = set.correlations.find((c) => c.id === r);
    return r === id || (inner !== undefined && feeds(set, id, inner));
  });
}

/** An event of no known source has the log source of the rule it stands beside. */
function matches(set: CompiledSet, event: RawEvent, fallback: Rule['logsource']): readonly Rule[] {
  if (event.isAttempt) return [];
  const isKnown = event.logsource.product !== undefined;
  return set.match(isKnown ? event : { ...event, logsource: fallback });
}

function copies(test: TestEvent, readEvents: ReadEvents): RawEvent[] {
  return Array.from({ length: test.repeat }, (_, n) => n).flatMap((n) => {
    const text = JSON.stringify(test.event).replaceAll('{n}', String(n));
    const added = JSON.parse(JSON.stringify(test.kw).replaceAll('{n}', String(n))) as object;
    return readEvents(text, JSON.parse(text)).map((event) => ({
      ...event,
      kw: event.kw === undefined && Object.keys(added).length === 0 ? undefined : { ...event.kw, ...added },
      timeMs: event.timeMs === undefined ? undefined : event.timeMs + n * test.everyMs,
    }));
  });
}
