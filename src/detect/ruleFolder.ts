import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import { packageRoot } from '../core/packageRoot.ts';
import { type CompiledSet, loadRules, type RuleFile } from './sigma/sigma.ts';

/** The rules that ship with the product. */
export const shippedRules = join(packageRoot, 'rules');

/** Every rule file below the folders, in order of path. @throws KW_RULES with every complaint as file:line:col */
export function loadRuleFolders(folders: readonly string[]): CompiledSet {
  const { rules, diagnostics } = loadRules(folders.flatMap(ruleFiles));
  const errors = diagnostics.filter((d) => d.severity === 'error');
  if (errors.length > 0 || rules === undefined) {
    const lines = errors.map((d) => `${d.file}:${d.line}:${d.column}: ${d.message} (${d.check})`);
    throw new KeywitnessError(
      'KW_RULES',
      lines.length > 0 ? `\n${lines.join('\n')}` : `${folders.join(', ')} holds no rule.`,
    );
  }
  return rules;
}

function ruleFiles(folder: string): RuleFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile() && /\.ya?ml$/.test(f.name))
    .map((f) => join(f.parentPath, f.name))
    .sort()
    .map((path) => ({ path: relative(process.cwd(), path), text: readFileSync(path, 'utf8') }));
}
