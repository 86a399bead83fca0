import { Command, Option } from 'commander';
import { lintRules } from './rules/lint.ts';
import { matchRules } from './rules/match.ts';
import { testRules } from './rules/test.ts';

/** `rules lint | test | match`: what a rule author runs, on files alone. */
export function rulesCommand(): Command {
  const command = new Command('rules').description('Check, test and try detection rules (Sigma).');
  command
    .command('lint')
    .description('Say everything that is wrong with rule files, with file:line:column. Exit 1 on an error.')
    .argument('<path...>', 'rule files or folders')
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ keywitness rules lint rules\n')
    .action(lintRules);
  command
    .command('test')
    .description(
      'Run the examples beside the rules; a rule without one of each verdict fails. Exit 1 on a failure.',
    )
    .argument('[path...]', 'rule files or folders (default: the shipped rules)')
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ keywitness rules test\n')
    .action(testRules);
  command
    .command('match')
    .description('Raw events in, one a line; hits and firing correlations out.')
    .argument('[file]', 'NDJSON, or - for standard input', '-')
    .requiredOption('--rules <path>', 'a rule file or folder; may be given again', collect, [])
    .option('--product <name>', 'log source of every event (default: found event by event)')
    .option('--service <name>', 'log source of every event')
    .option('--category <name>', 'log source of every event')
    .addOption(
      new Option('--catalog <file>', 'what the operator knows: catalog.yaml').env('KEYWITNESS_CATALOG'),
    )
    .addOption(json())
    .addHelpText(
      'after',
      '\nExample:\n  $ zcat src/demo/openbao-audit-2026q3.ndjson.gz | keywitness rules match --rules rules -\n',
    )
    .action(matchRules);
  return command;
}

function json(): Option {
  return new Option('--json', 'NDJSON also on a terminal');
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
