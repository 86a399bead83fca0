import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  compileSchema,
  diagnosticsText,
  didYouMean,
  parsePositioned,
  schemaDiagnostics,
} from '../../config/diagnostics.ts';
import { KeywitnessError } from '../../core/errors.ts';
import { packageRoot } from '../../core/packageRoot.ts';
import type { Level } from '../../core/signal.ts';

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
export const baselineFolder = join(packageRoot, 'rules', 'baselines');

/** Every *.yaml of a folder, in order of name; KW_RULES with file:line:col for all that is wrong. */
export function loadBaselines(
  folder: string = baselineFolder,
  kinds?: readonly string[],
): BaselineDocument[] {
  const wrong: string[] = [];
  const documents: BaselineDocument[] = [];
  for (const name of readdirSync(folder)
    .filter((f) => f.endsWith('.yaml'))
    .sort()) {
    const file = join(folder, name);
    const yaml = parsePositioned(readFileSync(file, 'utf8'), file);
    const found = [...yaml.diagnostics];
    if (found.length === 0 && !validate(yaml.value))
      found.push(...schemaDiagnostics(yaml, validate.errors ?? []));
    const document = yaml.value as BaselineDocument;
    if (found.length === 0 && kinds && !kinds.includes(document.kind)) {
      found.push(
        yaml.diagnostic(['kind'], `there is no kind \`${document.kind}\`${didYouMean(document.kind, kinds)}`),
      );
    }
    if (found.length > 0) wrong.push(diagnosticsText(found));
    else documents.push(document);
  }
  if (wrong.length > 0) throw new KeywitnessError('KW_RULES', `\n${wrong.join('\n')}`);
  return documents;
}
