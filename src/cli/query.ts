import { appendFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import type { ReadFormat } from '../store/client.ts';
import { readOnlyQuery } from '../store/readOnly.ts';
import { dataOption } from './dataOption.ts';
import { printRows, processTerminal, type Terminal } from './output.ts';
import { withStore } from './withStore.ts';

type QueryFormat = 'table' | 'ndjson' | 'csv';

interface QueryOptions {
  readonly data: string;
  readonly format?: QueryFormat;
  readonly json?: boolean;
  readonly raw?: boolean;
}

const engineFormat: Readonly<Record<QueryFormat, ReadFormat>> = {
  table: 'TabSeparatedWithNames',
  ndjson: 'JSONEachRow',
  csv: 'CSVWithNames',
};

export function queryCommand(): Command {
  return new Command('query')
    .description('read-only SQL over the store (tables kw.records, events, set_aside, sessions, hits, …)')
    .argument('<sql>', 'one SELECT, WITH, SHOW, DESCRIBE or EXPLAIN; names without a database are of kw')
    .addOption(
      new Option('--format <format>', 'default: table on a terminal, ndjson when piped').choices([
        'table',
        'ndjson',
        'csv',
      ]),
    )
    .option('--json', 'the same as --format ndjson')
    .option('--raw', 'raw bytes, keys and headers of records too; the query is logged in DATA/acts.ndjson')
    .addOption(dataOption())
    .addHelpText(
      'after',
      '\nExample:\n  keywitness query "SELECT source, count() AS events FROM events GROUP BY source ORDER BY source"\n',
    )
    .action(async (sql: string, options: QueryOptions) => {
      const terminal = processTerminal({ json: options.json });
      const format = options.format ?? (options.json === true || !terminal.isPeople ? 'ndjson' : 'table');
      const text = await withStore(options.data, (engine) => {
        const ask = { format: engineFormat[format], isRawAllowed: options.raw === true };
        if (options.raw === true) logRawRead(options.data, sql);
        return readOnlyQuery(engine, sql, ask);
      });
      if (format === 'table') printTable({ ...terminal, isPeople: true }, text);
      else terminal.out.write(text);
    });
}

/** Whoever reads raw bytes leaves a line, before the answer: records may hold what others must not know. */
function logRawRead(dataDir: string, sql: string): void {
  const act = { time: new Date().toISOString(), act: 'query.raw', user: userInfo().username, sql };
  appendFileSync(join(dataDir, 'acts.ndjson'), `${JSON.stringify(act)}\n`, { mode: 0o600 });
}

/** Tab-separated text as a table. The engine's escapes stay as they are: a value must not break the table. */
function printTable(terminal: Terminal, text: string): void {
  const [head, ...lines] = text.split('\n').slice(0, -1);
  if (head === undefined) return;
  const names = uniqueNames(head.split('\t'));
  const rows = lines.map((line) =>
    Object.fromEntries(line.split('\t').map((cell, i) => [names[i] ?? '', cell])),
  );
  printRows(terminal, rows, names);
  terminal.err.write(`${rows.length} ${rows.length === 1 ? 'row' : 'rows'}\n`);
}

/** SQL allows one name twice; a row's keys do not. */
function uniqueNames(names: readonly string[]): string[] {
  return names.map((name, i) => {
    const before = names.slice(0, i).filter((n) => n === name).length;
    return before === 0 ? name : `${name} (${before + 1})`;
  });
}
