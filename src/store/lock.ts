import { createHash, randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';

interface Holder {
  readonly pid: number;
  /** Start time of that process in clock ticks: a pid alone is used again after a crash. */
  readonly started: string;
}

/** Each attempt ends with the lock, with a living holder, or because another process moved on meanwhile. */
const attemptsMax = 20;

/**
 * Takes the data directory for this process: the embedded engine allows one owner.
 * Returns the release function. @throws KW_DATA_HELD naming the pid that holds it.
 */
export function lockDataDir(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  return takeLock(join(dataDir, 'lock'), dataDir);
}

/** Takes the lock file `path`, which stands for `held`. Returns the release function. @throws KW_DATA_HELD */
export function takeLock(path: string, held: string): () => void {
  const nonce = randomBytes(8).toString('hex');
  const ours = JSON.stringify({ pid: process.pid, started: startedAt(process.pid), nonce });
  const draft = `${path}.${process.pid}.${nonce}`;
  writeFileSync(draft, ours, { mode: 0o600, flag: 'wx' });
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      if (tryLink(draft, path) || takeOver(draft, path, held)) {
        return () => {
          if (read(path) === ours) rmSync(path, { force: true });
        };
      }
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw new KeywitnessError('KW_DATA_HELD', `Another process is starting on ${held}. Run this again.`);
}

/**
 * Replaces the lock of a dead process. Of several that find the same dead lock one may: whoever creates the
 * marker named after its content. A dead marker is taken over the same way, by a marker named after that.
 * Renaming the lock away first would not do: it could by then be the living lock of a faster process.
 */
function takeOver(draft: string, path: string, held: string): boolean {
  const dead = read(path);
  if (dead === undefined) return false;
  const markers: { readonly path: string; readonly text: string }[] = [];
  for (let text = dead; ; ) {
    const holder = holderOf(text);
    if (holder !== undefined && isRunning(holder)) {
      throw new KeywitnessError(
        'KW_DATA_HELD',
        `Process ${holder.pid} holds ${held}. Nothing was changed. Wait for it or stop it, then run this again.`,
      );
    }
    const marker = `${path}.after.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
    if (tryLink(draft, marker)) {
      // Nobody else may now replace what we read; but it may have been replaced before.
      const isStill = read(path) === dead && markers.every((m) => read(m.path) === m.text);
      if (isStill) renameSync(draft, path);
      for (const m of isStill ? markers : []) rmSync(m.path, { force: true });
      rmSync(marker, { force: true });
      return isStill;
    }
    const next = read(marker);
    if (next === undefined) return false;
    markers.push({ path: marker, text: next });
    text = next;
  }
}

/** A second name for a file that is complete already: the lock is never seen half written. */
function tryLink(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Who holds the data directory now; undefined = nobody. */
export function lockHolder(dataDir: string): number | undefined {
  const holder = holderOf(read(join(dataDir, 'lock')) ?? '');
  return holder !== undefined && isRunning(holder) ? holder.pid : undefined;
}

/** Undefined for what a crash of the machine cut short: nobody holds that. */
function holderOf(text: string): Holder | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'pid' in parsed && typeof parsed.pid === 'number') {
      return { pid: parsed.pid, started: 'started' in parsed ? String(parsed.started) : '' };
    }
    return undefined;
  } catch {
    return undefined;
  }
}

function isRunning(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return holder.started === startedAt(holder.pid);
}

/** Field 22 of /proc/PID/stat (proc(5)); '' where there is no /proc, then the pid alone decides. */
function startedAt(pid: number): string {
  const path = `/proc/${pid}/stat`;
  if (!existsSync(path)) return '';
  const stat = readFileSync(path, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
