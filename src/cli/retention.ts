import { styleText } from 'node:util';
import { Command, Option } from 'commander';
import { applyRetention, requireTwoApprovers } from '../app/retention.ts';
import { type Keep, parseKeep } from '../app/retentionKeep.ts';
import { type MonthPlan, planRetention } from '../app/retentionPlan.ts';
import { systemClock } from '../core/clock.ts';
import { KeywitnessError } from '../core/errors.ts';
import { streamKeyText } from '../core/record.ts';
import { whoRuns, withApprovers } from './approval.ts';
import { openStoreToDrop } from './chosenStore.ts';
import { dataOption } from './dataOption.ts';
import { printRows, processTerminal, type Terminal } from './output.ts';
import { withLedger } from './withLedger.ts';
import { withStore } from './withStore.ts';

interface Flags {
  readonly data: string;
  readonly keep?: string;
  readonly json?: boolean;
}

export function retentionCommand(): Command {
  return new Command('retention')
    .description('drop what is older than you must keep: whole ingest months, said and signed first')
    .addCommand(planCommand())
    .addCommand(applyCommand())
    .addHelpText('after', '\nExample:\n  keywitness retention plan --keep 12m\n');
}

function planCommand(): Command {
  return common(new Command('plan').description('which months would go now, and what keeps the others'))
    .addHelpText('after', '\nExample:\n  keywitness retention plan --keep 12m --json\n')
    .action(async (flags: Flags) => {
      const terminal = processTerminal(flags);
      const keep = keepOf(flags);
      const { months } = await withStore(flags.data, (engine) =>
        planRetention(engine, keep, systemClock.now()),
      );
      print(terminal, months);
      if (months.length === 0) terminal.err.write(`No ingest month is older than ${keep.text}.\n`);
    });
}

function applyCommand(): Command {
  const command = new Command('apply').description('drop these months; two people approve');
  return withApprovers(common(command))
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 a legal hold kept a month that is due, 2 not two approvers.\n' +
        '\nExample:\n  keywitness retention apply --keep 12m --approver ana --approver ben\n',
    )
    .action(async (flags: Flags & { approver: readonly string[] }) => {
      const terminal = processTerminal(flags);
      const keep = keepOf(flags);
      requireTwoApprovers(flags.approver);
      const order = { keep, approvers: flags.approver, by: whoRuns(), now: systemClock.now() };
      const { dropped, held } = await withLedger(
        flags.data,
        () => openStoreToDrop(flags.data, process.env),
        (open) => applyRetention(open, order),
      );
      print(terminal, [...dropped.map((m) => ({ ...m, state: 'dropped' as const })), ...held]);
      if (dropped.length + held.length === 0)
        terminal.err.write(`No ingest month is older than ${keep.text}.\n`);
      if (held.length > 0)
        throw new KeywitnessError('KW_HELD', `${heldText(held)} See \`keywitness hold list\`.`);
    });
}

function common(command: Command): Command {
  return command
    .option(
      '--keep <period>',
      'for how long records are kept: 400d, 12m, 6y (default: retention.keep of --config)',
    )
    .addOption(new Option('--json', 'NDJSON also on a terminal'))
    .addOption(dataOption());
}

/** @throws KW_USAGE: nothing is dropped by default */
function keepOf({ keep }: Flags): Keep {
  if (keep !== undefined) return parseKeep(keep);
  throw new KeywitnessError(
    'KW_USAGE',
    'For how long are records kept? Say --keep 12m, or name a configuration with `retention.keep`.',
  );
}

function heldText(held: readonly MonthPlan[]): string {
  return held.map((m) => `${m.month} stays: ${m.holds.map((h) => h.id).join(', ')}.`).join(' ');
}

type Shown = Omit<MonthPlan, 'state'> & { readonly state: MonthPlan['state'] | 'dropped' };

function print(terminal: Terminal, months: readonly Shown[]): void {
  if (!terminal.isPeople) {
    printRows(terminal, months.map(jsonOf), []);
    return;
  }
  const sum = (m: Shown) => m.trees.reduce((n, t) => n + t.count, 0);
  printRows(
    terminal,
    months.map((m) => ({
      month: `${m.month.slice(0, 4)}-${m.month.slice(4)}`,
      state: m.state,
      streams: m.trees.length,
      records: sum(m),
      events: m.derived.events,
      'set aside': m.derived.set_aside,
      hits: m.derived.hits,
      sessions: m.derived.sessions,
      disk: `${(m.diskBytes / 1e6).toFixed(1)} MB`,
      holds: m.holds.map((h) => `${h.id} (${h.records})`).join(', '),
    })),
    ['month', 'state', 'streams', 'records', 'events', 'set aside', 'hits', 'sessions', 'disk', 'holds'],
  );
  for (const m of months) {
    terminal.out.write(`\n${styleText('bold', m.month)}\n`);
    const rows = m.trees.map((t) => ({
      stream: streamKeyText(t),
      leaves: `${t.from}–${t.from + t.count - 1}`,
      records: t.count,
      offsets: `${t.first}–${t.last}`,
      bytes: t.bytes,
    }));
    printRows(terminal, rows, ['stream', 'leaves', 'records', 'offsets', 'bytes']);
  }
}

/** Offsets as text: they may pass 2^53. */
function jsonOf({ month, state, trees, derived, holds, diskBytes }: Shown) {
  return {
    month,
    state,
    records: trees.reduce((n, t) => n + t.count, 0),
    ...derived,
    disk_bytes: diskBytes,
    holds,
    trees: trees.map((t) => ({
      tree: streamKeyText(t),
      from: t.from,
      count: t.count,
      first: `${t.first}`,
      last: `${t.last}`,
      bytes: t.bytes,
    })),
  };
}
