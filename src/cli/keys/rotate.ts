import { Command, Option } from 'commander';
import { metaOrigin } from '../../ledger/checkpoint.ts';
import { noteVerifier } from '../../ledger/note.ts';
import { openKeys } from '../../ledger/openKeys.ts';
import { type Rotated, rotateKeys } from '../../ledger/rotate.ts';
import { dataOption } from '../dataOption.ts';
import { printRows, processTerminal, type Terminal } from '../output.ts';
import { withKeys } from './withKeys.ts';

export function rotateCommand(): Command {
  return new Command('rotate')
    .description('another key signs from now on, endorsed by the one before, which is destroyed')
    .addOption(new Option('--json', 'NDJSON also on a terminal'))
    .addOption(dataOption())
    .addHelpText('after', '\nExample:\n  keywitness keys rotate\n')
    .action(async (flags: { data: string; json?: boolean }) => {
      const rotated = await withKeys(flags.data, (dataDir) => openKeys(dataDir, process.env), rotateKeys);
      printRotated(processTerminal(flags), rotated);
    });
}

/** The new verifier key is the data: whoever checks this log needs it. */
export function printRotated(terminal: Terminal, { logId, before, now, isResumed }: Rotated): void {
  const vkeyOf = (key: Buffer) => noteVerifier(metaOrigin(logId), key).vkey;
  const row = {
    vkey: vkeyOf(now.publicKey),
    before: vkeyOf(before.publicKey),
    leaf: now.leaf,
    since: new Date(now.since ?? 0).toISOString(),
    by: now.by,
    resumed: isResumed,
  };
  if (terminal.isPeople) terminal.out.write(`${row.vkey}\n`);
  else printRows(terminal, [row], []);
  const how = isResumed ? 'A rollover that was cut short is ended: this key signs' : 'This key signs';
  terminal.err.write(
    `${how} from leaf ${row.leaf} of the meta-log on. Give it to your witnesses and auditors, beside ${row.before}, which holds for what came before.\n`,
  );
}
