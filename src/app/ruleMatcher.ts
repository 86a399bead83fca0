import type { StoredEvent } from '../core/event.ts';
import { hitFieldReaders } from '../detect/hitFields.ts';
import type { CompiledSet, Logsource } from '../detect/sigma/sigma.ts';
import type { RuleHit } from '../pipeline.ts';

const noHits: readonly RuleHit[] = [];

/** The rules as the pipeline asks them: one event in, its hits out. An attempt's other half counts instead. */
export function ruleMatcher(set: CompiledSet): (event: StoredEvent, redacted: unknown) => readonly RuleHit[] {
  const fieldsOf = hitFieldReaders(set);
  const logsources = new Map<string, Logsource>();
  return (event, redacted) => {
    if (event.phase === 'attempt') return noHits;
    let logsource = logsources.get(event.logsource);
    if (logsource === undefined) {
      const [product = '', service = ''] = event.logsource.split('/');
      logsource = { product, service };
      logsources.set(event.logsource, logsource);
    }
    const rules = set.match({ logsource, native: redacted, kw: event });
    if (rules.length === 0) return noHits;
    return rules.map((rule) => ({ rule: rule.id, fields: fieldsOf.get(rule.id)?.(redacted, event) ?? {} }));
  };
}
