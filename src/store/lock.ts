import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';

interface Holder {
  readonly pid: number;
  /** Start time of that process in clock ticks: a pid alone is used again after a crash. */
  readonly started: string;
}

/**
 * Takes the data directory for this process: the embedded engine allows one owner.
 * Returns the release function. @throws KW_DATA_HELD naming the pid that holds it.
 */
export function lockDataDir(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, 'lock');
  for (let attempt = 0; attempt < 3; attempt++) {
    if (tryCreate(path)) return () => rmSync(path, { force: true });
    const holder = readHolder(path);
    if (holder !== undefined && isRunning(holder)) {
      throw new KeywitnessError(
        'KW_DATA_HELD',
        `Process ${holder.pid} holds ${dataDir}. Nothing was changed. Wait for it or stop it, then run this again.`,
      );
    }
    // Renamed before it is removed, so that of two processes that find the same dead lock one wins.
    const stale = `${path}.stale.${process.pid}`;
    if (existsSync(path)) {
      try {
        renameSync(path, stale);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
      rmSync(stale, { force: true });
    }
  }
  throw new KeywitnessError('KW_DATA_HELD', `Another process is starting on ${dataDir}. Run this again.`);
}

function tryCreate(path: string): boolean {
  let file: number;
  try {
    file = openSync(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  writeSync(file, JSON.stringify({ pid: process.pid, started: startedAt(process.pid) } satisfies Holder));
  closeSync(file);
  return true;
}

function readHolder(path: string): Holder | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof parsed === 'object' && parsed !== null && 'pid' in parsed && typeof parsed.pid === 'number') {
      return { pid: parsed.pid, started: 'started' in parsed ? String(parsed.started) : '' };
    }
    return undefined;
  } catch (error) {
    // Gone meanwhile, or cut short by a crash: both mean nobody holds it.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
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
