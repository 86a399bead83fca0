import { spawn } from 'node:child_process';
import { createReadStream, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createGunzip, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../src/core/packageRoot.ts';

/** Services run until they are told to stop; their examples are run in test/kafka and test/ledger. */
const runsForEver = ['run', 'witness'];

let folder: string;
let shims: string;

interface Run {
  readonly exit: number | null;
  readonly out: string;
  readonly err: string;
}

/** A line as a person pastes it, `keywitness` on the path, in a folder of its own. */
function paste(line: string): Promise<Run> {
  return new Promise((resolve, reject) => {
    const { KEYWITNESS_DATA: _, ...rest } = process.env;
    const env = { ...rest, PATH: `${shims}:${process.env.PATH}` };
    const child = spawn('bash', ['-o', 'pipefail', '-c', line], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('error', reject);
    child.on('close', (exit) => resolve({ exit, out, err }));
  });
}

interface Leaf {
  readonly words: readonly string[];
  readonly examples: readonly string[];
}

/** Every command that does something, found from `--help` alone. */
async function leaves(words: readonly string[] = []): Promise<Leaf[]> {
  const { exit, out } = await paste(`keywitness ${words.join(' ')} --help`);
  expect(exit, words.join(' ')).toBe(0);
  // The section ends at the first blank line: an example below it is no command.
  const section = (out.split('\nCommands:\n')[1] ?? '').split('\n\n')[0] ?? '';
  const children = [...section.matchAll(/^ {2}([a-z][\w-]*)/gm)]
    .map((m) => m[1] ?? '')
    .filter((name) => name !== 'help');
  expect(words.length, `${words.join(' ')} is deeper than any command`).toBeLessThan(4);
  if (children.length === 0) {
    const block = /\nExamples?:\n((?: {2}.+\n?)+)/.exec(out)?.[1] ?? '';
    const examples = block
      .split('\n')
      .flatMap((line) => (line.trim() === '' ? [] : [line.trim().replace(/^\$ /, '')]));
    return [{ words, examples }];
  }
  const found: Leaf[] = [];
  for (const child of children) found.push(...(await leaves([...words, child])));
  return found;
}

let commands: Leaf[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keywitness-help-'));
  shims = join(folder, 'bin');
  mkdirSync(shims);
  writeFileSync(
    join(shims, 'keywitness'),
    `#!/bin/sh\nexec "${process.execPath}" "${packageRoot}dist/main.js" "$@"\n`,
    {
      mode: 0o755,
    },
  );
  // What the examples name: our own files, and a log like the reader's.
  for (const name of ['rules', 'src', 'docs']) symlinkSync(join(packageRoot, name), join(folder, name));
  const lines = await firstLines(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz'), 200);
  writeFileSync(join(folder, 'audit.ndjson'), lines);
  writeFileSync(join(folder, 'audit.log.gz'), gzipSync(lines));
  commands = await leaves();
  const demo = await paste('keywitness demo --once --json && keywitness ingest audit.ndjson');
  expect(demo.err.split('\n').filter((l) => l.startsWith('KW_'))).toEqual([]);
  expect(demo.exit).toBe(0);
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function firstLines(gzipped: string, count: number): Promise<string> {
  const lines: string[] = [];
  const input = createReadStream(gzipped).pipe(createGunzip());
  for await (const line of createInterface({ input })) {
    lines.push(line);
    if (lines.length === count) break;
  }
  input.destroy();
  return `${lines.join('\n')}\n`;
}

describe('--help', () => {
  it('lists commands, and each of them has an example', () => {
    expect(commands.length).toBeGreaterThan(8);
    const without = commands.filter((c) => c.examples.length === 0).map((c) => c.words.join(' '));
    expect(without).toEqual([]);
  });

  it('gives examples of the command itself', () => {
    const foreign = commands.filter(
      (c) => !c.examples.some((e) => e.includes(`keywitness ${c.words.join(' ')}`)),
    );
    expect(foreign.map((c) => c.words.join(' '))).toEqual([]);
  });

  it('gives examples that work when pasted', { timeout: 240_000 }, async () => {
    const failed: string[] = [];
    for (const { words, examples } of commands) {
      if (runsForEver.includes(words[0] ?? '')) continue;
      for (const example of examples) {
        const { exit, err } = await paste(example);
        if (exit !== 0) failed.push(`${example}\n  exit ${exit}: ${err.slice(-300)}`);
      }
    }
    expect(failed).toEqual([]);
  });

  it('a command that is no command is a usage error, with a suggestion', async () => {
    const { exit, err } = await paste('keywitness quary');
    expect(exit).toBe(2);
    expect(err).toContain('query');
  });
});
