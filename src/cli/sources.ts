import { once } from 'node:events';
import { Command } from 'commander';
import { eventJson } from '../core/event.ts';
import type { Outcome } from '../core/outcome.ts';
import type { KwRecord } from '../core/record.ts';
import { openBytes } from '../intake/chunks.ts';
import { quarantineReasons } from '../sources/reading/reasons.ts';
import { loadSources, type SourceRegistry, sourceNamed } from '../sources/registry.ts';
import type { Normalised } from '../sources/source.ts';
import { identify, understand } from '../sources/understand.ts';
import { printRows, processTerminal } from './output.ts';
import { type StreamFlags, streamSettings, withStreamOptions } from './streamOptions.ts';

interface NormaliseFlags extends StreamFlags {
  readonly source?: string;
}

export function sourcesCommand(): Command {
  const command = new Command('sources').description('what log formats are known, and how they are read');
  command
    .command('list')
    .description('the sources, their other names and the version of each adapter')
    .option('--json', 'NDJSON also on a terminal')
    .addHelpText('after', '\nExample:\n  $ keywitness sources list --json\n')
    .action(list);
  command
    .command('detect')
    .description('which source each line is of: {"line":n,"source":…}')
    .argument('[file]', 'NDJSON or one JSON document, gzipped or not; - is standard input', '-')
    .addHelpText('after', '\nExample:\n  $ keywitness sources detect audit.log.gz\n')
    .action(detect);
  withStreamOptions(command.command('normalise'))
    .description('raw lines in, AuditEvents out, one a line, in order; writes nothing else anywhere')
    .argument('[file]', 'NDJSON or one JSON document, gzipped or not; - is standard input', '-')
    .option('--source <name>', 'the system all lines are of (default: found line by line)')
    .addHelpText(
      'after',
      '\nExample:\n  $ keywitness sources normalise --source vault --kv2 secret,team audit.log.gz\n',
    )
    .action(normalise);
  return command;
}

async function list(flags: { json?: boolean }): Promise<void> {
  const rows = (await loadSources()).map((s) => ({
    source: s.name,
    aliases: s.aliases ?? [],
    logsource: s.logsource,
    adapter: s.adapter,
    lateness_s: s.latenessMs / 1000,
  }));
  printRows(processTerminal(flags), rows, ['source', 'aliases', 'logsource', 'adapter', 'lateness_s']);
}

async function detect(file: string): Promise<void> {
  const registry = await loadSources();
  for await (const [line, value] of linesOf(file)) {
    const names = identify(value, registry);
    const source = names.isOk && names.value.length === 1 ? names.value[0] : undefined;
    if (source !== undefined) await print({ line, source });
    else {
      const reason = !names.isOk
        ? names.reason
        : names.value.length === 0
          ? 'unknown_source'
          : 'ambiguous_source';
      await print({ line, source: null, reason, error: quarantineReasons[reason] });
      process.exitCode = 2;
    }
  }
}

async function normalise(file: string, flags: NormaliseFlags): Promise<void> {
  const registry = await loadSources();
  const source = flags.source === undefined ? undefined : sourceNamed(registry, flags.source);
  const settings = streamSettings(flags);
  for await (const [line, value] of linesOf(file)) {
    for (const outcome of understand(recordOf(line, value), source, settings, registry)) {
      await printOutcome(outcome, line, registry);
    }
  }
}

async function printOutcome(
  outcome: Outcome<Normalised>,
  line: number,
  registry: SourceRegistry,
): Promise<void> {
  if (outcome.kind === 'ok') return print(eventJson(outcome.value.event));
  if (outcome.kind === 'drop') {
    process.stderr.write(`line ${line}: left out (${outcome.reason})\n`);
    return;
  }
  process.exitCode = 2;
  const sentence = quarantineReasons[outcome.reason as keyof typeof quarantineReasons] ?? outcome.reason;
  const known =
    outcome.reason === 'unknown_source' ? ` Known: ${registry.map((s) => s.name).join(', ')}.` : '';
  await print({
    error: `${sentence}${known}`,
    line,
    reason: outcome.reason,
    ...(outcome.detail === undefined ? {} : { detail: outcome.detail }),
  });
}

async function print(row: object): Promise<void> {
  if (!process.stdout.write(`${JSON.stringify(row)}\n`)) await once(process.stdout, 'drain');
}

function recordOf(line: number, value: Buffer): KwRecord {
  return {
    stream: 'normalise',
    partition: 0,
    epoch: 0,
    offset: BigInt(line),
    timestamp: 0,
    key: null,
    headers: [],
    value,
  };
}

/** [line number from 1, bytes] of each line that is not blank; a JSON document that spans lines is one, at 1. */
async function* linesOf(file: string): AsyncGenerator<readonly [number, Buffer]> {
  const bytes = await openBytes(file);
  const isWhole = isDocument(bytes.head);
  let rest: Buffer[] = [];
  let line = 1;
  try {
    for await (const chunk of bytes.chunks) {
      let start = 0;
      for (let end = isWhole ? -1 : chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
        const value = Buffer.concat([...rest, chunk.subarray(start, end)]);
        rest = [];
        start = end + 1;
        if (!isBlank(value)) yield [line, value];
        line++;
      }
      rest.push(chunk.subarray(start));
    }
    const last = Buffer.concat(rest);
    if (!isBlank(last)) yield [line, last];
  } finally {
    bytes.close();
  }
}

/** The first line opens an object or array, and breaks off where a pretty printer breaks lines. */
function isDocument(head: Buffer): boolean {
  const first = head.toString('utf8').trimStart().split('\n', 1)[0]?.trim() ?? '';
  return /^[[{]/.test(first) && /[[{,:]$/.test(first);
}

function isBlank(value: Buffer): boolean {
  return value.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
