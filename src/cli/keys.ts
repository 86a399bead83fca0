import { Command } from 'commander';
import { listKeysCommand } from './keys/list.ts';
import { recoverCommand } from './keys/recover.ts';
import { rootCommand } from './keys/root.ts';
import { rotateCommand } from './keys/rotate.ts';

export function keysCommand(): Command {
  return new Command('keys')
    .description('who signs: the keys so far, the next one, and the offline root for the worst case')
    .addCommand(listKeysCommand())
    .addCommand(rotateCommand())
    .addCommand(rootCommand())
    .addCommand(recoverCommand())
    .addHelpText('after', '\nExample:\n  keywitness keys list\n');
}
