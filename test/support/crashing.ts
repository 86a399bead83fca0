import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { LedgerStore } from '../../src/ledger/ports.ts';

const patched = [
  'renameSync',
  'rmSync',
  'chmodSync',
  'openSync',
  'closeSync',
  'writeFileSync',
  'writeSync',
] as const;

/** Thrown by whatever would have reached the disk after the machine stopped. */
class MachineStopped extends Error {}

export interface Machine {
  /** What was done up to now. */
  readonly steps: string[];
  /** Before something reaches the disk; `half` does half of it. */
  step(what: string, half?: () => void): void;
  restore(): void;
}

/**
 * A machine that stops before its n-th change of the disk: that one is half done where it can be, none follows. It
 * is the file system of this process, for paths below `folder` and what was opened there.
 */
export function stoppingMachine(folder: string, stopAt: number): Machine {
  const originals = Object.fromEntries(patched.map((name) => [name, fs[name]])) as Pick<
    typeof fs,
    (typeof patched)[number]
  >;
  const opened = new Set<number>();
  const steps: string[] = [];
  let isDown = false;
  const step = (what: string, half: () => void = () => {}) => {
    if (isDown) throw new MachineStopped(what);
    steps.push(what);
    if (steps.length < stopAt) return;
    isDown = true;
    half();
    throw new MachineStopped(what);
  };
  const isOurs = (path: unknown) => String(path).startsWith(folder);
  const patch = <K extends 'renameSync' | 'rmSync' | 'chmodSync'>(name: K) => {
    (fs[name] as unknown) = (...args: unknown[]) => {
      if (isOurs(args[0]) && (name !== 'rmSync' || fs.existsSync(String(args[0])))) {
        step(`${name} ${String(args[0]).slice(folder.length)}`);
      }
      return (originals[name] as (...a: unknown[]) => unknown)(...args);
    };
  };
  for (const name of ['renameSync', 'rmSync', 'chmodSync'] as const) patch(name);
  fs.openSync = (path, flags, mode) => {
    if (isOurs(path) && flags === 'wx') step(`create ${String(path).slice(folder.length)}`);
    const file = originals.openSync(path, flags, mode);
    if (isOurs(path)) opened.add(file);
    return file;
  };
  fs.closeSync = (file) => {
    opened.delete(file);
    originals.closeSync(file);
  };
  fs.writeFileSync = (file, data, options) => {
    if (typeof file === 'number' && opened.has(file)) {
      const text = String(data);
      step('write', () => originals.writeSync(file, text.slice(0, text.length / 2)));
    }
    originals.writeFileSync(file, data, options);
  };
  (fs.writeSync as unknown) = (file: number, bytes: Buffer, ...rest: [number]) => {
    if (opened.has(file)) step('overwrite', () => originals.writeSync(file, bytes, 0, bytes.length / 2, 0));
    return originals.writeSync(file, bytes, ...rest);
  };
  syncBuiltinESMExports();
  return {
    steps,
    step,
    restore() {
      Object.assign(fs, originals);
      syncBuiltinESMExports();
    },
  };
}

/** The store on such a machine: a row is there or not, and the answer may be lost with the machine. */
export function stoppingStore(store: LedgerStore, machine: Machine): LedgerStore {
  return {
    ...store,
    async appendMeta(rows) {
      machine.step(`meta ${rows[0]?.kind}`);
      await store.appendMeta(rows);
      machine.step(`meta ${rows[0]?.kind} is there`);
    },
    async saveCheckpoints(rows) {
      machine.step('checkpoints');
      await store.saveCheckpoints(rows);
      machine.step('checkpoints are there');
    },
  };
}
