import { hash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { KeywitnessError } from '../../core/errors.ts';
import { type Checkpoint, parseCheckpoint } from '../checkpoint.ts';

/**
 * What a witness must never forget: the latest checkpoint it cosigned of every origin. One file, ASCII but for
 * the origins: a line `keywitness-witness-state/v1 PUBLICKEY`, a line `SIZE ROOT ORIGIN` each, and
 * `end COUNT SHA256`, the hash of everything before that line.
 */
const tag = 'keywitness-witness-state/v1';

export type WitnessState = ReadonlyMap<string, Checkpoint>;

/**
 * Reads the state of the witness with this public key; undefined = there is none. What is torn, was changed or is
 * another witness's is never taken for an empty state: from nothing a witness would cosign a fork.
 * @throws KW_WITNESS_STATE
 */
export function readState(path: string, publicKey: Buffer): WitnessState | undefined {
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, 'utf8');
  const at = text.lastIndexOf('end ', text.length - 2);
  const lines = text.slice(0, Math.max(0, at)).split('\n');
  const head = lines.shift();
  if (lines.pop() !== '' || text.slice(at) !== endLine(lines.length, text.slice(0, at))) {
    throw unusable(path, 'It is not whole, or something else wrote it.');
  }
  if (head !== headLine(publicKey)) throw unusable(path, 'It is the state of a witness with another key.');
  const state = new Map<string, Checkpoint>();
  for (const line of lines) {
    const [size, root, ...origin] = line.split(' ');
    const checkpoint = parseCheckpoint(`${origin.join(' ')}\n${size}\n${root}\n`);
    if (checkpoint === undefined) throw unusable(path, 'It holds a line that is no checkpoint.');
    state.set(checkpoint.origin, checkpoint);
  }
  return state;
}

/** Replaces the file in one step; it is on the disk when this returns, or it is the one before. */
export function writeState(path: string, publicKey: Buffer, state: WitnessState): void {
  const lines = [...state.values()].map((c) => `${c.size} ${c.root.toString('base64')} ${c.origin}\n`);
  const text = `${headLine(publicKey)}\n${lines.join('')}`;
  const draft = `${path}.new`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeFileSync(file, text + endLine(lines.length, text));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  // The new name is durable with its folder, not with the file.
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function headLine(publicKey: Buffer): string {
  return `${tag} ${publicKey.toString('base64')}`;
}

function endLine(count: number, before: string): string {
  return `end ${count} ${hash('sha256', before)}\n`;
}

export function unusable(path: string, why: string): KeywitnessError {
  return new KeywitnessError(
    'KW_WITNESS_STATE',
    `${path}: ${why} Nothing was cosigned. Put back the newest copy of it. Without one this key must not be used ` +
      'again: it could cosign a fork of what it cosigned before. Begin a witness with new --key and --state files ' +
      'and give its vkey to those who trusted this one.',
  );
}
