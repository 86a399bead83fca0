import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { KeywitnessError } from '../../core/errors.ts';
import type { RuleFile } from '../../detect/sigma/sigma.ts';

/** The rule files below the paths, folders looked through, in order of path; each once. */
export function readRuleFiles(paths: readonly string[]): RuleFile[] {
  const found = new Map<string, RuleFile>();
  for (const path of paths) {
    try {
      const files = statSync(path).isDirectory() ? below(path) : [path];
      if (files.length === 0) throw new KeywitnessError('KW_INPUT', `${path} holds no .yml or .yaml file.`);
      for (const file of files) found.set(file, { path: file, text: readFileSync(file, 'utf8') });
    } catch (cause) {
      if (cause instanceof KeywitnessError) throw cause;
      throw new KeywitnessError('KW_INPUT', `${path} cannot be read.`, { cause });
    }
  }
  return [...found.values()];
}

function below(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile() && /\.ya?ml$/i.test(f.name))
    .map((f) => join(f.parentPath, f.name))
    .sort();
}
