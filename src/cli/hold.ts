import { Command, InvalidArgumentError, Option } from 'commander';
import { addHold, heldScope, releaseHold } from '../app/hold.ts';
import { readHoldActs } from '../ledger/audit/lawfulLeaves.ts';
import { type HoldAct, type HoldScope, holdsInForce } from '../ledger/hold.ts';
import { heldMonths } from '../store/holdStore.ts';
import { shortText } from './approval.ts';
import { openChosenStore } from './chosenStore.ts';
import { dataOption } from './dataOption.ts';
import { printable, printRows, processTerminal } from './output.ts';
import { withLedger } from './withLedger.ts';
import { withStore } from './withStore.ts';

interface Flags {
  readonly data: string;
  readonly json?: boolean;
}

export function holdCommand(): Command {
  return new Command('hold')
    .description('legal holds: what they cover is neither dropped nor erased')
    .addCommand(addCommand())
    .addCommand(releaseCommand())
    .addCommand(listCommand())
    .addHelpText('after', '\nExample:\n  keywitness hold list\n');
}

type AddFlags = Flags & HoldScope & { id?: string; by: string; reason: string };

function addCommand(): Command {
  return common(new Command('add').description('keep what is in scope; without a scope everything is kept'))
    .option('--id <id>', 'name of the hold (default: one is made)')
    .requiredOption('--by <name>', 'who puts it in force', shortText)
    .requiredOption('--reason <text>', 'why: the case, the request', shortText)
    .option('--stream <stream>', 'only this stream', shortText)
    .option('--secret <glob>', 'only acts on these secrets, as in the catalog: vault:main/prod/**', shortText)
    .option('--identity <id>', 'only acts by, as or on this identity', shortText)
    .option('--from <time>', 'only acts from this time on', timeOf)
    .option('--to <time>', 'only acts before this time', timeOf)
    .addHelpText(
      'after',
      '\nExample:\n  keywitness hold add --id case-7 --by ana --reason "case 7 of 2026" --secret "vault:main/prod/**"\n',
    )
    .action(async ({ id, by, reason, data, json, ...rest }: AddFlags) => {
      const terminal = processTerminal({ json });
      const scope = scopeOf(rest);
      const { added, months } = await withLedger(
        data,
        () => openChosenStore(data),
        async (open) => {
          const named = id === undefined ? {} : { id };
          const act = await addHold(open, { ...named, scope, by, reason });
          return { added: act, months: await heldMonths(open.engine, heldScope(scope)) };
        },
      );
      const records = [...months.values()].reduce((sum, n) => sum + n, 0);
      const row = { ...shownOf(added), records, months: [...months.keys()].sort() };
      if (!terminal.isPeople) printRows(terminal, [row], []);
      else terminal.out.write(`Hold ${added.id} is in force: ${records} records of ${months.size} months.\n`);
    });
}

function releaseCommand(): Command {
  return common(new Command('release').description('end a hold'))
    .argument('<id>', 'name of the hold')
    .requiredOption('--by <name>', 'who ends it', shortText)
    .requiredOption('--reason <text>', 'why', shortText)
    .addHelpText('after', '\nExample:\n  keywitness hold release case-7 --by ana --reason "settled"\n')
    .action(async (id: string, { by, reason, data, json }: Flags & { by: string; reason: string }) => {
      const terminal = processTerminal({ json });
      const act = await withLedger(
        data,
        () => openChosenStore(data),
        (open) => releaseHold(open, { id, by, reason }),
      );
      if (!terminal.isPeople) printRows(terminal, [shownOf(act)], []);
      else terminal.out.write(`Hold ${id} is released by ${printable(by)}.\n`);
    });
}

function listCommand(): Command {
  return common(new Command('list').description('holds in force, oldest first'))
    .option('--all', 'also those that were released')
    .addHelpText('after', '\nExample:\n  keywitness hold list --json\n')
    .action(async (flags: Flags & { all?: boolean }) => {
      const terminal = processTerminal(flags);
      const acts = await withStore(flags.data, readHoldActs);
      const rows = (flags.all === true ? acts : holdsInForce(acts)).map((a) => ({
        ...shownOf(a),
        at: new Date(a.at).toISOString(),
      }));
      printRows(terminal, rows, ['id', 'act', 'at', 'by', 'reason', 'scope']);
      if (terminal.isPeople && rows.length === 0) terminal.err.write('No hold is in force.\n');
    });
}

function common(command: Command): Command {
  return command.addOption(new Option('--json', 'NDJSON also on a terminal')).addOption(dataOption());
}

function timeOf(text: string): number {
  const ms = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(ms)) {
    throw new InvalidArgumentError('Give a time such as 2026-08-01 or 2026-08-01T12:00:00Z.');
  }
  return ms;
}

function scopeOf({ stream, secret, identity, from, to }: HoldScope): HoldScope {
  const parts = Object.entries({ stream, secret, identity, from, to });
  return Object.fromEntries(parts.filter(([, value]) => value !== undefined));
}

/** Times as people and scripts read them. */
function shownOf({ id, act, scope, by, reason }: Omit<HoldAct, 'at'>) {
  const { from, to, ...rest } = scope;
  const iso = (name: string, ms: number | undefined) =>
    ms === undefined ? {} : { [name]: new Date(ms).toISOString() };
  return { id, act, by, reason, scope: { ...rest, ...iso('from', from), ...iso('to', to) } };
}
