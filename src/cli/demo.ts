import { join, relative, resolve } from 'node:path';
import { styleText } from 'node:util';
import { Command, Option } from 'commander';
import type { App } from '../app.ts';
import { packageRoot } from '../core/packageRoot.ts';
import { type Alert, type Level, levelRank, levels } from '../core/signal.ts';
import { defaultStreamSettings } from '../sources/source.ts';
import { type DataOptions, withApp, withDataOptions } from './appOptions.ts';
import { printable } from './output.ts';
import { type Progress, progressBar } from './progress.ts';

const demoFolder = join(packageRoot, 'src/demo');
/** The shipped logs: a quarter of an OpenBao server, and an attack simulation against AWS (src/demo/NOTICE.md). */
const demoFiles = [
  { file: 'openbao-audit-2026q3.ndjson.gz', source: 'vault' },
  { file: 'cloudtrail.ndjson.gz', source: 'cloudtrail' },
];
/** The quarter the OpenBao log covers. */
const demoPeriod = '2026Q3';

interface DemoFlags extends DataOptions {
  readonly once?: boolean;
  readonly json?: boolean;
}

/** What `demo --json` prints: one object, stable keys. */
interface DemoSummary {
  readonly records: number;
  readonly events: number;
  readonly set_aside: number;
  readonly added: { readonly records: number; readonly events: number; readonly set_aside: number };
  readonly rules: readonly { readonly rule: string; readonly hits: number }[];
  readonly alerts: { readonly total: number } & Readonly<Record<Level, number>>;
  readonly outbox: { readonly folder: string; readonly slack: number; readonly email: number };
  readonly review: string;
  readonly seconds: number;
}

export function demoCommand(): Command {
  const command = new Command('demo')
    .description(
      'Play the shipped audit logs (one quarter of OpenBao, an attack on AWS) through the whole line.',
    )
    .option('--once', 'end when it is done, also on a terminal')
    .addOption(new Option('--json', 'one JSON summary instead of words'))
    .addHelpText('after', '\nExample:\n  keywitness demo --once --json\n');
  return withDataOptions(command).action(run);
}

async function run(flags: DemoFlags): Promise<void> {
  const catalog = flags.catalog ?? join(demoFolder, 'catalog.yaml');
  await withApp({ ...flags, catalog }, async (app) => {
    const startedAt = performance.now();
    const added = await takeInFiles(app);
    const alerts = await detect(app);
    await app.alerting.tell(alerts);
    await app.checkpoint();
    const review = await app.review(demoPeriod);
    const summary = await summarise(app, flags.data, added, alerts, review.folder, startedAt);
    if (flags.json === true) process.stdout.write(`${JSON.stringify(summary)}\n`);
    else printSummary(summary, alerts, flags.data);
  });
}

async function takeInFiles(app: App): Promise<DemoSummary['added']> {
  const added = { records: 0, events: 0, set_aside: 0 };
  for (const { file, source } of demoFiles) {
    const bar = progressBar(file);
    const counts = await app.ingestFile(join(demoFolder, file), {
      source,
      settings: defaultStreamSettings,
      asOf: 0,
      onProgress: ({ read, total, records }) => bar.update(read, total, records),
    });
    bar.end();
    added.records += counts.records;
    added.events += counts.events;
    added.set_aside += counts.setAside;
  }
  return added;
}

async function detect(app: App): Promise<readonly Alert[]> {
  const bar: Progress = progressBar('detecting over time, days');
  const alerts = await app.detect((done, total) => bar.update(done, total, done));
  bar.end();
  return alerts;
}

async function summarise(
  app: App,
  dataDir: string,
  added: DemoSummary['added'],
  alerts: readonly Alert[],
  reviewFolder: string,
  startedAt: number,
): Promise<DemoSummary> {
  const count = async (table: string) =>
    Number((await app.engine.rows(`SELECT count() AS n FROM ${table}`))[0]?.n);
  const hits = await app.engine.rows(
    'SELECT rule, count() AS hits FROM kw.hits GROUP BY rule ORDER BY hits DESC, rule',
  );
  const sent = await app.engine.rows(
    "SELECT channel, uniqExact(key) AS n FROM kw.deliveries WHERE state = 'delivered' GROUP BY channel",
  );
  const sentBy = (channel: string) => Number(sent.find((r) => r.channel === channel)?.n ?? 0);
  const bySeverity = Object.fromEntries(
    levels.map((level) => [level, alerts.filter((a) => a.severity === level).length]),
  ) as Record<Level, number>;
  return {
    records: await count('kw.records'),
    events: await count('kw.events'),
    set_aside: await count('kw.set_aside'),
    added,
    rules: hits.map((r) => ({ rule: app.ruleTitle(String(r.rule)), hits: Number(r.hits) })),
    alerts: { total: alerts.length, ...bySeverity },
    outbox: { folder: join(dataDir, 'outbox'), slack: sentBy('slack'), email: sentBy('email') },
    review: relative(process.cwd(), reviewFolder),
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
  };
}

function printSummary(summary: DemoSummary, alerts: readonly Alert[], dataDir: string): void {
  const out = process.stdout;
  const line = (text = '') => out.write(`${text}\n`);
  const n = (value: number) => value.toLocaleString('en');
  line(
    `${n(summary.records)} records  ${n(summary.events)} events  ${n(summary.set_aside)} set aside` +
      `  (new in this run: ${n(summary.added.records)} records)  ${summary.seconds} s`,
  );
  line();
  line(styleText('bold', 'Rules that hit'));
  for (const { rule, hits } of summary.rules) line(`  ${n(hits).padStart(6)}  ${printable(rule)}`);
  line();
  line(styleText('bold', `Alerts (${n(alerts.length)})`));
  for (const alert of [...alerts].sort(bySeverityThenTime)) {
    if (levelRank(alert.severity) >= levelRank('medium')) line(`  ${alertLine(alert)}`);
  }
  line(
    `  and ${n(summary.alerts.low + summary.alerts.informational)} of low severity: keywitness alerts list --all`,
  );
  line();
  line(
    `Slack messages (${n(summary.outbox.slack)}) and mails (${n(summary.outbox.email)}): ${summary.outbox.folder}/`,
  );
  line(`Access review: ${join(summary.review, 'review.html')}`);
  line();
  line(styleText('bold', 'Try next'));
  const data = resolve(dataDir) === resolve('.keywitness') ? '' : ` --data ${dataDir}`;
  const first = [...alerts].sort(bySeverityThenTime)[0];
  const tries = [
    ...(first === undefined ? [] : [`npx keywitness alerts show ${first.id}${data}`]),
    `npx keywitness verify${data}`,
    `npx keywitness query "SELECT actor_name, count() AS reads FROM events WHERE phase = 'final' AND action = 'read' GROUP BY actor_name ORDER BY reads DESC LIMIT 10"${data}`,
  ];
  for (const text of tries) line(`  ${text}`);
}

function bySeverityThenTime(a: Alert, b: Alert): number {
  return levelRank(b.severity) - levelRank(a.severity) || (a.first < b.first ? -1 : 1);
}

const colours = {
  critical: 'red',
  high: 'yellow',
  medium: 'cyan',
  low: 'gray',
  informational: 'gray',
} as const;

function alertLine(alert: Alert): string {
  const who = alert.identityName || alert.identity || alert.srcIps[0] || 'unknown';
  const severity = styleText(colours[alert.severity], alert.severity.toUpperCase().padEnd(8));
  const secrets = alert.secrets.length > 1 ? ` (+${alert.secrets.length - 1})` : '';
  const what = alert.secret === '' ? '' : `  ${alert.secret}${secrets}`;
  return `${severity}  ${alert.first.slice(0, 16).replace('T', ' ')}  ${printable(who)}  ${printable(alert.title)}${printable(what)}\n            ${printable(alert.parts[0]?.sentence ?? alert.summary)}`;
}
