import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { errorTable, KeywitnessError } from '../core/errors.ts';
import { packageRoot } from '../core/packageRoot.ts';
import { accessCommand } from './access.ts';
import { alertsCommand } from './alerts.ts';
import { baselinesCommand } from './baselines.ts';
import { checkpointCommand } from './checkpoint.ts';
import { configCommand } from './config.ts';
import { addConfigOption } from './configOption.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { eraseCommand } from './erase.ts';
import { holdCommand } from './hold.ts';
import { ingestCommand } from './ingest.ts';
import { keysCommand } from './keys.ts';
import { printable } from './output.ts';
import { proveCommand } from './prove.ts';
import { queryCommand } from './query.ts';
import { retentionCommand } from './retention.ts';
import { rulesCommand } from './rules.ts';
import { runCommand } from './run.ts';
import { sourcesCommand } from './sources.ts';
import { verifyCommand } from './verify.ts';
import { witnessCommand } from './witness.ts';

/** Exit codes of `verify` for what every other command calls 2, 3 and 4 (docs/cli.md): there those are verdicts. */
const verifyExit: Readonly<Record<number, number>> = { 2: 64, 3: 78, 4: 69 };

function program(): Command {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  return new Command('keywitness')
    .description('Audit-log pipeline for secrets: evidence, detections, alerts and access reviews.')
    .version(version)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError(true)
    .addCommand(demoCommand())
    .addCommand(runCommand())
    .addCommand(ingestCommand())
    .addCommand(queryCommand())
    .addCommand(rulesCommand())
    .addCommand(baselinesCommand())
    .addCommand(sourcesCommand())
    .addCommand(alertsCommand())
    .addCommand(accessCommand())
    .addCommand(verifyCommand())
    .addCommand(proveCommand())
    .addCommand(checkpointCommand())
    .addCommand(keysCommand())
    .addCommand(retentionCommand())
    .addCommand(holdCommand())
    .addCommand(eraseCommand())
    .addCommand(witnessCommand())
    .addCommand(configCommand())
    .addCommand(doctorCommand());
}

/** Runs one command line; returns the exit code of the table in docs/cli.md. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const forVerify = (exit: number) => (argv[0] === 'verify' ? (verifyExit[exit] ?? exit) : exit);
  const root = program();
  for (const command of root.commands) inherit(command);
  process.stdout.on('error', ignoreClosedPipe);
  try {
    await root.parseAsync([...argv], { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      return forVerify(errorTable.KW_USAGE.exit);
    }
    if (error instanceof KeywitnessError) {
      process.stderr.write(`${error.message.split('\n').map(printable).join('\n')}\n`);
      return forVerify(error.exit);
    }
    throw error;
  }
}

/** `keywitness … | head` closes the pipe when it has enough: the command ends in order all the same. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

/** What holds for one command only in commander, and must for all: sub-commands are made elsewhere. */
function inherit(command: Command): void {
  command.exitOverride().showSuggestionAfterError(true);
  addConfigOption(command);
  for (const child of command.commands) inherit(child);
}
