import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { copiesOf } from '../app/copies.ts';
import { type ErasureDone, eraseRecords, recordsOf } from '../app/erasure.ts';
import { requireTwoApprovers } from '../app/retention.ts';
import { KeywitnessError } from '../core/errors.ts';
import { parseEventRef, streamKeyText } from '../core/record.ts';
import type { Engine } from '../store/client.ts';
import {
  contentOf,
  type RecordContent,
  type RecordPlace,
  recordsNaming,
  recordsOfIdentity,
} from '../store/erasureStore.ts';
import { shortText, whoRuns, withApprovers } from './approval.ts';
import { openStoreToDrop } from './chosenStore.ts';
import { dataOption } from './dataOption.ts';
import { printRows, processTerminal, type Terminal } from './output.ts';
import { withLedger } from './withLedger.ts';
import { withStore } from './withStore.ts';

interface Flags {
  readonly data: string;
  readonly json?: boolean;
  readonly identity?: string;
  readonly basis?: string;
  readonly approver: readonly string[];
}

export function eraseCommand(): Command {
  const command = new Command('erase')
    .description('erase records on a legal ground: bytes and all that was derived; the leaf hash stays')
    .argument('[event...]', 'events, stream/partition/epoch/offset: the whole record of each')
    .option('--identity <id>', 'all records in which this identity acted', shortText)
    .option('--basis <text>', 'the legal ground: law, article, request', shortText)
    .addOption(new Option('--json', 'NDJSON also on a terminal'))
    .addOption(dataOption());
  return withApprovers(command)
    .addHelpText(
      'after',
      '\nWithout --basis and --approver nothing is erased: it lists what would be, and the copies out of reach.\n' +
        'Exit codes: 0 done, 1 a legal hold covers one of them, 2 not two approvers or no such event.\n' +
        '\nExample:\n  keywitness erase openbao-audit-2026q3.ndjson/0/0/16223261\n',
    )
    .action(async (events: readonly string[], flags: Flags) => {
      const terminal = processTerminal(flags);
      const named = recordsOf(events.map(refOf));
      if (named.length === 0 && flags.identity === undefined) {
        throw new KeywitnessError('KW_USAGE', 'Name events, or a person with --identity.');
      }
      const isListing = flags.basis === undefined && flags.approver.length === 0;
      await (isListing ? list(terminal, flags, named) : erase(terminal, flags, named));
    });
}

async function list(terminal: Terminal, flags: Flags, named: readonly RecordPlace[]): Promise<void> {
  await withStore(flags.data, async (engine) => {
    const records = await allOf(engine, flags, named);
    printContent(terminal, records, await contentOf(engine, records));
    printCopies(terminal, await copiesOf(engine, { records, dataDir: resolve(flags.data) }));
    await tellNamed(terminal, engine, flags);
    terminal.err.write(
      `${counted(records.length, 'record')}. Nothing was erased: give --basis and two --approver to erase them.\n`,
    );
  });
}

async function erase(terminal: Terminal, flags: Flags, named: readonly RecordPlace[]): Promise<void> {
  const { basis, approver: approvers, data } = flags;
  if (basis === undefined) throw new KeywitnessError('KW_USAGE', 'On what ground? Give --basis.');
  requireTwoApprovers(approvers);
  const done = await withLedger(
    data,
    () => openStoreToDrop(data, process.env),
    async (open) => {
      const records = await allOf(open.engine, flags, named);
      printContent(terminal, records, await contentOf(open.engine, records));
      await tellNamed(terminal, open.engine, flags);
      return eraseRecords(open, { records, basis, approvers, by: whoRuns(), dataDir: resolve(data) });
    },
  );
  printDone(terminal, done);
}

/** @throws KW_USAGE */
function refOf(text: string) {
  const ref = parseEventRef(text);
  if (ref !== undefined) return ref;
  throw new KeywitnessError('KW_USAGE', `${text} is no event: stream/partition/epoch/offset.`);
}

async function allOf(
  engine: Engine,
  { identity }: Flags,
  named: readonly RecordPlace[],
): Promise<RecordPlace[]> {
  const found = identity === undefined ? [] : await recordsOfIdentity(engine, identity);
  const known = new Set(named.map(nameOf));
  return [...named, ...found.filter((r) => !known.has(nameOf(r)))];
}

async function tellNamed({ err }: Terminal, engine: Engine, { identity }: Flags): Promise<void> {
  const others = identity === undefined ? 0 : await recordsNaming(engine, identity);
  if (others > 0) {
    err.write(
      `${others} more records of others name ${identity}: name them one by one if they must go too.\n`,
    );
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function nameOf(place: RecordPlace): string {
  return `${streamKeyText(place)}/${place.offset}`;
}

/** Whose acts a record holds beside is shown before it goes: an envelope may hold several people's. */
function printContent(
  terminal: Terminal,
  records: readonly RecordPlace[],
  content: readonly RecordContent[],
): void {
  const of = new Map(content.map((c) => [nameOf(c), c]));
  const rows = records.map((r) => {
    const { time = '', events = 0, identities = [] } = of.get(nameOf(r)) ?? {};
    return { kind: 'record', event: nameOf(r), time, events, identities };
  });
  printRows(terminal, rows, ['event', 'time', 'events', 'identities']);
}

function printCopies(terminal: Terminal, copies: ErasureDone['copies']): void {
  if (copies.length === 0) return;
  if (terminal.isPeople) terminal.out.write('\nOut of reach:\n');
  printRows(
    terminal,
    copies.map((c) => ({ kind: 'copy', ...c })),
    ['what', 'where'],
  );
}

function printDone(terminal: Terminal, { records, alerts, messages, copies }: ErasureDone): void {
  if (!terminal.isPeople) {
    const rows = records.map((r) => ({
      kind: 'erased',
      event: nameOf(r),
      index: r.index,
      leaf: r.leaf.toString('hex'),
      before: r.isOld,
    }));
    printRows(terminal, [...rows, ...alerts.map((id) => ({ kind: 'alert', id }))], []);
    printRows(
      terminal,
      messages.map((file) => ({ kind: 'message', file })),
      [],
    );
  }
  printCopies(terminal, copies);
  terminal.err.write(
    `Erased: ${counted(records.length, 'record')}, ${counted(alerts.length, 'alert')} and ${counted(messages.length, 'message')} of the outbox that quoted them. ` +
      'Backups of the data directory, and copies people made, are theirs to erase.\n',
  );
}
