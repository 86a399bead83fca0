import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  compileSchema,
  type Diagnostic,
  diagnosticsText,
  didYouMean,
  parsePositioned,
  schemaDiagnostics,
} from '../../config/diagnostics.ts';
import { KeywitnessError } from '../../core/errors.ts';
import { packageRoot } from '../../core/packageRoot.ts';
import type { Level } from '../../core/signal.ts';
import { baselineFields } from './event.ts';
import { fieldNames } from './fields.ts';

/** A baseline as written in rules/baselines/NAME.yaml (docs/baselines.md). */
export interface BaselineDocument {
  readonly id: string;
  readonly title: string;
  readonly kind: string;
  readonly description: string;
  readonly advice: string;
  readonly for: readonly string[];
  readonly of?: readonly string[];
  readonly where?: Choice;
  readonly unless?: Choice;
  /** Narrows what is said, not what is learned. */
  readonly only?: Choice;
  /** Beside the kind's own word: what an announcement must explain to count. */
  readonly explained_by?: readonly string[];
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly tests: readonly BaselineTest[];
}

export type Choice = Readonly<Record<string, readonly (string | number)[]>>;

export interface BaselineTest {
  readonly what: string;
  readonly events: readonly ({
    readonly at: string;
    readonly every?: string;
    readonly times?: number;
  } & Readonly<Record<string, unknown>>)[];
  readonly until?: string;
  readonly expect: readonly { readonly group: string; readonly level: Level; readonly at?: string }[];
}

const validate = compileSchema<BaselineDocument>(
  JSON.parse(readFileSync(`${packageRoot}schemas/baseline.schema.json`, 'utf8')) as object,
);

/** The baselines that come with Keywitness. */
const baselineFolder = join(packageRoot, 'rules', 'baselines');

/** Every *.yaml of a folder, in order of name; KW_RULES with file:line:col for all that is wrong. */
export function loadBaselines(
  folder: string = baselineFolder,
  kinds?: readonly string[],
): BaselineDocument[] {
  const wrong: string[] = [];
  const documents: BaselineDocument[] = [];
  const names = readdirSync(folder).filter((f) => f.endsWith('.yaml'));
  for (const file of names.sort().map((name) => join(folder, name))) {
    const { document, diagnostics } = parseBaseline(readFileSync(file, 'utf8'), file, kinds);
    if (document) documents.push(document);
    else wrong.push(diagnosticsText(diagnostics));
  }
  if (wrong.length > 0) throw new KeywitnessError('KW_RULES', `\n${wrong.join('\n')}`);
  return documents;
}

/** The document, or what is wrong with it and where. */
export function parseBaseline(
  text: string,
  file: string,
  kinds?: readonly string[],
): { document?: BaselineDocument; diagnostics: readonly Diagnostic[] } {
  const yaml = parsePositioned(text, file);
  if (yaml.diagnostics.length > 0) return { diagnostics: yaml.diagnostics };
  const value = yaml.value;
  if (!validate(value)) return { diagnostics: schemaDiagnostics(yaml, validate.errors ?? []) };
  const found: Diagnostic[] = [];
  if (kinds && !kinds.includes(value.kind)) {
    const message = `there is no kind \`${value.kind}\`${didYouMean(value.kind, kinds)}`;
    found.push(yaml.diagnostic(['kind'], message));
  }
  // A misspelt field would be absent on every event, and the baseline silent for ever.
  for (const key of ['for', 'of'] as const) {
    for (const [i, name] of (value[key] ?? []).entries()) {
      if (!fieldNames.includes(name)) found.push(yaml.diagnostic([key, i], unknownField(name, fieldNames)));
    }
  }
  for (const key of ['where', 'unless', 'only'] as const) {
    for (const name of Object.keys(value[key] ?? {})) {
      if (baselineFields.includes(name)) continue;
      found.push(yaml.diagnostic([key, name], unknownField(name, baselineFields), { key: 'key' }));
    }
  }
  return found.length > 0 ? { diagnostics: found } : { document: value, diagnostics: [] };
}

function unknownField(name: string, known: readonly string[]): string {
  return `events have no field \`${name}\`${didYouMean(name, known)}`;
}
