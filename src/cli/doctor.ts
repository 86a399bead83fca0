import { resolve } from 'node:path';
import { styleText } from 'node:util';
import { Command } from 'commander';
import { examine } from '../app/doctor/doctor.ts';
import { exitOf, type Finding } from '../app/doctor/finding.ts';
import { kafkaOptions } from '../app/kafkaOptions.ts';
import { loadConfig } from '../config/config.ts';
import { anchorFile, catalogFileOf, type DataOptions, withDataOptions } from './appOptions.ts';
import { openChosenStore } from './chosenStore.ts';
import { printable, processTerminal, type Terminal } from './output.ts';

interface DoctorFlags extends DataOptions {
  readonly config?: string;
  readonly json?: boolean;
}

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('what is missing, misconfigured or too privileged, and the exact fix; changes nothing')
    .option('--json', 'NDJSON also on a terminal')
    .addHelpText(
      'after',
      '\nExit codes: 0 fine (advice included), 1 something is wrong, 3 the configuration does not load, 4 something is missing.\n' +
        '\nExample:\n  keywitness doctor\n',
    );
  return withDataOptions(command).action(run);
}

async function run(flags: DoctorFlags): Promise<void> {
  const terminal = processTerminal(flags);
  const config = flags.config === undefined ? undefined : loadConfig(flags.config);
  const findings = await examine({
    config,
    kafka: config?.kafka && kafkaOptions(config.cluster, config.kafka),
    dataDir: resolve(flags.data),
    anchorFile: anchorFile(flags.data),
    catalogFile: catalogFileOf(flags).catalogFile,
    ruleFolders: config?.rules,
    hasWitness: (config?.witnesses.length ?? 0) > 0,
    env: process.env,
    now: Date.now(),
    openStore: () => openChosenStore(flags.data),
  });
  print(findings, terminal);
  process.exitCode = exitOf(findings);
}

const colours = { ok: 'green', advice: 'yellow', wrong: 'red', missing: 'red' } as const;

/** A fix is a line of its own: it is there to be copied. */
function print(findings: readonly Finding[], { out, isPeople }: Terminal): void {
  for (const finding of findings) {
    if (!isPeople) {
      out.write(`${JSON.stringify(finding)}\n`);
      continue;
    }
    const { check, state, detail, fix } = finding;
    const head = `${styleText(colours[state], state.padEnd(7))} ${check.padEnd(11)}`;
    out.write(`${head} ${detail.split('\n').map(printable).join('\n')}\n`);
    if (fix !== '') out.write(`${' '.repeat(20)}→ ${printable(fix)}\n`);
  }
}
