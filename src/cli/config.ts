import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { configSchema, parseConfig } from '../config/config.ts';
import { type Diagnostic, diagnosticsText } from '../config/diagnostics.ts';
import { configTemplate } from '../config/template.ts';
import { KeywitnessError } from '../core/errors.ts';
import { packageRoot } from '../core/packageRoot.ts';
import { parseCatalog } from '../enrich/catalog.ts';
import { loadSources } from '../sources/registry.ts';
import { processTerminal } from './output.ts';

const defaultFile = 'keywitness.yaml';

export function configCommand(): Command {
  const command = new Command('config').description('write, check and describe the configuration');
  command
    .command('init')
    .description('write a commented configuration; an existing file is never touched')
    .argument('[file]', 'where to; - is stdout', defaultFile)
    .addHelpText('after', '\nExample:\n  keywitness config init -\n')
    .action((file: string) => init(file));
  command
    .command('check')
    .description('check a configuration and the catalog it names: file:line:column and what was meant')
    .argument('[file]', 'the configuration', defaultFile)
    .option('--json', 'one object for each thing that is wrong')
    .addHelpText(
      'after',
      '\nExample:\n  keywitness config init demo.yaml && keywitness config check demo.yaml\n',
    )
    .action((file: string, options: { json?: boolean }) => check(file, options));
  command
    .command('schema')
    .description('print the JSON Schema, for editors')
    .addHelpText('after', '\nExample:\n  keywitness config schema > config.schema.json\n')
    .action(() => void process.stdout.write(`${JSON.stringify(configSchema, null, 2)}\n`));
  return command;
}

function init(file: string): void {
  const folder = file === '-' ? process.cwd() : dirname(resolve(file));
  const text = configTemplate(relative(folder, join(packageRoot, 'schemas/config.schema.json')));
  if (file === '-') {
    process.stdout.write(text);
    return;
  }
  if (existsSync(file)) throw new KeywitnessError('KW_USAGE', `${file} exists and was left as it is.`);
  // `wx` closes the gap between looking and writing; 0600 because passwords may be put there.
  writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
  process.stderr.write(`${file} is written. Next: edit it, then keywitness config check ${file}\n`);
}

async function check(file: string, options: { json?: boolean }): Promise<void> {
  const terminal = processTerminal(options);
  const names = (await loadSources()).flatMap((s) => [s.name, ...(s.aliases ?? [])]);
  const { config, diagnostics, isListenOnly } = parseConfig(readText(file), file, { sources: names });
  const found: Diagnostic[] = [...diagnostics];
  if (config?.catalog) found.push(...parseCatalog(readText(config.catalog), config.catalog).diagnostics);
  if (options.json) for (const d of found) terminal.out.write(`${JSON.stringify(d)}\n`);
  if (!found.some((d) => d.severity === 'error')) {
    terminal.err.write(`${file} is fine.\n`);
    return;
  }
  const what = options.json ? file : `\n${diagnosticsText(found)}`;
  throw new KeywitnessError(isListenOnly ? 'KW_LISTEN' : 'KW_CONFIG', what);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new KeywitnessError('KW_CONFIG', `${file} cannot be read.`, { cause });
  }
}
