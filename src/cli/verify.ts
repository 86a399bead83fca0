import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { styleText } from 'node:util';
import { Command } from 'commander';
import { KeywitnessError } from '../core/errors.ts';
import { streamKeyText } from '../core/record.ts';
import type { Finding, VerifyReport } from '../ledger/audit/findings.ts';
import { verifyStore } from '../ledger/audit/verify.ts';
import { offlineExits } from '../ledger/offline/finding.ts';
import { type OfflineTrust, readKeys } from '../ledger/offline/trust.ts';
import { verifyOffline } from '../ledger/offline.ts';
import { anchorFile } from './appOptions.ts';
import { dataOption } from './dataOption.ts';
import { fileError } from './fileError.ts';
import { printable, printRows, processTerminal, type Terminal } from './output.ts';
import { progressBar } from './progress.ts';
import { printReplay, type ReplayReport, replayFrom, withReplay } from './verify/replay.ts';
import { policyOf, withWitnesses, witnessTrust } from './verify/witnesses.ts';
import { withStore } from './withStore.ts';

interface VerifyFlags {
  readonly data: string;
  readonly since?: string;
  readonly incremental?: boolean;
  readonly offline?: readonly string[];
  readonly keys?: string;
  readonly policy?: string;
  readonly replay?: boolean;
  readonly config?: string;
  readonly json?: boolean;
}

/** For people: after these it says how many more. `--json` gives all. */
const shownFindings = 20;

export function verifyCommand(): Command {
  return new Command('verify')
    .description('derive the whole log again from the stored bytes and compare it with everything signed')
    .option('--since <note>', 'also hold the log against this kept checkpoint')
    .option('--incremental', 'with --since: derive again only what came after that checkpoint')
    .option('--offline <path...>', 'no store: check bundles, proof folders and .tlog-proof files')
    .option('--keys <file>', 'with --offline: trust these keys instead of those inside')
    .option('--policy <file>', 'ask for the logs and the quorum of this C2SP tlog-policy')
    .option('--replay', 'also read the topics of --config again, and compare the roots that follow')
    .option('--json', 'NDJSON also on a terminal')
    .addOption(dataOption())
    .addHelpText(
      'after',
      '\nExit codes: 0 intact, 1 tampered, 2 stale or truncated, 3 cannot tell (or rows not rebuilt),\n' +
        '4 intact, and part of it lawfully expired or erased; 64 wrong usage, 69 something is missing, 78 wrong configuration.\n' +
        '\nExample:\n  keywitness verify\n',
    )
    .action(async (flags: VerifyFlags) => {
      const terminal = processTerminal(flags);
      process.exitCode = flags.offline ? runOffline(flags, terminal) : await runVerify(flags, terminal);
    });
}

function runOffline(flags: VerifyFlags, terminal: Terminal): number {
  // Passed over, it would look as if they had been asked.
  if (flags.since !== undefined || flags.incremental || flags.replay) {
    throw new KeywitnessError(
      'KW_USAGE',
      '--since, --incremental and --replay need the store: not with --offline.',
    );
  }
  const trust = offlineTrust(flags);
  const results = (flags.offline ?? []).map((path) => {
    if (!existsSync(path)) throw new KeywitnessError('KW_USAGE', `${path} does not exist.`);
    try {
      return verifyOffline(path, trust);
    } catch (cause) {
      throw fileError(path, cause);
    }
  });
  printRows(
    terminal,
    results.map(({ path, verdict }) => ({ path, verdict })),
    ['path', 'verdict'],
  );
  if (trust.keys === undefined && (trust.policy?.logs ?? []).length === 0) {
    terminal.err.write(
      'The keys came with what was checked: it agrees with itself. Give the log’s own key with --keys.\n',
    );
  }
  for (const { path, findings } of results) {
    for (const f of findings.slice(0, shownFindings)) {
      terminal.err.write(`${path}: ${f.class} ${printable(f.place)}: ${printable(f.detail)}\n`);
    }
    const more = findings.length - shownFindings;
    if (more > 0) terminal.err.write(`${path}: and at least ${more} more\n`);
  }
  const exits = results.map((r) => offlineExits[r.verdict]).filter((e) => e !== 0);
  return exits.length === 0 ? 0 : Math.min(...exits);
}

function offlineTrust({ keys: keyFile, policy: policyFile }: VerifyFlags): OfflineTrust {
  const keys = keyFile === undefined ? undefined : readKeys(readInput(keyFile));
  if (keyFile !== undefined && keys === undefined) {
    throw new KeywitnessError('KW_USAGE', `${keyFile} holds a line that is no verifier key.`);
  }
  if (policyFile === undefined) return { keys };
  return { keys, policy: policyOf(policyFile) };
}

async function runVerify(flags: VerifyFlags, terminal: Terminal): Promise<number> {
  if (flags.keys !== undefined) throw new KeywitnessError('KW_USAGE', '--keys goes with --offline.');
  const trust = witnessTrust(flags);
  const since = flags.since === undefined ? undefined : readInput(flags.since);
  if (flags.incremental && !/^keywitness\/[0-9a-f]+\/meta\n/.test(since ?? '')) {
    throw new KeywitnessError(
      'KW_USAGE',
      '--incremental needs --since with a checkpoint of the meta-log, as `keywitness checkpoint` gives it.',
    );
  }
  const from = flags.replay ? replayFrom(flags.config) : undefined;
  const bar = progressBar('verify');
  const { report, replayed } = await withStore(flags.data, async (engine) => {
    const alone = await verifyStore({
      engine,
      dataDir: resolve(flags.data),
      anchorFile: anchorFile(flags.data),
      now: Date.now(),
      onProgress: (records, total) => bar.update(records, total, records),
      ...(since === undefined ? {} : { since, isIncremental: flags.incremental === true }),
    });
    bar.end();
    const verified = trust ? await withWitnesses(alone, engine, trust, Date.now()) : alone;
    return from === undefined
      ? { report: verified, replayed: undefined }
      : withReplay(verified, engine, from);
  });
  if (terminal.isPeople) printReport(report, terminal);
  else printLines(report, replayed ?? [], terminal);
  if (terminal.isPeople && replayed !== undefined) printReplay(replayed, terminal);
  return report.exit;
}

function readInput(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new KeywitnessError('KW_USAGE', `${path} cannot be read.`, { cause });
  }
}

/** One object a line: trees, findings, and the verdict last. */
function printLines(report: VerifyReport, replayed: ReplayReport['replayed'], { out }: Terminal): void {
  const line = (row: object) =>
    out.write(`${JSON.stringify(row, (_, v) => (typeof v === 'bigint' ? v.toString() : v))}\n`);
  for (const tree of report.trees) line({ kind: 'tree', ...tree });
  for (const tree of replayed) line({ kind: 'replay', ...tree });
  for (const finding of report.findings) line({ kind: 'finding', ...finding });
  const { verdict, exit, logId, exposure, notes, findings } = report;
  const first = findings[0] === undefined ? {} : { class: findings[0].class, at: placeOf(findings[0]) };
  line({ kind: 'verdict', verdict, exit, ...first, findings: findings.length, log: logId, exposure, notes });
}

function printReport(report: VerifyReport, terminal: Terminal): void {
  const { out } = terminal;
  const records = report.trees.reduce((n, t) => n + t.records, 0);
  const colour = report.verdict === 'intact' ? 'green' : report.verdict === 'expired' ? 'yellow' : 'red';
  out.write(`${styleText(['bold', colour], report.verdict)}  log ${report.logId}, ${records} records\n\n`);
  printRows(
    terminal,
    report.trees.map((t) => ({
      stream: streamKeyText(t),
      records: t.records,
      signed: t.signed,
      events: t.events,
      'set aside': t.setAside,
      root: t.root,
      verdict: t.verdict,
    })),
    ['stream', 'records', 'signed', 'events', 'set aside', 'root', 'verdict'],
  );
  if (report.findings.length > 0) out.write('\n');
  for (const f of report.findings.slice(0, shownFindings)) {
    out.write(`${styleText('bold', f.class)}  ${placeOf(f)}  ${f.detail}\n`);
  }
  const more = report.findings.length - shownFindings;
  if (more > 0) out.write(`and ${more} more (--json lists all)\n`);
  out.write(`\n${exposureText(report)}\n`);
  for (const note of report.notes) out.write(`note: ${note}\n`);
}

function placeOf(f: Finding): string {
  if (f.offset === undefined) return f.tree === '' ? 'the whole log' : f.tree;
  return `${f.tree}/${f.offset}${f.idx === undefined ? '' : `/${f.idx}`}`;
}

/** For how long a cut tail could go unseen, in numbers. */
function exposureText({ exposure }: VerifyReport): string {
  const when = (ms: number) => (ms === 0 ? 'never' : new Date(ms).toISOString());
  const witnessed =
    exposure.newestWitnessed === undefined
      ? ''
      : `What a witness had seen (${when(exposure.newestWitnessed)}) cannot be changed unseen by anyone who does not hold the witness. `;
  return (
    `Exposure: whatever stands at or before the newest anchored checkpoint (${when(exposure.newestAnchored)}) cannot be ` +
    `changed unseen by anyone who does not hold the anchor too. ${witnessed}${exposure.unsignedRecords} records came after the newest ` +
    `checkpoint. While running, the longest time without a signed heartbeat was ${exposure.longestSilenceMs / 1000} s.`
  );
}
