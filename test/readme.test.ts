import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../src/core/packageRoot.ts';

const text = readFileSync(join(packageRoot, 'README.md'), 'utf8');
/** Each line of each `sh` block, in the order a reader pastes them. */
const commands = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap((m) =>
  (m[1] ?? '').split('\n').filter((line) => line !== ''),
);

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keywitness-readme-'));
  // The package as it is after `npm ci`, in a folder of its own: its store must not be the developer's.
  for (const name of ['package.json', 'dist', 'node_modules', 'src', 'rules', 'schemas', 'docs'])
    symlinkSync(join(packageRoot, name), join(folder, name));
  // npx in a checkout links the package and builds it anew, under the feet of the other tests.
  mkdirSync(join(folder, 'bin'));
  writeFileSync(
    join(folder, 'bin/npx'),
    '#!/bin/sh\n[ "$1" = keywitness ] && shift && exec node dist/main.js "$@"\n',
    {
      mode: 0o755,
    },
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  readonly exit: number | null;
  readonly out: string;
  readonly err: string;
}

function paste(line: string): Promise<Run> {
  return new Promise((resolve, reject) => {
    const { KEYWITNESS_DATA: _, ...rest } = process.env;
    const env = { ...rest, PATH: `${join(folder, 'bin')}:${process.env.PATH}` };
    const child = spawn('bash', ['-c', line], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
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

describe('what the README says to paste', () => {
  it('begins with the two commands', () => {
    expect(commands.slice(0, 2)).toEqual(['npm ci', 'npm start']);
    expect(commands.length).toBeGreaterThan(7);
  });

  it('runs, in order, and prints what the README shows', { timeout: 300_000 }, async () => {
    const said = new Map<string, string>();
    for (const command of commands) {
      // Done already: this test runs from what it installed.
      if (command === 'npm ci') continue;
      const { exit, out, err } = await paste(command);
      expect(exit, `${command}\n${err.slice(-500)}`).toBe(0);
      said.set(command.split(' ').slice(0, 3).join(' '), out);
    }
    const demo = said.get('npm start') ?? '';
    const shown = /^```text\n([\s\S]*?)^```$/m.exec(text)?.[1]?.split('\n') ?? [];
    expect(shown.length).toBeGreaterThan(8);
    for (const line of shown.filter((l) => l.trim() !== '…')) expect(demo).toContain(line);
    expect(said.get('npx keywitness alerts')).toContain('"identity":"ulrike.vega@haldenfreight.example"');
    expect(said.get('npx keywitness query')).toBe(
      '{"identity":"wanjiru.bauer@haldenfreight.example","kind":"human","reads":148,"secrets":131}\n' +
        '{"identity":"jonas.petrova@haldenfreight.example","kind":"human","reads":85,"secrets":74}\n' +
        '{"identity":"rania.haddad@haldenfreight.example","kind":"human","reads":62,"secrets":62}\n',
    );
    expect(existsSync(join(folder, '.keywitness/reviews/2026Q3/review.html'))).toBe(true);
    expect(existsSync(join(folder, 'proof/event.tlog-proof'))).toBe(true);
  });

  it('shows roots that anybody with the two files gets', async () => {
    const { out } = await paste('npx keywitness verify --json');
    const roots = [...text.matchAll(/\S+={1}\s+intact$/gm)].map((m) => m[0].split(/\s/)[0]);
    expect(roots).toHaveLength(2);
    for (const root of roots) expect(out).toContain(`"root":"${root}"`);
  });
});

it('names every command that --help lists, and no other', async () => {
  const { out } = await paste('npx keywitness --help');
  const section = (out.split('\nCommands:\n')[1] ?? '').split('\n\n')[0] ?? '';
  const listed = [...section.matchAll(/^ {2}([a-z]+)/gm)].map((m) => m[1]).filter((name) => name !== 'help');
  const table = (text.split('## Commands')[1] ?? '').split('\n\n')[1] ?? '';
  // Words after the first of a row may be sub-commands: `sources list`, `detect`.
  const named = new Set([...table.matchAll(/`([a-z]+)[^`]*`/g)].map((m) => m[1]));
  expect(listed.length).toBeGreaterThan(8);
  expect(listed.filter((name) => !named.has(name))).toEqual([]);
  const rows = [...table.matchAll(/^\| `([a-z]+)/gm)].map((m) => m[1]);
  expect(rows.filter((name) => !listed.includes(name))).toEqual([]);
});
