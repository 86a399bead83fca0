import { join } from 'node:path';
import { Command } from 'commander';
import { runService } from '../app/service.ts';
import { loadConfig } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { loadSources } from '../sources/registry.ts';
import { openEmbedded, openServer } from '../store/client.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';

export function runCommand(): Command {
  return new Command('run')
    .description('The service: take in topics and HTTP streams, store, detect, alert. SIGTERM drains.')
    .option('--config <file>', 'the configuration', 'keywitness.yaml')
    .addHelpText('after', '\nExample:\n  keywitness run --config keywitness.yaml\n')
    .action(async (flags: { config: string }) => {
      const sources = (await loadSources()).flatMap((s) => [s.name, ...(s.aliases ?? [])]);
      const config = loadConfig(flags.config, { sources });
      const stop = new AbortController();
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
      await runService({
        config,
        telemetry: createTelemetry(),
        clock: systemClock,
        openStore: () =>
          config.store === undefined ? openEmbedded(join(config.data, 'store')) : openServer(config.store),
        stop: stop.signal,
      });
    });
}
