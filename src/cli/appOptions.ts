import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type App, keptCatalog, openApp } from '../app.ts';
import { systemClock } from '../core/clock.ts';
import { KeywitnessError } from '../core/errors.ts';
import { openChosenAnchors } from './chosenAnchors.ts';
import { openChosenStore } from './chosenStore.ts';
import { dataOption } from './dataOption.ts';

export interface DataOptions {
  readonly data: string;
  readonly catalog?: string;
}

/** `--data` and `--catalog`, as every command that opens the store takes them. */
export function withDataOptions(command: Command): Command {
  return command
    .addOption(dataOption())
    .addOption(
      new Option(
        '--catalog <file>',
        'what the operator knows: catalog.yaml (default: the one used last)',
      ).env('KEYWITNESS_CATALOG'),
    );
}

/** The append-only anchor lies outside the data directory: `DIR.anchor` beside it (docs/ledger.md). */
export function anchorFile(dataDir: string): string {
  return process.env.KEYWITNESS_ANCHOR_FILE ?? `${resolve(dataDir)}.anchor`;
}

/** The catalog named, else the one this data directory was used with last. */
export function catalogFileOf({ data, catalog }: DataOptions): { readonly catalogFile?: string } {
  if (catalog !== undefined) return { catalogFile: resolve(catalog) };
  const last = keptCatalog(resolve(data));
  return existsSync(last) ? { catalogFile: last } : {};
}

/** @throws KW_DATA_MISSING: a command that reads must not make an empty store and call it intact. */
export function requireStore(dataDir: string): void {
  if (!existsSync(join(dataDir, 'store'))) {
    throw new KeywitnessError(
      'KW_DATA_MISSING',
      `${resolve(dataDir)} holds none. Name the right one with --data, or make one with \`keywitness ingest FILE\`.`,
    );
  }
}

/** Opens the app on a data directory, runs, and closes it in order whatever happens. */
export async function withApp<T>(options: DataOptions, run: (app: App) => Promise<T>): Promise<T> {
  const app = await openApp({
    dataDir: resolve(options.data),
    anchorFile: anchorFile(options.data),
    anchors: openChosenAnchors(),
    ...catalogFileOf(options),
    clock: systemClock,
    openStore: () => openChosenStore(options.data),
  });
  try {
    const result = await run(app);
    for (const { sentence } of app.troubles) process.stderr.write(`${sentence} Run \`keywitness verify\`.\n`);
    await app.close();
    return result;
  } catch (error) {
    await app.abandon();
    throw error;
  }
}
