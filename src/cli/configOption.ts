import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { chooseWitnesses } from './chosenAnchors.ts';
import { chooseStore } from './chosenStore.ts';

/**
 * `--config FILE` on every command: data directory, catalog and anchor come from it unless the command line or
 * the environment names them; the store is the server it names, if it names one, and its witnesses are asked.
 */
export function addConfigOption(command: Command): void {
  if (!command.options.some((o) => o.long === '--data')) return;
  command.option('--config <file>', 'take data directory, store, catalog and anchor from this configuration');
  command.hook('preAction', (_, action) => {
    const file: unknown = action.getOptionValue('config');
    chooseStore(undefined);
    chooseWitnesses([]);
    if (typeof file !== 'string') return;
    const config = loadConfig(file);
    chooseStore(config.store);
    chooseWitnesses(config.witnesses);
    const setUnlessGiven = (name: string, value: string | undefined) => {
      const source = action.getOptionValueSource(name);
      const isGiven = source !== undefined && source !== 'default';
      const isKnown = action.options.some((o) => o.attributeName() === name);
      if (value !== undefined && isKnown && !isGiven) action.setOptionValueWithSource(name, value, 'config');
    };
    setUnlessGiven('data', config.data);
    setUnlessGiven('catalog', config.catalog);
    setUnlessGiven('keep', config.keep);
    process.env.KEYWITNESS_ANCHOR_FILE ??= config.anchor;
  });
}
