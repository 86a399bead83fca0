import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { KeywitnessError } from '../../core/errors.ts';
import {
  type CompiledSet,
  createCorrelator,
  type Firing,
  type Hit,
  type Logsource,
  loadRules,
  type Rule,
} from '../../detect/sigma/sigma.ts';
import { emptyCatalog, loadCatalog } from '../../enrich/catalog.ts';
import { createEnricher } from '../../enrich/enrich.ts';
import { processTerminal, type Terminal } from '../output.ts';
import { readRuleFiles } from './files.ts';
import { diagnosticText } from './lint.ts';
import { type RawEvent, rawEventReader, withLogsource } from './rawEvents.ts';

interface MatchFlags {
  readonly rules: string[];
  readonly product?: string;
  readonly service?: string;
  readonly category?: string;
  readonly catalog?: string;
  readonly json?: boolean;
}

export async function matchRules(file: string, flags: MatchFlags): Promise<void> {
  const terminal = processTerminal(flags);
  const { rules, diagnostics } = loadRules(readRuleFiles(flags.rules));
  for (const d of diagnostics) {
    if (d.severity === 'error') terminal.err.write(`${diagnosticText(d)}\n`);
  }
  if (!rules) {
    terminal.err.write('No rule loads: nothing can match.\n');
    return;
  }
  const given = givenLogsource(flags);
  const kept: Hit<number>[] = [];
  const feeding = new Set(rules.correlations.flatMap((c) => c.rules));
  let timeMs = 0;
  let unread = 0;
  const catalog = flags.catalog === undefined ? emptyCatalog : loadCatalog(flags.catalog);
  const readEvents = await rawEventReader(createEnricher(catalog));
  for await (const [line, text] of linesOf(file)) {
    const parsed = parse(text);
    if (!parsed) {
      unread += 1;
      terminal.err.write(`line ${line + 1} is no JSON and was left out.\n`);
      continue;
    }
    for (const raw of readEvents(text, parsed.value)) {
      const event = given ? withLogsource(raw, given) : raw;
      // An event without a time of its own stands where it stands in the file.
      timeMs = event.timeMs ?? timeMs;
      for (const rule of hitsOf(rules, event, given)) {
        if (rule.alerts) print(terminal, { event: line }, rule);
        if (feeding.has(rule.id)) kept.push({ rule, timeMs, event, ref: line });
      }
    }
  }
  for (const firing of correlate(rules, kept)) {
    if (firing.correlation.alerts) print(terminal, { events: firing.refs }, firing.correlation);
  }
  if (unread > 0) process.exitCode = 2;
}

function givenLogsource({ product, service, category }: MatchFlags): Logsource | undefined {
  if (product === undefined && service === undefined && category === undefined) return undefined;
  return {
    ...(product === undefined ? {} : { product: product.toLowerCase() }),
    ...(service === undefined ? {} : { service: service.toLowerCase() }),
    ...(category === undefined ? {} : { category: category.toLowerCase() }),
  };
}

function hitsOf(set: CompiledSet, event: RawEvent, given: Logsource | undefined): readonly Rule[] {
  if (event.isAttempt) return [];
  const rules = set.match(event);
  // Given by hand, a log source is taken at its word: ours is not added to it.
  if (!given || given.category !== undefined) return rules;
  return rules.filter((rule) => rule.logsource.category === undefined);
}

function correlate(set: CompiledSet, hits: Hit<number>[]): Firing<number>[] {
  const correlator = createCorrelator<number>(set);
  const sorted = hits.sort((a, b) => a.timeMs - b.timeMs || a.ref - b.ref);
  return [...sorted.flatMap((hit) => correlator.push(hit)), ...correlator.finish()];
}

function print(terminal: Terminal, where: object, rule: { id: string; title: string; level: string }): void {
  const row = { ...where, rule: rule.id, title: rule.title, level: rule.level };
  terminal.out.write(`${JSON.stringify(row)}\n`);
}

function parse(text: string): { value: unknown } | undefined {
  try {
    // Windows tools write a byte order mark before the first line.
    return { value: JSON.parse(text.replace(/^\ufeff/, '')) as unknown };
  } catch {
    return undefined;
  }
}

async function* linesOf(file: string): AsyncGenerator<[number, string]> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  let line = -1;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line += 1;
      if (text.trim() !== '') yield [line, text];
    }
  } catch (cause) {
    throw new KeywitnessError('KW_INPUT', `${file} cannot be read.`, { cause });
  }
}
