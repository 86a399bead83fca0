import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { KeywitnessError } from '../core/errors.ts';
import { packageRoot } from '../core/packageRoot.ts';
import type { Source } from './source.ts';

/** A source with its schema, compiled once. */
export interface RegisteredSource extends Source {
  readonly validate: ValidateFunction;
}

export type SourceRegistry = readonly RegisteredSource[];

let loaded: Promise<SourceRegistry> | undefined;

/** Every file of this folder that exports `source`, in order of name: adding one edits no list. Loaded once. */
export function loadSources(): Promise<SourceRegistry> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<SourceRegistry> {
  const folder = fileURLToPath(new URL('.', import.meta.url));
  const files = readdirSync(folder).filter((f) => /\.[tj]s$/.test(f) && !f.endsWith('.d.ts'));
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  const sources: RegisteredSource[] = [];
  for (const file of files.sort()) {
    const module = (await import(new URL(file, import.meta.url).href)) as { source?: Source };
    if (module.source === undefined) continue;
    sources.push({ ...module.source, validate: ajv.compile(schemaOf(module.source.name)) });
  }
  return sources;
}

function schemaOf(name: string): object {
  return JSON.parse(readFileSync(join(packageRoot, 'schemas', 'sources', `${name}.schema.json`), 'utf8'));
}

/** By file name or alias; KW_SOURCE_UNKNOWN (exit 2) with the list otherwise. */
export function sourceNamed(registry: SourceRegistry, name: string): RegisteredSource {
  const wanted = name.toLowerCase();
  const source = registry.find((s) => s.name === wanted || s.aliases?.includes(wanted));
  if (source !== undefined) return source;
  const names = registry.map((s) => (s.aliases ? `${s.name} (${s.aliases.join(', ')})` : s.name));
  throw new KeywitnessError('KW_SOURCE_UNKNOWN', `${name} is none of: ${names.join(', ')}.`);
}

/** The sources that know this parsed value; a test keeps it at exactly one for every sample. */
export function detectSources(registry: SourceRegistry, parsed: unknown): readonly RegisteredSource[] {
  return registry.filter((s) => s.detect(parsed));
}

/** The one source that knows this parsed value. */
export function detectSource(registry: SourceRegistry, parsed: unknown): RegisteredSource | undefined {
  const found = detectSources(registry, parsed);
  return found.length === 1 ? found[0] : undefined;
}
