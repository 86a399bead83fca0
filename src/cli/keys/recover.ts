import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { keyPassphrase, readKeyFile } from '../../ledger/keyFile.ts';
import { localSigner } from '../../ledger/note.ts';
import { openLostKeys } from '../../ledger/openKeys.ts';
import { recoverKeys } from '../../ledger/rotate.ts';
import { dataOption } from '../dataOption.ts';
import { processTerminal } from '../output.ts';
import { printRotated } from './rotate.ts';
import { withKeys } from './withKeys.ts';

interface Flags {
  readonly root: string;
  readonly data: string;
  readonly json?: boolean;
}

export function recoverCommand(): Command {
  return new Command('recover')
    .description('the signing key is lost or stolen: the offline root names another one')
    .requiredOption('--root <file>', 'private key of the root, as `keys root` wrote it')
    .addOption(new Option('--json', 'NDJSON also on a terminal'))
    .addOption(dataOption())
    .addHelpText(
      'after',
      '\nRun `keywitness verify` first: what a thief signed before this stays signed.\n' +
        '\nExample:\n  keywitness keys recover --root root.pem\n',
    )
    .action(async (flags: Flags) => {
      const passphrase = keyPassphrase(process.env, 'KEYWITNESS_ROOT_PASSPHRASE');
      const root = localSigner(readKeyFile(resolve(flags.root), passphrase).privateKey);
      const open = (dataDir: string) => openLostKeys(dataDir, process.env);
      printRotated(
        processTerminal(flags),
        await withKeys(flags.data, open, (options) => recoverKeys(options, root)),
      );
    });
}
