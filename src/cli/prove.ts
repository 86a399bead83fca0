import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { KeywitnessError } from '../core/errors.ts';
import { eventRefText, parseEventRef } from '../core/record.ts';
import { proveEvent } from '../ledger/audit/prove.ts';
import { dataOption } from './dataOption.ts';
import { processTerminal } from './output.ts';
import { requireIdentity, withStore } from './withStore.ts';

interface ProveFlags {
  readonly data: string;
  readonly out: string;
  readonly json?: boolean;
}

export function proveCommand(): Command {
  return new Command('prove')
    .description('write a folder that proves one event to a stranger, offline')
    .argument('<event>', 'stream/partition/epoch/offset[/index]')
    .requiredOption('--out <dir>', 'folder to write: it must not exist or be empty')
    .option('--json', 'NDJSON also on a terminal')
    .addOption(dataOption())
    .addHelpText(
      'after',
      '\nExample:\n  keywitness prove audit.ndjson/0/0/0 --out proof\n  keywitness verify --offline proof\n',
    )
    .action(async (event: string, flags: ProveFlags) => {
      const ref = parseEventRef(event);
      if (ref === undefined) {
        throw new KeywitnessError('KW_USAGE', `${event} is not stream/partition/epoch/offset[/index].`);
      }
      if (existsSync(flags.out) && readdirSync(flags.out).length > 0) {
        throw new KeywitnessError('KW_USAGE', `${flags.out} is not empty: nothing was written.`);
      }
      const terminal = processTerminal(flags);
      const files = await withStore(flags.data, (engine) =>
        proveEvent(engine, requireIdentity(flags.data), ref),
      );
      // The bytes of a record may hold what only their owner may read.
      mkdirSync(flags.out, { recursive: true, mode: 0o700 });
      for (const [name, bytes] of files) writeFileSync(join(flags.out, name), bytes, { mode: 0o600 });
      const written = { event: eventRefText(ref), out: flags.out, files: [...files.keys()] };
      if (terminal.isPeople) terminal.err.write(`${flags.out}: ${written.files.join(', ')}\n`);
      else terminal.out.write(`${JSON.stringify(written)}\n`);
    });
}
