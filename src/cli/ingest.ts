import { Command, Option } from 'commander';
import type { IngestSummary } from '../app/ingestFile.ts';
import type { App } from '../app.ts';
import { KeywitnessError } from '../core/errors.ts';
import { levelRank } from '../core/signal.ts';
import { loadSources, sourceNamed } from '../sources/registry.ts';
import { type DataOptions, withApp, withDataOptions } from './appOptions.ts';
import { printRows, processTerminal, type Terminal } from './output.ts';
import { progressBar } from './progress.ts';
import { type StreamFlags, streamSettings, withStreamOptions } from './streamOptions.ts';

interface IngestFlags extends DataOptions, StreamFlags {
  readonly source?: string;
  readonly stream?: string;
  readonly asOf?: string;
  readonly notify?: boolean;
  readonly json?: boolean;
}

export function ingestCommand(): Command {
  const command = new Command('ingest')
    .description(
      'Take in audit logs: NDJSON, JSON arrays and envelopes, gzipped or not. The same file twice adds nothing.',
    )
    .argument('<file...>', 'files, or - for standard input')
    .option('--source <name>', 'the system all records are of (default: found record by record)')
    .option('--stream <name>', "name of the stream (default: the file's base name)")
    .option(
      '--as-of <time>',
      "record time of a file's stream, ISO 8601; part of the evidence, fixed with the first ingest",
    )
    .option('--notify', 'also send the alerts found')
    .addOption(new Option('--json', 'NDJSON also on a terminal'))
    .addHelpText('after', '\nExample:\n  keywitness ingest --source vault audit.log.gz\n');
  return withDataOptions(withStreamOptions(command)).action(run);
}

async function run(files: string[], flags: IngestFlags): Promise<void> {
  if (flags.stream !== undefined && files.length > 1) {
    throw new KeywitnessError('KW_USAGE', '--stream names one stream: give one file with it.');
  }
  const asOf = flags.asOf === undefined ? 0 : Date.parse(flags.asOf);
  if (Number.isNaN(asOf)) throw new KeywitnessError('KW_USAGE', `--as-of ${flags.asOf} is no ISO 8601 time.`);
  const source = flags.source === undefined ? '' : sourceNamed(await loadSources(), flags.source).name;
  const settings = streamSettings(flags);
  const terminal = processTerminal(flags);
  await withApp(flags, async (app) => {
    const rows: object[] = [];
    let added = 0;
    for (const file of files) {
      const bar = progressBar(file);
      const summary = await app.ingestFile(file, {
        ...(flags.stream === undefined ? {} : { stream: flags.stream }),
        source,
        settings,
        asOf,
        onProgress: ({ read, total, records }) => bar.update(read, total, records),
        onNewEpoch: (key) =>
          terminal.err.write(
            `${file}: what was stored of ${key.stream} is no longer what the file says; begun as epoch ${key.epoch}.\n`,
          ),
        onUnfinished: (offset, bytes) =>
          terminal.err.write(
            `${file}: the last line (byte ${offset}, ${bytes} bytes) has no end yet; left for the next run.\n`,
          ),
      });
      bar.end();
      if (summary.quarantined > 0) terminal.err.write(quarantineText(file, summary));
      rows.push(summary);
      added += summary.records;
    }
    if (added > 0) await detect(app, flags, terminal);
    printRows(terminal, rows, ['stream', 'epoch', 'records', 'events', 'setAside', 'hits']);
  });
}

/** An act may hide in what could not be read: whoever takes in a log must not have to look for it. */
function quarantineText(file: string, { quarantined, stream }: IngestSummary): string {
  return (
    `${file}: ${quarantined} could not be understood; their bytes are stored. Why: keywitness query ` +
    `"SELECT reason, count() AS n FROM set_aside WHERE stream = '${stream}' AND outcome = 'quarantine' GROUP BY reason"\n`
  );
}

/** Rules over time and baselines over all that is stored; what they find is stored, and sent only when asked for. */
async function detect(app: App, flags: IngestFlags, terminal: Terminal): Promise<void> {
  const bar = progressBar('detecting over time, days');
  const alerts = await app.detect((done, total) => bar.update(done, total, done));
  bar.end();
  if (flags.notify === true) await app.alerting.tell(alerts);
  const told = alerts.filter((a) => levelRank(a.severity) >= levelRank('medium')).length;
  terminal.err.write(
    `${alerts.length} alerts are stored, ${told} of medium severity or above: keywitness alerts list\n`,
  );
}
