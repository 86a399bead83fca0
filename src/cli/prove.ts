import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { KeywitnessError } from '../core/errors.ts';
import { eventRefText, parseEventRef } from '../core/record.ts';
import { proveEvent } from '../ledger/audit/prove.ts';
import { proveAll } from '../ledger/audit/proveAll.ts';
import { proveSince } from '../ledger/audit/proveSince.ts';
import { dataOption } from './dataOption.ts';
import { fileError } from './fileError.ts';
import { processTerminal } from './output.ts';
import { progressBar } from './progress.ts';
import { requireIdentity, withStore } from './withStore.ts';

interface ProveFlags {
  readonly data: string;
  readonly out?: string;
  readonly all?: boolean;
  readonly since?: string;
  readonly json?: boolean;
}

export function proveCommand(): Command {
  return new Command('prove')
    .description('prove one event, or how the log grew, to a stranger')
    .argument('[event]', 'stream/partition/epoch/offset[/index]')
    .option('--out <dir>', 'folder to write: it must not exist or be empty')
    .option('--all', 'the whole log as files: every tree in C2SP tlog-tiles layout, with its records')
    .option(
      '--since <note>',
      'print the proof from this kept checkpoint to the newest one, as a witness takes it',
    )
    .option('--json', 'NDJSON also on a terminal')
    .addOption(dataOption())
    .addHelpText(
      'after',
      '\nExample:\n  keywitness prove audit.ndjson/0/0/0 --out proof\n  keywitness verify --offline proof\n' +
        '  keywitness prove --all --out bundle\n  keywitness verify --offline bundle\n' +
        '  keywitness checkpoint > kept.note\n  keywitness prove --since kept.note\n',
    )
    .action(async (event: string | undefined, flags: ProveFlags) => {
      try {
        await prove(event, flags);
      } catch (cause) {
        throw fileError(flags.out ?? flags.since ?? '', cause);
      }
    });
}

async function prove(event: string | undefined, flags: ProveFlags): Promise<void> {
  const asked = [event, flags.all, flags.since].filter((given) => given !== undefined);
  if (asked.length !== 1) {
    throw new KeywitnessError('KW_USAGE', 'Give one of: an event with --out, --all with --out, --since.');
  }
  if (event !== undefined) return proveOne(event, flags);
  return flags.since === undefined ? writeAll(flags) : printSince(flags.since, flags);
}

async function proveOne(event: string, flags: ProveFlags): Promise<void> {
  const ref = parseEventRef(event);
  if (ref === undefined) {
    throw new KeywitnessError('KW_USAGE', `${event} is not stream/partition/epoch/offset[/index].`);
  }
  const out = emptyFolder(flags.out);
  const terminal = processTerminal(flags);
  const files = await withStore(flags.data, (engine) => proveEvent(engine, requireIdentity(flags.data), ref));
  // The bytes of a record may hold what only their owner may read.
  mkdirSync(out, { recursive: true, mode: 0o700 });
  for (const [name, bytes] of files) writeFileSync(join(out, name), bytes, { mode: 0o600 });
  const written = { event: eventRefText(ref), out, files: [...files.keys()] };
  if (terminal.isPeople) terminal.err.write(`${out}: ${written.files.join(', ')}\n`);
  else terminal.out.write(`${JSON.stringify(written)}\n`);
}

async function writeAll(flags: ProveFlags): Promise<void> {
  const out = emptyFolder(flags.out);
  const terminal = processTerminal(flags);
  const bar = progressBar('prove');
  const written = await withStore(flags.data, (engine) =>
    proveAll(engine, requireIdentity(flags.data), out, (done, total) => bar.update(done, total, done)),
  ).finally(() => bar.end());
  if (terminal.isPeople) terminal.err.write(`${out}: ${written.trees} trees, ${written.leaves} leaves\n`);
  else terminal.out.write(`${JSON.stringify({ out, ...written })}\n`);
}

async function printSince(path: string, flags: ProveFlags): Promise<void> {
  if (!existsSync(path)) throw new KeywitnessError('KW_USAGE', `${path} does not exist.`);
  const note = readFileSync(path, 'utf8');
  const body = await withStore(flags.data, (engine) => proveSince(engine, requireIdentity(flags.data), note));
  processTerminal(flags).out.write(body);
}

function emptyFolder(out: string | undefined): string {
  if (out === undefined) throw new KeywitnessError('KW_USAGE', '--out DIR is missing.');
  if (existsSync(out) && readdirSync(out).length > 0) {
    throw new KeywitnessError('KW_USAGE', `${out} is not empty: nothing was written.`);
  }
  return out;
}
