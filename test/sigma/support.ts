import { type CompiledSet, type Diagnostic, loadRules } from '../../src/detect/sigma/sigma.ts';

/** A rule around a detection, as YAML flow (JSON is YAML). */
export function ruleText(detection: object, extra: object = {}): string {
  return JSON.stringify({ title: 'T', logsource: { product: 'p' }, detection, ...extra });
}

export function load(...texts: string[]): { rules: CompiledSet | undefined; diagnostics: Diagnostic[] } {
  return loadRules(texts.map((text, i) => ({ path: `r${i}.yml`, text })));
}

export function loaded(...texts: string[]): CompiledSet {
  const { rules, diagnostics } = load(...texts);
  const errors = diagnostics.filter((d) => d.severity === 'error');
  if (!rules || errors.length > 0) throw new Error(errors.map((d) => `${d.line}: ${d.message}`).join('\n'));
  return rules;
}

/** Whether one selection matches one event. */
export function matches(selection: unknown, event: unknown, condition = 's'): boolean {
  const set = loaded(ruleText({ s: selection, condition }));
  return set.match({ logsource: { product: 'p' }, native: event }).length === 1;
}

/** Checks and messages of everything said about one rule text. */
export function said(text: string): string[] {
  return load(text).diagnostics.map((d) => `${d.line}:${d.column} ${d.severity} ${d.check}`);
}
