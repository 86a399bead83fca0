import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { createKeyFile, keyPassphrase, readKeyFile } from '../../ledger/keyFile.ts';
import { localSigner } from '../../ledger/note.ts';
import { openKeys } from '../../ledger/openKeys.ts';
import { registerRoot } from '../../ledger/rotate.ts';
import { dataOption } from '../dataOption.ts';
import { printRows, processTerminal } from '../output.ts';
import { withKeys } from './withKeys.ts';

interface Flags {
  readonly out: string;
  readonly data: string;
  readonly json?: boolean;
}

export function rootCommand(): Command {
  return new Command('root')
    .description(
      'make the offline root and register it: it can name another key when this one is lost or stolen',
    )
    .requiredOption(
      '--out <file>',
      'private key of the root, PKCS#8 PEM: written, or registered when it is there',
    )
    .addOption(new Option('--json', 'NDJSON also on a terminal'))
    .addOption(dataOption())
    .addHelpText(
      'after',
      '\nKEYWITNESS_ROOT_PASSPHRASE or KEYWITNESS_ROOT_PASSPHRASE_FILE encrypts the file.\n' +
        '\nExample:\n  keywitness keys root --out root.pem\n',
    )
    .action(async (flags: Flags) => {
      const terminal = processTerminal(flags);
      const file = resolve(flags.out);
      const passphrase = keyPassphrase(process.env, 'KEYWITNESS_ROOT_PASSPHRASE');
      // There already after a run that was cut short, or made on a machine that never was on a network.
      const read = () =>
        existsSync(file) ? localSigner(readKeyFile(file, passphrase).privateKey) : undefined;
      const make = () => localSigner(createKeyFile(file, passphrase).privateKey);
      const root = await withKeys(
        flags.data,
        (dataDir) => openKeys(dataDir, process.env),
        (options) => registerRoot(options, { read, make }),
      );
      const { isEncrypted } = readKeyFile(file, passphrase);
      const row = {
        root: root.publicKey.toString('base64'),
        leaf: root.leaf,
        since: new Date(root.since).toISOString(),
        file,
      };
      if (terminal.isPeople) terminal.out.write(`${row.root}\n`);
      else printRows(terminal, [row], []);
      const plain = isEncrypted ? '' : ' It is not encrypted: whoever has the file can name the next key.';
      terminal.err.write(
        `The root stands in leaf ${root.leaf} of the meta-log. Take ${file} away from this machine now, to two places that nobody reaches over a network.${plain}\n`,
      );
    });
}
