import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../src/core/packageRoot.ts';

interface Import {
  /** File that imports, below src/. */
  readonly from: string;
  /** File below src/, or the name of a package. */
  readonly to: string;
  readonly isLocal: boolean;
  readonly isTypeOnly: boolean;
}

const root = join(packageRoot, 'src');
const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)))
  .sort();
const textOf = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
const imports = files.flatMap(importsOf);

function importsOf(file: string): Import[] {
  const text = (textOf.get(file) ?? '').replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const found = [
    ...text.matchAll(/^\s*(?:import|export)\s+(type\s)?[^'";]*?\bfrom\s+'([^']+)'/gm),
    ...text.matchAll(/^\s*import\s+()'([^']+)'/gm),
    ...text.matchAll(/\bimport\(\s*()'([^']+)'\s*\)/g),
  ];
  return found.map((m) => {
    const target = m[2] ?? '';
    const isLocal = target.startsWith('.');
    const to = isLocal ? relative(root, join(root, dirname(file), target)) : packageName(target);
    return { from: file, to, isLocal, isTypeOnly: m[1] !== undefined && m[1] !== '' };
  });
}

function packageName(target: string): string {
  const parts = target.split('/');
  return target.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

/** `app` is app.ts and its folder; `main`, `index` and `pipeline` are files. */
function stageOf(file: string): string {
  return (file.split('/')[0] ?? '').replace(/\.tsx?$/, '');
}

const shown = (found: readonly Import[]) => found.map((i) => `${i.from} imports ${i.to}`);

describe('stages do not import each other', () => {
  const everybodyMay = ['core', 'telemetry'];
  /** The whole list of exceptions (CONTRIBUTING.md); a folder before its stage. */
  const alsoMay: Readonly<Record<string, readonly string[]>> = {
    'ledger/audit': ['store', 'sources'],
    detect: ['store'],
    alert: ['store'],
    access: ['store'],
    console: ['store'],
    report: ['store', 'ledger', 'access'],
  };
  /** A pure reporter of file:line:col and "did you mean", for every file that people write by hand. */
  const diagnostics = 'config/diagnostics.ts';
  /** These join the stages, or stand above them. */
  const joins = ['main', 'index', 'app', 'pipeline', 'cli'];

  it('but through pipeline and app', () => {
    const wrong = imports.filter((i) => {
      const [from, to] = [stageOf(i.from), stageOf(i.to)];
      if (!i.isLocal || from === to || joins.includes(from)) return false;
      if (everybodyMay.includes(to) || (to === 'config' && (i.isTypeOnly || i.to === diagnostics)))
        return false;
      const exception = Object.keys(alsoMay).find((e) => i.from.startsWith(`${e}/`));
      return exception === undefined || !alsoMay[exception]?.includes(to);
    });
    expect(shown(wrong)).toEqual([]);
  });

  it('core imports only core, and does nothing but compute', () => {
    const wrong = imports.filter((i) => {
      if (stageOf(i.from) !== 'core') return false;
      return i.isLocal
        ? stageOf(i.to) !== 'core'
        : !['node:util', 'node:url', 'node:path', 'node:crypto'].includes(i.to);
    });
    expect(shown(wrong)).toEqual([]);
  });

  it('only main imports cli, and main imports nothing else', () => {
    const wrong = imports.filter(
      (i) =>
        i.isLocal &&
        (stageOf(i.to) === 'cli') !== (stageOf(i.from) === 'main') &&
        stageOf(i.from) !== 'cli' &&
        (stageOf(i.to) === 'cli' || stageOf(i.from) === 'main'),
    );
    expect(shown(wrong)).toEqual([]);
  });

  it('nobody imports pipeline but app', () => {
    const wrong = imports.filter((i) => stageOf(i.to) === 'pipeline' && stageOf(i.from) !== 'app');
    expect(shown(wrong)).toEqual([]);
  });

  it('nobody imports app but cli, main and the public surface', () => {
    const may = ['app', 'cli', 'main', 'index'];
    const wrong = imports.filter(
      (i) => i.isLocal && stageOf(i.to) === 'app' && !may.includes(stageOf(i.from)),
    );
    expect(shown(wrong)).toEqual([]);
  });
});

describe('one file knows a client library', () => {
  const homes: Readonly<Record<string, RegExp>> = {
    kafkajs: /^intake\/kafkaClient\.ts$/,
    'kafkajs-snappy': /^intake\/kafkaCodecs\.ts$/,
    'lz4-napi': /^intake\/kafkaCodecs\.ts$/,
    '@clickhouse/client': /^store\/client\.ts$/,
    chdb: /^store\/client\.ts$/,
    '@slack/web-api': /^notify\/slack\.ts$/,
    nodemailer: /^notify\/(email|outbox)\.ts$/,
    pino: /^telemetry\//,
    'prom-client': /^telemetry\//,
    commander: /^cli\//,
    yaml: /^(config|enrich|detect)\//,
    hono: /^(intake|console|telemetry|ledger\/witness)\//,
    '@hono/node-server': /^(intake|console|telemetry)\//,
    preact: /^(report|notify|console)\//,
    'preact-render-to-string': /^(report|notify|console)\//,
    re2js: /^detect\//,
  };
  it.each(Object.keys(homes))('%s', (name) => {
    const wrong = imports.filter(
      (i) => !i.isLocal && i.to === name && !homes[name]?.test(i.from) && !i.isTypeOnly,
    );
    expect(shown(wrong)).toEqual([]);
  });
});

describe('style that a reader can count on', () => {
  const having = (pattern: RegExp) =>
    [...textOf].flatMap(([file, text]) =>
      text
        .split('\n')
        .flatMap((line, i) => (pattern.test(line) ? [`${file}:${i + 1} ${line.trim().slice(0, 80)}`] : [])),
    );

  it('no default export', () => expect(having(/^export default\b/)).toEqual([]));
  it('no `any`', () => expect(having(/(:|<|\bas|,)\s*any\b(?!\w)(?=\s*[;,)>=[\]|&{]|$)/)).toEqual([]));
  it('no type check, lint rule or test switched off without its reason', () => {
    expect(having(/@ts-(ignore|nocheck)|eslint-disable/)).toEqual([]);
    // Generated order and one-column-a-line lists may keep their own format.
    expect(having(/biome-ignore(?!\s+\S+(\/\S+)*\s*:\s*\S)/)).toEqual([]);
  });
  it('nothing left for later', () =>
    expect(having(/\b(TODO|FIXME|XXX|HACK)\b|in production\b.*\b(would|should)\b/)).toEqual([]));
  it('no barrel file: an index only re-exports at the top', () => {
    expect(files.filter((f) => /(^|\/)index\.tsx?$/.test(f) && f !== 'index.ts')).toEqual([]);
  });
  it('no file is longer than 400 lines, the median at most 150', () => {
    const lengths = [...textOf].map(([file, text]) => ({ file, lines: text.split('\n').length - 1 }));
    expect(lengths.filter((l) => l.lines > 400)).toEqual([]);
    const sorted = lengths.map((l) => l.lines).sort((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(150);
  });
  // Intake measures how long the broker or the store took to answer: that is the machine's time by nature.
  it('time comes from the clock that is handed in', () => {
    const machine = having(/\bDate\.now\(\)|\bnew Date\(\)/).filter(
      (l) => !/^(core\/clock\.ts|cli\/|main\.ts|telemetry\/|intake\/)/.test(l),
    );
    expect(machine).toEqual([]);
  });
});
