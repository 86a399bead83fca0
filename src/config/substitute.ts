import { readFileSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import type { Path } from './diagnostics.ts';

export interface SubstituteOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that relative `file:` paths start from: the configuration file's. */
  readonly folder: string;
  readonly say: (path: Path, message: string) => void;
}

/**
 * Puts `${VAR}`, `${VAR:-default}` and whole values `file:PATH` into parsed text values. After parsing, so that
 * a value can hold any character and never becomes a key, a list or a comment. `$${` is a literal `${`.
 * What cannot be had is said by its place and name; a value is never repeated.
 */
export function substitute(value: unknown, options: SubstituteOptions, path: Path = []): unknown {
  if (typeof value === 'string') return textOf(value, options, path);
  if (Array.isArray(value)) return value.map((item, i) => substitute(item, options, [...path, i]));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, substitute(item, options, [...path, key])]),
    );
  }
  return value;
}

function textOf(text: string, { env, folder, say }: SubstituteOptions, path: Path): string {
  if (text.startsWith('file:')) return fileText(text.slice('file:'.length), folder, (m) => say(path, m));
  return text.replace(/\$(\$\{)|\$\{([^}]*)\}/g, (whole, literal: string | undefined, inside: string) => {
    if (literal !== undefined) return literal;
    const m = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inside);
    if (!m) {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it shows the syntax
      say(path, 'a variable is written ${NAME} or ${NAME:-default}; a literal ${ is $${');
      return whole;
    }
    const found = env[m[1] as string];
    if (found !== undefined && found !== '') return found;
    if (m[2] !== undefined) return m[2];
    say(path, `the environment has no variable ${m[1]}`);
    return whole;
  });
}

function fileText(name: string, folder: string, say: (message: string) => void): string {
  const file = isAbsolute(name) ? name : resolve(folder, name);
  try {
    // Editors and `echo` end a file with a line break; no secret of ours does.
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    say(`the file ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
    return '';
  }
}
