import { Command } from 'commander';
import { loadBaselines } from '../detect/baseline/document.ts';
import { loadKinds } from '../detect/baseline/engine.ts';
import { printRows, processTerminal } from './output.ts';

export function baselinesCommand(): Command {
  const command = new Command('baselines').description('learned expectations and their documents');
  command
    .command('list')
    .description('the baselines that come with Keywitness: what each learns, and from which events')
    .option('--json', 'one object a line')
    .addHelpText('after', '\nExample:\n  keywitness baselines list --json\n')
    .action(list);
  return command;
}

async function list(options: { json?: boolean }): Promise<void> {
  const documents = loadBaselines(undefined, [...(await loadKinds()).keys()]);
  const rows = documents.map(({ id, kind, title, description, parameters, tests }) => ({
    id,
    kind,
    title,
    description: description.trim(),
    parameters,
    tests: tests.length,
  }));
  printRows(processTerminal(options), rows, ['id', 'kind', 'title', 'tests']);
}
