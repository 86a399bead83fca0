import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockDataDir } from '../../src/store/lock.ts';

let directory: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keywitness-lock-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
  rmSync(directory, { recursive: true, force: true });
});

/** A process that takes the lock, prints HELD or the error's code and exit, and holds it until it is ended. */
const takesIt = `
import { lockDataDir } from './src/store/lock.ts';
if (process.argv[2] !== undefined) await new Promise((r) => setTimeout(r, Number(process.argv[2]) - Date.now()));
try {
  lockDataDir(process.argv[1]);
  console.log('HELD');
  setInterval(() => {}, 1000);
} catch (error) {
  console.log(error.code, error.exit, error.message);
}`;

function other(startAt?: number): { child: ChildProcess; said: Promise<string> } {
  const args = ['--import', 'tsx', '--input-type=module', '-e', takesIt, directory];
  if (startAt !== undefined) args.push(String(startAt));
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const said = new Promise<string>((resolve) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
      if (text.endsWith('\n')) resolve(text.trimEnd());
    });
    child.once('close', () => resolve(text.trimEnd()));
  });
  return { child, said };
}

it('refuses a second process, names the first by its pid, and exits 4', async () => {
  const release = lockDataDir(directory);
  const said = await other().said;
  expect(said).toMatch(/^KW_DATA_HELD 4 /);
  expect(said).toContain(`Process ${process.pid} holds ${directory}`);
  release();
  expect(await other().said).toBe('HELD');
});

it('refuses the same process too', () => {
  const release = lockDataDir(directory);
  expect(() => lockDataDir(directory)).toThrow(/KW_DATA_HELD/);
  release();
  lockDataDir(directory)();
});

it('is for its owner alone to read', () => {
  const release = lockDataDir(directory);
  expect(statSync(join(directory, 'lock')).mode & 0o777).toBe(0o600);
  release();
  expect(existsSync(join(directory, 'lock'))).toBe(false);
});

it('takes over from a process that was killed without a word', async () => {
  const { child, said } = other();
  expect(await said).toBe('HELD');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  expect(existsSync(join(directory, 'lock'))).toBe(true);
  const release = lockDataDir(directory);
  expect(JSON.parse(readFileSync(join(directory, 'lock'), 'utf8')).pid).toBe(process.pid);
  release();
});

it('is not fooled by another process that was given the dead one’s pid', () => {
  // This process runs, but it did not start when the lock says its holder did.
  writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: process.pid, started: '1' }));
  lockDataDir(directory)();
});

it.each(['', '{', 'null', '{"pid":"x"}'])('takes over a lock file that a crash left as %j', (text) => {
  writeFileSync(join(directory, 'lock'), text);
  lockDataDir(directory)();
});

/** Above the highest pid Linux gives. */
const dead = (nonce: string) => JSON.stringify({ pid: 2 ** 22 + 1, started: '1', nonce });
const marker = (text: string) =>
  join(directory, `lock.after.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`);

it('takes over from a process that was killed while it took over', () => {
  writeFileSync(join(directory, 'lock'), dead('first'));
  writeFileSync(marker(dead('first')), dead('second'));
  writeFileSync(marker(dead('second')), dead('third'));
  const release = lockDataDir(directory);
  expect(readdirSync(directory)).toEqual(['lock']);
  release();
  expect(readdirSync(directory)).toEqual([]);
});

it('waits for nobody who is taking over: it is refused', () => {
  const living = JSON.stringify({ pid: process.pid, started: startedAt() });
  writeFileSync(join(directory, 'lock'), dead('first'));
  writeFileSync(marker(dead('first')), living);
  expect(() => lockDataDir(directory)).toThrow(`Process ${process.pid} holds`);
});

it('gives a dead lock to one of several that race for it', async () => {
  for (let round = 0; round < 4; round++) {
    rmSync(join(directory, 'lock'), { force: true });
    writeFileSync(join(directory, 'lock'), round === 3 ? '' : dead(String(round)));
    const start = Date.now() + 1500;
    const racers = [other(start), other(start), other(start), other(start)];
    const said = await Promise.all(racers.map((r) => r.said));
    expect(said.filter((s) => s === 'HELD')).toHaveLength(1);
    expect(said.filter((s) => s.startsWith('KW_DATA_HELD'))).toHaveLength(3);
    expect(readdirSync(directory)).toEqual(['lock']);
    for (const { child } of racers) child.kill('SIGKILL');
  }
});

function startedAt(): string {
  if (!existsSync('/proc/self/stat')) return '';
  const stat = readFileSync('/proc/self/stat', 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
