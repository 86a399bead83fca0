import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Checkpoint, metaOrigin, parseCheckpoint, parseStreamOrigin } from '../checkpoint.ts';
import { leafHashOfText } from '../leaf.ts';
import { listedStreams, parseMeta } from '../meta.ts';
import { type NoteVerifier, splitNote } from '../note.ts';
import { parseProof } from '../proof.ts';
import { rootFromInclusion } from '../tree.ts';
import { readBytes, readText, recordLineBytesMax } from './files.ts';
import type { OfflineFinding } from './finding.ts';
import { isLeafOf } from './leafLines.ts';
import { checkQuorum, checkSignature, keySets, type OfflineTrust, vouching } from './trust.ts';

interface Proved {
  readonly leaf: Buffer;
  readonly checkpoint: Checkpoint;
  readonly note: string;
}

/** A lone proof, of whatever log: its leaf data in `extra`, its checkpoint under the reader's trust. */
export function checkProofFile(path: string, trust: OfflineTrust): OfflineFinding | undefined {
  const sets = keySets(trust, join(dirname(path), 'keys.txt'));
  if ('class' in sets) return sets;
  const proved = checkProof(path, sets);
  return 'class' in proved ? proved : checkQuorum(proved.note, trust.policy, path);
}

/** The folder of `prove EVENT`: the bytes are the leaf's, the leaf is in the stream, the stream in the meta-log. */
export function checkProofFolder(folder: string, trust: OfflineTrust): OfflineFinding | undefined {
  for (const name of ['event.raw', 'event.tlog-proof', 'meta.tlog-proof']) {
    if (!existsSync(join(folder, name))) return { class: 'truncated', place: name, detail: 'it is missing' };
  }
  const sets = keySets(trust, join(folder, 'keys.txt'));
  if ('class' in sets) return sets;
  const event = checkProof(join(folder, 'event.tlog-proof'), sets);
  if ('class' in event) return event;
  const meta = checkProof(join(folder, 'meta.tlog-proof'), sets);
  if ('class' in meta) return meta;
  return (
    checkLeaf(event, join(folder, 'event.raw')) ??
    checkPinned(event.checkpoint, meta) ??
    checkQuorum(meta.note, trust.policy, 'meta.tlog-proof')
  );
}

/** The checkpoint is signed by a key of every set, and the leaf leads to its root. */
function checkProof(path: string, sets: readonly (readonly NoteVerifier[])[]): OfflineFinding | Proved {
  const bad = (cls: OfflineFinding['class'], detail: string): OfflineFinding => ({
    class: cls,
    place: path,
    detail,
  });
  const proof = parseProof(readText(path) ?? '');
  if (proof === undefined) return bad('modified', 'it is not a tlog-proof');
  if (proof.extra === undefined) return bad('no-leaf', 'it does not carry its leaf data');
  const checkpoint = parseCheckpoint(splitNote(proof.checkpoint)?.text ?? '');
  if (checkpoint === undefined) return bad('forged', 'it holds no signed checkpoint');
  for (const keys of sets) {
    const known = vouching(keys, checkpoint.origin);
    if (known.length === 0) return bad('unknown-key', 'none of the keys given is one of its log');
    const problem = checkSignature(proof.checkpoint, known, path);
    if (problem !== undefined) return problem;
  }
  const root = rootFromInclusion(leafHashOfText(proof.extra), proof.index, checkpoint.size, proof.path);
  if (root === undefined || !root.equals(checkpoint.root)) {
    return bad('modified', 'its leaf does not lead to the signed root');
  }
  return { leaf: proof.extra, checkpoint, note: proof.checkpoint };
}

/** The leaf is that of these bytes, in the stream the checkpoint is of. */
function checkLeaf({ leaf, checkpoint }: Proved, path: string): OfflineFinding | undefined {
  const key = parseStreamOrigin(checkpoint.origin);
  const lines = leaf.toString('latin1').split('\n');
  if (key === undefined || !isLeafOf(key, lines)) {
    return {
      class: 'modified',
      place: 'event.tlog-proof',
      detail: 'its leaf is of another stream than its checkpoint',
    };
  }
  const raw = readBytes(path, recordLineBytesMax);
  return lines[9] === hash('sha256', raw ?? '')
    ? undefined
    : { class: 'modified', place: 'event.raw', detail: 'it is not the record the leaf was made from' };
}

/** The meta-log of the same log pins exactly this checkpoint. */
function checkPinned(event: Checkpoint, meta: Proved): OfflineFinding | undefined {
  const place = 'meta.tlog-proof';
  const key = parseStreamOrigin(event.origin);
  if (key === undefined || meta.checkpoint.origin !== metaOrigin(key.logId)) {
    return { class: 'modified', place, detail: 'it is of another log' };
  }
  const leaf = parseMeta(meta.leaf);
  const pin = `${event.origin} ${event.size} ${event.root.toString('base64')}`;
  return leaf !== undefined && listedStreams(leaf).includes(pin)
    ? undefined
    : { class: 'modified', place, detail: 'its leaf does not pin the checkpoint of the event' };
}
