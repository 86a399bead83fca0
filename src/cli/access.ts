import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { createAccessReview } from '../app/accessReview.ts';
import { systemClock } from '../core/clock.ts';
import { emptyCatalog, loadCatalog } from '../enrich/catalog.ts';
import { anchorFile, catalogFileOf, type DataOptions, withDataOptions } from './appOptions.ts';
import { printRows, processTerminal } from './output.ts';
import { withStore } from './withStore.ts';

interface CreateFlags extends DataOptions {
  readonly period: string;
  readonly json?: boolean;
}

export function accessCommand(): Command {
  const command = new Command('access').description('who used which secret');
  const review = command.command('review').description('access reviews for a period');
  const create = review
    .command('create')
    .description(
      'Verify the log and write the access review of a period to DATA/reviews/PERIOD: HTML, CSV, JSON.',
    )
    .requiredOption(
      '--period <period>',
      "2026Q3, 2026H2, 2026 or FROM..TO (TO not included), in the catalog's zone",
    )
    .option('--json', 'NDJSON also on a terminal')
    .addHelpText('after', '\nExample:\n  keywitness access review create --period 2026Q3\n');
  withDataOptions(create).action(run);
  return command;
}

async function run(flags: CreateFlags): Promise<void> {
  const terminal = processTerminal(flags);
  const { catalogFile } = catalogFileOf(flags);
  const catalog = catalogFile === undefined ? emptyCatalog : loadCatalog(catalogFile);
  const dataDir = resolve(flags.data);
  const { folder, files, review } = await withStore(flags.data, (engine) =>
    createAccessReview({
      engine,
      dataDir,
      anchorFile: anchorFile(flags.data),
      catalog,
      period: flags.period,
      now: systemClock.now(),
    }),
  );
  for (const warning of review.warnings) terminal.err.write(`${warning}\n`);
  printRows(
    terminal,
    files.map((f) => ({ file: join(folder, f.name), bytes: f.bytes, sha256: f.sha256 })),
    ['file', 'bytes', 'sha256'],
  );
}
