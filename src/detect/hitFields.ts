import { compileEventField, compileNativeField, createFound } from './sigma/field.ts';
import type { CompiledSet, Rule } from './sigma/sigma.ts';
import { ownCategory } from './sigma/view.ts';

/** The values of the fields that correlations group and count by, as they stand with a hit: JSON arrays by name. */
export type HitFields = Readonly<Record<string, string>>;

/**
 * For each rule the fields its correlations will ask for, read when it hits: the detector over time then needs
 * no record again, also after a restart.
 */
export function hitFieldReaders(
  set: CompiledSet,
): ReadonlyMap<string, (native: unknown, event: object) => HitFields> {
  const readers = new Map<string, (native: unknown, event: object) => HitFields>();
  for (const rule of set.rules) {
    const names = fieldsAskedOf(rule.id, set);
    if (names.length > 0) readers.set(rule.id, reader(rule, names));
  }
  return readers;
}

/** What was read at the time of the hit, in the shape the correlator reads. */
export function hitEvent(rule: Rule, fields: HitFields): { native: unknown; kw: object } {
  const native: Record<string, unknown> = {};
  const kw: Record<string, unknown> = {};
  for (const [name, values] of Object.entries(fields)) {
    const into = isOurs(rule, name) ? kw : native;
    into[bareName(name)] = JSON.parse(values);
  }
  return { native, kw };
}

function reader(rule: Rule, names: readonly string[]) {
  const fields = names.map((name) => ({
    name,
    isOurs: isOurs(rule, name),
    read: isOurs(rule, name) ? compileEventField(bareName(name)) : compileNativeField(name),
  }));
  return (native: unknown, event: object): HitFields => {
    const out: Record<string, string> = {};
    for (const field of fields) {
      const found = createFound();
      field.read(field.isOurs ? event : native, found);
      const values = found.values.filter((v) => v !== null).map(String);
      if (values.length > 0) out[field.name] = JSON.stringify(values);
    }
    return out;
  };
}

/** Fields of every correlation above the rule, chains included; an alias stands for the rule's own field. */
function fieldsAskedOf(ruleId: string, set: CompiledSet): string[] {
  const names = new Set<string>();
  const seen = new Set<string>();
  const climb = (id: string): void => {
    if (seen.has(id)) return;
    seen.add(id);
    for (const correlation of set.correlations.filter((c) => c.rules.includes(id))) {
      for (const name of [...correlation.groupBy, ...correlation.fields]) {
        names.add(correlation.aliases.get(name)?.get(ruleId) ?? name);
      }
      climb(correlation.id);
    }
  };
  climb(ruleId);
  return [...names].sort();
}

function isOurs(rule: Rule, name: string): boolean {
  return rule.logsource.category === ownCategory || name.startsWith('kw.');
}

function bareName(name: string): string {
  return name.startsWith('kw.') ? name.slice('kw.'.length) : name;
}
