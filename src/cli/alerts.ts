import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../core/clock.ts';
import type { DeliveryRow } from '../core/delivery.ts';
import { KeywitnessError } from '../core/errors.ts';
import { type Alert, type Level, levelRank, levels } from '../core/signal.ts';
import { Ledger } from '../ledger/ledger.ts';
import { openKeys } from '../ledger/openKeys.ts';
import { mailText } from '../notify/render/mailText.ts';
import { storyOf } from '../notify/render/story.ts';
import { type AlertAct, type AlertStore, openAlertStore } from '../store/alertStore.ts';
import type { Engine } from '../store/client.ts';
import { openDeliveryLog } from '../store/deliveryStore.ts';
import { openLedgerStore } from '../store/ledgerStore.ts';
import { migrate } from '../store/migrate.ts';
import { anchorFile } from './appOptions.ts';
import { dataOption } from './dataOption.ts';
import { printable, printRows, processTerminal, type Terminal } from './output.ts';
import { withStore } from './withStore.ts';

interface CommonFlags {
  readonly data: string;
  readonly json?: boolean;
}

/** A name or a reason is a line of the meta-log, whose leaves stay small. */
const textMax = 500;

export function alertsCommand(): Command {
  return new Command('alerts')
    .description('what people were told, and what became of it')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(ackCommand())
    .addHelpText('after', '\nExample:\n  keywitness alerts list --all\n');
}

function listCommand(): Command {
  return common(new Command('list').description('open alerts, newest first'))
    .option('--all', 'also those that somebody has taken or closed')
    .addOption(
      new Option('--fail-on <severity>', 'exit 1 when an alert of at least this severity is listed').choices(
        levels,
      ),
    )
    .addHelpText('after', '\nExample:\n  keywitness alerts list --all --json\n')
    .action(async (flags: CommonFlags & { all?: boolean; failOn?: Level }) => {
      const terminal = processTerminal(flags);
      const alerts = await withAlerts(flags, (store) => store.list({ all: flags.all === true }));
      if (terminal.isPeople) printPeople(terminal, alerts, flags.all === true);
      else printRows(terminal, alerts.map(listed), []);
      const { failOn } = flags;
      if (failOn && alerts.some((a) => levelRank(a.severity) >= levelRank(failOn))) process.exitCode = 1;
    });
}

function showCommand(): Command {
  return common(
    new Command('show').description('one alert: what, why, how to see the evidence, who was told'),
  )
    .argument('<id>', 'id of the alert, or the beginning of it')
    .addHelpText('after', '\nExample:\n  keywitness alerts show f73ca633\n')
    .action(async (id: string, flags: CommonFlags) => {
      const terminal = processTerminal(flags);
      const shown = await withAlerts(flags, async (store, engine) => {
        const alert = await findAlert(store, id);
        return {
          alert,
          acts: await store.acts(alert.id),
          told: await openDeliveryLog(engine).history(alert.id),
        };
      });
      if (terminal.isPeople) terminal.out.write(showText(shown.alert, shown.acts, shown.told));
      else
        printRows(
          terminal,
          [{ ...shown.alert, acts: shown.acts.map(actJson), deliveries: shown.told.map(toldJson) }],
          [],
        );
    });
}

function ackCommand(): Command {
  return common(new Command('ack').description('says who takes an alert; kept as evidence in the meta-log'))
    .argument('<id>', 'id of the alert, or the beginning of it')
    .requiredOption('--by <name>', 'who takes it', shortText)
    .option('--reason <text>', 'why, or what is done about it', shortText, '')
    .addHelpText(
      'after',
      '\nExample:\n  keywitness alerts ack f73ca633 --by ana --reason "asked the team, it was a drill"\n',
    )
    .action(async (id: string, flags: CommonFlags & { by: string; reason: string }) => {
      const terminal = processTerminal(flags);
      const alert = await withAlerts(flags, async (store, engine) => {
        const found = await findAlert(store, id);
        const act = { alert: found.id, at: systemClock.now(), state: 'acknowledged' as const, by: flags.by };
        await acknowledge(engine, store, flags.data, { ...act, reason: flags.reason });
        return { ...found, state: act.state };
      });
      if (terminal.isPeople) terminal.out.write(`${alert.id} is acknowledged by ${printable(flags.by)}.\n`);
      else printRows(terminal, [listed(alert)], []);
    });
}

function common(command: Command): Command {
  return command.addOption(new Option('--json', 'NDJSON also on a terminal')).addOption(dataOption());
}

/** @throws KW_DATA_MISSING, KW_DATA_HELD */
function withAlerts<T>(
  flags: CommonFlags,
  run: (store: AlertStore, engine: Engine) => Promise<T>,
): Promise<T> {
  return withStore(flags.data, async (engine) => {
    await migrate(engine);
    return run(openAlertStore(engine), engine);
  });
}

/** The leaf first: a decision without evidence would be worse than one that has to be made again. */
async function acknowledge(engine: Engine, store: AlertStore, dataDir: string, act: AlertAct): Promise<void> {
  const ledger = await Ledger.open({
    store: openLedgerStore(engine),
    keys: await openKeys(resolve(dataDir), process.env),
    anchorFile: anchorFile(dataDir),
    clock: systemClock,
  });
  await ledger.start();
  await ledger.record('ack', [
    ['alert', act.alert],
    ['state', act.state],
    ['by', act.by],
    ['reason', act.reason],
  ]);
  await store.act(act);
  await ledger.stop();
}

/** @throws KW_ALERT_UNKNOWN when none or several begin so. */
async function findAlert(store: AlertStore, id: string): Promise<Alert> {
  const found = /^[0-9a-f]{4,16}$/.test(id) ? await store.byPrefix(id) : [];
  if (found.length === 1 && found[0]) return found[0];
  const many = found.length > 1 ? `${found.map((a) => a.id).join(', ')} begin so: give more of it.` : '';
  throw new KeywitnessError(
    'KW_ALERT_UNKNOWN',
    many || `${printable(id)} is no id or at least four digits of one. See \`keywitness alerts list --all\`.`,
  );
}

function shortText(value: string): string {
  const text = value.trim();
  if (text === '' || text.length > textMax) {
    throw new InvalidArgumentError(`It must hold 1 to ${textMax} characters.`);
  }
  return text;
}

/** The line of `alerts list --json` (docs/cli.md): a contract. */
function listed(a: Alert) {
  const { id, rule, title, severity, state, first, last, identity, secret, requests, events, summary } = a;
  return { id, rule, title, severity, state, first, last, identity, secret, requests, events, summary };
}

/** The worst first: people read from the top, scripts sort for themselves. */
function printPeople(terminal: Terminal, alerts: readonly Alert[], isAll: boolean): void {
  const worst = [...alerts].sort((a, b) => levelRank(b.severity) - levelRank(a.severity));
  const rows = worst.map((a) => ({
    id: a.id,
    severity: a.severity,
    ...(isAll ? { state: a.state } : {}),
    since: a.first.slice(0, 16).replace('T', ' '),
    who: a.identityName || a.identity,
    secret: a.secret,
    what: a.title,
  }));
  const columns = ['id', 'severity', ...(isAll ? ['state'] : []), 'since', 'who', 'secret', 'what'];
  printRows(terminal, rows, columns);
  const more = isAll ? '' : ' Those that somebody has taken: --all.';
  terminal.err.write(`${alerts.length} ${alerts.length === 1 ? 'alert' : 'alerts'}.${more}\n`);
}

function showText(alert: Alert, acts: readonly AlertAct[], told: readonly DeliveryRow[]): string {
  const message = {
    kind: 'alert',
    alert,
    key: alert.id,
    change: 'new',
    revision: '',
    mention: false,
  } as const;
  const lines = [
    ...acts.map((a) => [a.at, `${a.state} by ${a.by}${a.reason === '' ? '' : `: ${a.reason}`}`] as const),
    ...told.map(
      (r) => [r.at, `${r.channel === '-' ? 'nobody' : r.channel}: ${r.state}, ${r.reason}`] as const,
    ),
  ].sort((a, b) => a[0] - b[0]);
  const history = lines.map(([at, text]) => `${new Date(at).toISOString()}  ${printable(text)}\n`).join('');
  const state = `State: ${alert.state}\n`;
  return `${mailText(storyOf(message, 'keywitness'))}\n${state}${history}`;
}

function actJson({ at, state, by, reason }: AlertAct) {
  return { time: new Date(at).toISOString(), state, by, reason };
}

function toldJson(r: DeliveryRow) {
  return {
    time: new Date(r.at).toISOString(),
    channel: r.channel,
    state: r.state,
    reason: r.reason,
    attempts: r.attempts,
  };
}
