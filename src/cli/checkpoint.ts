import { Command } from 'commander';
import { KeywitnessError } from '../core/errors.ts';
import { newestCheckpoint } from '../ledger/audit/prove.ts';
import { dataOption } from './dataOption.ts';
import { processTerminal } from './output.ts';
import { requireIdentity, withStore } from './withStore.ts';

export function checkpointCommand(): Command {
  return new Command('checkpoint')
    .description('print the newest signed checkpoint: one note that pins the whole log; keep it elsewhere')
    .addOption(dataOption())
    .addHelpText(
      'after',
      '\nExample:\n  keywitness checkpoint > kept.note\n  keywitness verify --since kept.note\n',
    )
    .action(async ({ data }: { data: string }) => {
      const terminal = processTerminal();
      const note = await withStore(data, (engine) => newestCheckpoint(engine, requireIdentity(data)));
      if (note === undefined) {
        throw new KeywitnessError(
          'KW_DATA_MISSING',
          `${data} holds records, and no checkpoint was signed yet.`,
        );
      }
      terminal.out.write(note);
    });
}
