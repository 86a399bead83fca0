import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import { type Document, isMap, isPair, LineCounter, type Node, type Pair, parseDocument, visit } from 'yaml';
import { nearest } from './nearest.ts';

/** One thing wrong in a file people write, where an editor can jump to. */
export interface Diagnostic {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly severity: 'error' | 'warning';
  readonly message: string;
}

export type Path = readonly (string | number)[];

/** A YAML text with the place of each of its values. */
export interface PositionedYaml {
  readonly value: unknown;
  readonly diagnostics: readonly Diagnostic[];
  /** Where the value at `path` stands; `key` asks for the place of the last key instead of its value. */
  at(path: Path, key?: 'key'): { line: number; column: number };
  diagnostic(path: Path, message: string, options?: { key?: 'key'; severity?: 'warning' }): Diagnostic;
}

export function parsePositioned(text: string, file: string): PositionedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const at = (path: Path, key?: 'key') => place(offsetOf(document, path, key === 'key'));
  const diagnostics: Diagnostic[] = document.errors.map((e) => ({
    file,
    ...place(e.pos[0]),
    severity: 'error',
    // What follows a colon is text of the file, and that may be a password.
    message: e.message.split(': ')[0] ?? '',
  }));
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return;
      const message = 'an alias of no anchor; a value that begins with * stands in quotes';
      diagnostics.push({ file, ...place(alias.range?.[0] ?? 0), severity: 'error', message });
    },
  });
  return {
    value: diagnostics.length > 0 ? undefined : plainValue(document, (d) => diagnostics.push({ file, ...d })),
    diagnostics,
    at,
    diagnostic: (path, message, options = {}) => ({
      file,
      ...at(path, options.key),
      severity: options.severity ?? 'error',
      message,
    }),
  };
}

/** An alias bomb must not fill the memory: the library's limit of 100 aliases stands. */
function plainValue(document: Document.Parsed, say: (d: Omit<Diagnostic, 'file'>) => void): unknown {
  try {
    return document.toJS();
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    say({ line: 1, column: 1, severity: 'error', message: 'too many aliases' });
    return undefined;
  }
}

function offsetOf(document: Document.Parsed, path: Path, wantsKey: boolean): number {
  let node: unknown = document.contents;
  let offset = rangeStart(node) ?? 0;
  for (const [i, step] of path.entries()) {
    const isLast = i === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((p) => isPair(p) && keyText(p as Pair) === String(step)) as
        | Pair
        | undefined;
      if (!pair) return offset;
      offset = rangeStart(pair.key) ?? offset;
      if (isLast && wantsKey) return offset;
      node = pair.value;
    } else {
      node = (node as { get?: (k: unknown, keep: boolean) => unknown } | null)?.get?.(step, true);
    }
    offset = rangeStart(node) ?? offset;
  }
  return offset;
}

function keyText(pair: Pair): string {
  const key = pair.key as { value?: unknown } | null;
  return String(key?.value ?? '');
}

function rangeStart(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

/** Compiles a JSON Schema 2020-12; every error at once, so that one run shows all of them. */
export function compileSchema<T>(schema: object): ValidateFunction<T> {
  const ajv = new Ajv2020({
    allErrors: true,
    strict: true,
    strictRequired: false,
    allowUnionTypes: true,
    verbose: true,
  });
  const addFormats = addFormatsModule as unknown as (a: Ajv2020) => void;
  addFormats(ajv);
  return ajv.compile<T>(schema);
}

/** What the schema says, as places in the file with words for people and "did you mean". */
export function schemaDiagnostics(yaml: PositionedYaml, errors: readonly ErrorObject[]): Diagnostic[] {
  const seen = new Set<string>();
  const out: Diagnostic[] = [];
  for (const error of usefulErrors(errors)) {
    const path = pointerPath(error.instancePath);
    const isKey = error.keyword === 'additionalProperties';
    const where = isKey ? [...path, String(error.params.additionalProperty)] : path;
    const diagnostic = yaml.diagnostic(where, sentenceOf(error, path), isKey ? { key: 'key' } : {});
    const key = `${diagnostic.line}:${diagnostic.column}:${diagnostic.message}`;
    if (!seen.has(key)) out.push(diagnostic);
    seen.add(key);
  }
  return out.length > 0 || errors.length === 0
    ? out
    : [yaml.diagnostic([], errors[0]?.message ?? 'is wrong')];
}

/** Of the branches of an anyOf, what people can act on: not that a map is no text, if the map has a slip. */
function usefulErrors(errors: readonly ErrorObject[]): ErrorObject[] {
  const isBranch = (e: ErrorObject) => /\/(anyOf|oneOf)\/\d+\//.test(e.schemaPath);
  const choices = errors.filter((e) => e.keyword === 'anyOf' || e.keyword === 'oneOf');
  return errors.filter((e) => {
    if (e.keyword === 'if') return false;
    const branches = (choice: ErrorObject) =>
      errors.filter((b) => isBranch(b) && b.instancePath.startsWith(choice.instancePath));
    const isRequiredChoice = (c: ErrorObject) => branches(c).every((b) => b.keyword === 'required');
    if (choices.includes(e)) return isRequiredChoice(e);
    if (!isBranch(e)) return true;
    const mine = choices.filter((c) => e.instancePath.startsWith(c.instancePath));
    if (mine.some(isRequiredChoice)) return false;
    return e.keyword !== 'type' || !mine.some((c) => branches(c).some((b) => b.keyword !== 'type'));
  });
}

function sentenceOf(error: ErrorObject, path: Path): string {
  const name = path.length > 0 ? `\`${path.join('.')}\`` : 'the file';
  if (error.keyword === 'additionalProperties') {
    const key = String(error.params.additionalProperty);
    const known = Object.keys((error.parentSchema as { properties?: object } | undefined)?.properties ?? {});
    return `unknown key \`${key}\`${didYouMean(key, known)}`;
  }
  if (error.keyword === 'enum') {
    const allowed = (error.params.allowedValues as unknown[]).map(String);
    return `${name} must be one of ${allowed.join(', ')}${didYouMean(String(error.data), allowed)}`;
  }
  if (error.keyword === 'anyOf' || error.keyword === 'oneOf') {
    const branches = error.schema as { required?: string[] }[];
    return `${name} lacks one of ${branches.flatMap((b) => b.required ?? []).join(', ')}`;
  }
  if (error.keyword === 'required') return `${name} lacks \`${String(error.params.missingProperty)}\``;
  if (error.keyword === 'pattern') {
    const hint = (error.parentSchema as { description?: string } | undefined)?.description;
    return `${name} has the wrong form${hint ? `: ${hint}` : ''}`;
  }
  return `${name} ${error.message ?? 'is wrong'}`;
}

export function didYouMean(word: string, known: readonly string[]): string {
  const best = nearest(word, known);
  return best === undefined ? '' : `; did you mean \`${best}\`?`;
}

function pointerPath(pointer: string): Path {
  if (pointer === '') return [];
  return pointer
    .slice(1)
    .split('/')
    .map((s) => s.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((s) => (/^\d+$/.test(s) ? Number(s) : s));
}

/** `file:line:col: error: message`, one a line, in the file's order. */
export function diagnosticsText(diagnostics: readonly Diagnostic[]): string {
  return [...diagnostics]
    .sort((a, b) => a.line - b.line || a.column - b.column)
    .map((d) => `${d.file}:${d.line}:${d.column}: ${d.severity}: ${d.message}`)
    .join('\n');
}
