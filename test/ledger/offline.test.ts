import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';
import {
  type Files,
  filesOf,
  metaOriginOf,
  randomOf,
  type ToyKey,
  vkeyOf,
  witnessName,
  writeFiles,
} from '../campaign/toyBundle.ts';
import { makeLog } from '../campaign/toyLog.ts';

const folder = mkdtempSync(join(tmpdir(), 'kw-offline-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One command line in this process. */
const verify = (...args: string[]) => run(['verify', '--offline', ...args]);
async function run(args: readonly string[]) {
  const written = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += String(text);
      return true;
    }),
  );
  try {
    const exit = await runCli(args);
    const lines = written.stdout.split('\n').filter((line) => line !== '');
    return { exit, rows: lines.map((line) => JSON.parse(line) as unknown), err: written.stderr };
  } finally {
    process.exitCode = undefined;
    for (const spy of spies) spy.mockRestore();
  }
}

const log = makeLog(
  randomOf(11),
  {
    hasRollover: true,
    hasRoot: false,
    hasRetention: false,
    hasErasure: false,
    hasHold: false,
    hasGap: true,
    endsAtRollover: false,
    records: 30,
  },
  'offline',
);
const expired = makeLog(
  randomOf(12),
  {
    hasRollover: false,
    hasRoot: false,
    hasRetention: true,
    hasErasure: true,
    hasHold: false,
    hasGap: false,
    endsAtRollover: false,
    records: 30,
  },
  'expired',
);
function made(name: string, files: Files): string {
  writeFiles(join(folder, name), files);
  return join(folder, name);
}
const intactPath = made('intact', filesOf(log));
const expiredPath = made('expired', filesOf(expired));
const records = 'trees/main.vault-audit.0.0/records.ndjson';
const cut = filesOf(log);
cut.set(records, (cut.get(records) as Buffer).subarray(0, 900));
const cutPath = made('cut', cut);
const changed = filesOf(log);
changed.set(`trees/meta/tile/0/000.p/${log.meta.length}`, Buffer.alloc(log.meta.length * 32));
const changedPath = made('changed', changed);
const unsigned = filesOf(log);
unsigned.delete('keys.txt');
const unknownPath = made('unknown', unsigned);
const written = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const vkey = vkeyOf(metaOriginOf(log), log.keys[0] as ToyKey);
const vkeyFile = written('a-file', vkey);

it('verify --offline prints one line a path, and ends with the worst of them: 1 before 2 before 3 before 4', async () => {
  const all = [expiredPath, unknownPath, cutPath, changedPath, intactPath];
  const verdicts = ['expired', 'unknown', 'truncated', 'tampered', 'intact'];
  const exits = [4, 3, 2, 1];
  for (const [worst, exit] of exits.entries()) {
    const paths = all.filter((_, i) => i <= worst || i === 4);
    const seen = await verify(...paths);
    expect(seen.exit).toBe(exit);
    expect(seen.rows).toEqual(paths.map((path) => ({ path, verdict: verdicts[all.indexOf(path)] })));
  }
  expect((await verify(intactPath)).exit).toBe(0);
});

it('says in words the class and the place of what it found, and that keys which came along prove little', async () => {
  const { err } = await verify(changedPath);
  expect(err).toContain(`${changedPath}: modified meta leaf 0: `);
  expect(err).toContain('--keys');
  const pinned = await verify(intactPath, '--keys', written('keys', `${vkey}\n`));
  expect([pinned.exit, pinned.err.includes('agrees with itself')]).toEqual([0, false]);
  // What the log itself admits is listed and changes nothing.
  expect(pinned.err).toContain('gap main.vault-audit/0/0/0');
});

it('names what it cannot read, and where it cannot write, instead of breaking off', async () => {
  const wrongs = [
    ['prove', 'a/0/0/0', '--out', vkeyFile],
    ['prove', '--all', '--out', vkeyFile],
    ['prove', '--since', folder],
  ];
  for (const args of wrongs) {
    const seen = await run(args);
    expect([seen.exit, seen.err.includes('KW_USAGE')], args.join(' ')).toEqual([2, true]);
  }
});

it('refuses with --offline what it would not look at', async () => {
  for (const option of [['--since', vkeyFile], ['--incremental'], ['--replay']]) {
    expect((await verify(intactPath, ...option)).exit, option[0]).toBe(64);
  }
});

it('--policy asks for the quorum, and names the line of a policy that is wrong', async () => {
  const witness = `witness W ${vkeyOf(witnessName, log.witness, 4)}\n`;
  const other = `witness V ${vkeyOf('other', log.keys[0] as ToyKey, 4)}\n`;
  const good = written('policy', `log ${vkey}\n${witness}quorum W\n`);
  expect((await verify(intactPath, '--policy', good)).exit).toBe(0);
  const both = written('both', `log ${vkey}\n${witness}${other}group G all W V\nquorum G\n`);
  const missing = await verify(intactPath, '--policy', both);
  expect([missing.exit, missing.err.includes(`no-quorum meta: `)]).toEqual([3, true]);
  const stranger = written('stranger', `log ${vkeyOf(metaOriginOf(log), log.witness)}\n${witness}quorum W\n`);
  expect((await verify(intactPath, '--policy', stranger)).exit).toBe(1);
  const wrong = await verify(intactPath, '--policy', written('wrong', `log ${vkey}\nquorum W\n`));
  expect([wrong.exit, wrong.err.includes('wrong:2: ')]).toEqual([78, true]);
  expect((await verify(intactPath, '--policy', join(folder, 'none'))).exit).toBe(64);
});
