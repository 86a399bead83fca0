import { hash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Checkpoint, metaOrigin, parseCheckpoint, parseStreamOrigin } from './checkpoint.ts';
import { leafHashOfText, leafTag } from './leaf.ts';
import { type NoteVerifier, openNote, parseVerifierKey, splitNote } from './note.ts';
import { parseProof } from './proof.ts';
import { rootFromInclusion } from './tree.ts';

/** What a proof says without its log: no store, no network, only files and keys. */
export type OfflineVerdict = 'intact' | 'tampered' | 'truncated' | 'unknown';

export interface OfflineResult {
  readonly path: string;
  readonly verdict: OfflineVerdict;
  readonly detail: string;
}

export const offlineExits: Readonly<Record<OfflineVerdict, number>> = {
  intact: 0,
  tampered: 1,
  truncated: 2,
  unknown: 3,
};

interface Failure {
  readonly verdict: Exclude<OfflineVerdict, 'intact'>;
  readonly detail: string;
}

interface Proved {
  readonly leaf: Buffer;
  readonly checkpoint: Checkpoint;
}

/** A proof folder of `prove`, or any `.tlog-proof` file whose `extra` is the leaf's data. */
export function verifyOffline(path: string, pinned: readonly NoteVerifier[] | undefined): OfflineResult {
  const outcome = statSync(path).isDirectory() ? checkFolder(path, pinned) : checkFile(path, pinned);
  return outcome === undefined
    ? { path, verdict: 'intact', detail: '' }
    : { path, verdict: outcome.verdict, detail: outcome.detail };
}

/** One vkey a line; blank lines and lines that begin with # are skipped. Undefined = a line is no key. */
export function readKeys(text: string): NoteVerifier[] | undefined {
  const keys = text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => parseVerifierKey(line.trim()));
  return keys.every((k): k is NoteVerifier => k !== undefined) ? keys : undefined;
}

function checkFile(path: string, pinned: readonly NoteVerifier[] | undefined): Failure | undefined {
  const keys = keysFor(dirname(path), pinned);
  if ('verdict' in keys) return keys;
  const proved = checkProof(path, keys.keys);
  return 'verdict' in proved ? proved : undefined;
}

function checkFolder(folder: string, pinned: readonly NoteVerifier[] | undefined): Failure | undefined {
  for (const name of ['event.raw', 'event.tlog-proof', 'meta.tlog-proof']) {
    if (!existsSync(join(folder, name))) return { verdict: 'truncated', detail: `${name} is missing` };
  }
  const keys = keysFor(folder, pinned);
  if ('verdict' in keys) return keys;
  const event = checkProof(join(folder, 'event.tlog-proof'), keys.keys);
  if ('verdict' in event) return event;
  const meta = checkProof(join(folder, 'meta.tlog-proof'), keys.keys);
  if ('verdict' in meta) return meta;
  return checkLeaf(event, readFileSync(join(folder, 'event.raw'))) ?? checkPinned(event.checkpoint, meta);
}

function keysFor(
  folder: string,
  pinned: readonly NoteVerifier[] | undefined,
): Failure | { readonly keys: readonly NoteVerifier[] } {
  if (pinned !== undefined) return { keys: pinned };
  const path = join(folder, 'keys.txt');
  if (!existsSync(path)) return { verdict: 'unknown', detail: 'no keys.txt beside it and no --keys' };
  const keys = readKeys(readFileSync(path, 'utf8'));
  return keys === undefined
    ? { verdict: 'tampered', detail: 'keys.txt holds a line that is no key' }
    : { keys };
}

/** The checkpoint is signed by a known key, and the leaf leads to its root. */
function checkProof(path: string, keys: readonly NoteVerifier[]): Failure | Proved {
  const proof = parseProof(readFileSync(path, 'utf8'));
  if (proof === undefined) return { verdict: 'tampered', detail: `${path} is not a tlog-proof` };
  if (proof.extra === undefined)
    return { verdict: 'unknown', detail: `${path} does not carry its leaf data` };
  const opened = openNote(proof.checkpoint, keys);
  if (opened.kind === 'unknown-key') {
    // A name we know under another key is a replaced key; a name we do not know says nothing.
    const names = splitNote(proof.checkpoint)?.signatures.map((s) => s.name) ?? [];
    const isReplaced = keys.some((k) => names.includes(k.name));
    return isReplaced
      ? { verdict: 'tampered', detail: `${path} is signed by another key than the one known under its name` }
      : { verdict: 'unknown', detail: `${path} is signed by no key that is known` };
  }
  if (opened.kind !== 'ok') return { verdict: 'tampered', detail: `the signature in ${path} does not hold` };
  const checkpoint = parseCheckpoint(opened.text);
  const isOwn = checkpoint !== undefined && opened.by.some((k) => k.name === checkpoint.origin);
  if (checkpoint === undefined || !isOwn) {
    return { verdict: 'tampered', detail: `${path} holds no checkpoint signed under its own origin` };
  }
  const root = rootFromInclusion(leafHashOfText(proof.extra), proof.index, checkpoint.size, proof.path);
  if (root === undefined || !root.equals(checkpoint.root)) {
    return { verdict: 'tampered', detail: `the leaf of ${path} does not lead to the signed root` };
  }
  return { leaf: proof.extra, checkpoint };
}

/** The leaf is that of these bytes, in the stream the checkpoint is of. */
function checkLeaf({ leaf, checkpoint }: Proved, raw: Buffer): Failure | undefined {
  const [tag, cluster, topic, partition, epoch, , , , , value] = leaf.toString('latin1').split('\n');
  if (tag !== leafTag || value !== hash('sha256', raw)) {
    return { verdict: 'tampered', detail: 'event.raw is not the record the leaf was made from' };
  }
  const key = parseStreamOrigin(checkpoint.origin);
  const isSameStream = key?.stream === topic || key?.stream === `${cluster}.${topic}`;
  if (!isSameStream || `${key?.partition}` !== partition || `${key?.epoch}` !== epoch) {
    return { verdict: 'tampered', detail: 'the leaf is of another stream than its checkpoint' };
  }
  return undefined;
}

/** The meta-log of the same log pins exactly this checkpoint. */
function checkPinned(event: Checkpoint, meta: Proved): Failure | undefined {
  const key = parseStreamOrigin(event.origin);
  if (key === undefined || meta.checkpoint.origin !== metaOrigin(key.logId)) {
    return { verdict: 'tampered', detail: 'the meta proof is of another log' };
  }
  const line = `stream ${event.origin} ${event.size} ${event.root.toString('base64')}`;
  return meta.leaf.toString().split('\n').includes(line)
    ? undefined
    : { verdict: 'tampered', detail: 'the meta-log leaf does not pin the event’s checkpoint' };
}
