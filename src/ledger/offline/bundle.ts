import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type StreamKey, streamKeyText } from '../../core/record.ts';
import { bundleFiles, streamFolder } from '../bundle.ts';
import { type Checkpoint, parseCheckpoint, parseStreamOrigin, streamOrigin } from '../checkpoint.ts';
import type { KeyHistory } from '../keyHistory.ts';
import { type NoteVerifier, noteVerifier, openNote, splitNote } from '../note.ts';
import { frontierRoot } from '../tree.ts';
import { readText } from './files.ts';
import type { OfflineFinding, Report } from './finding.ts';
import { createMetaReader, type MetaFacts } from './metaFacts.ts';
import { checkStreamTree } from './streamTree.ts';
import { readTree } from './treeFiles.ts';
import { checkQuorum, checkSignature, isEndorsed, keySets, type OfflineTrust, vouching } from './trust.ts';

/** Is this folder a bundle? Else it is a proof folder. */
export function isBundle(folder: string): boolean {
  return existsSync(join(folder, bundleFiles.trees));
}

/**
 * Verifies a whole bundle: the meta-log first, whose one checkpoint the reader's trust is about; then every stream
 * against what the meta-log pins.
 */
export function checkBundle(folder: string, trust: OfflineTrust, report: Report): void {
  const meta = readCheckpoint(join(folder, bundleFiles.trees, bundleFiles.meta), 'meta', report);
  const logId = meta && /^keywitness\/([0-9a-f]+)\/meta$/.exec(meta.checkpoint.origin)?.[1];
  if (meta === undefined) return;
  if (logId === undefined) {
    report({ class: 'forged', place: 'meta', detail: 'its checkpoint is of another kind of tree' });
    return;
  }
  const sets = keySets(trust, join(folder, bundleFiles.keys));
  if ('class' in sets) report(sets);
  const pinned = 'class' in sets ? [] : sets.map((keys) => vouching(keys, meta.checkpoint.origin));
  const facts = readMetaTree(folder, meta, firstKey(meta, pinned.flat()), report);
  for (const keys of pinned) checkTrust(meta, keys, facts.facts.keys, report);
  const problem = checkQuorum(meta.note, trust.policy, 'meta');
  if (problem !== undefined) report(problem);
  for (const key of streamsOf(folder, logId, facts.facts)) {
    checkStream(folder, logId, key, facts.isWhole ? facts.facts : undefined, report);
  }
}

interface SignedTree {
  readonly checkpoint: Checkpoint;
  readonly note: string;
}

function readCheckpoint(folder: string, place: string, report: Report): SignedTree | undefined {
  const note = readText(join(folder, 'checkpoint'));
  if (note === undefined) {
    report({ class: 'truncated', place, detail: 'it has no checkpoint' });
    return undefined;
  }
  const checkpoint = parseCheckpoint(splitNote(note)?.text ?? '');
  if (checkpoint === undefined)
    report({ class: 'forged', place, detail: 'its checkpoint is no signed checkpoint' });
  return checkpoint && { checkpoint, note };
}

/** The key of a log that says nowhere which key it began with: the one that signs, among those that are trusted. */
function firstKey({ note }: SignedTree, trusted: readonly NoteVerifier[]): Buffer {
  const opened = openNote(note, trusted);
  return (opened.kind === 'ok' ? opened.by[0] : trusted[0])?.publicKey ?? Buffer.alloc(32);
}

function readMetaTree(
  folder: string,
  { checkpoint }: SignedTree,
  fallback: Buffer,
  report: Report,
): { readonly facts: MetaFacts; readonly isWhole: boolean } {
  const logId = checkpoint.origin.split('/')[1] as string;
  const reader = createMetaReader(logId, fallback, report);
  const path = join(folder, bundleFiles.trees, bundleFiles.meta);
  const reading = readTree(path, 'meta', checkpoint.size, report);
  let gone: number | undefined;
  const flush = (cls: 'deleted' | 'truncated') => {
    if (gone === undefined) return;
    report({ class: cls, place: `meta/${gone}`, index: gone, detail: 'leaves of the meta-log are missing' });
  };
  let isWhole = true;
  for (const { index, text } of reading.leaves()) {
    if (text === undefined) {
      gone ??= index;
      isWhole = false;
      continue;
    }
    flush('deleted');
    gone = undefined;
    reader.see(index, text);
  }
  flush('truncated');
  isWhole &&= reading.frontier.size === checkpoint.size;
  if (isWhole && !reading.isBroken && !frontierRoot(reading.frontier).equals(checkpoint.root)) {
    report({
      class: 'rewritten',
      place: 'meta',
      detail: 'its leaves do not lead to the root that its checkpoint signs',
    });
  }
  return { facts: reader.facts(), isWhole };
}

/** The key in force signs the meta checkpoint, and a trusted key leads to it by endorsements. */
function checkTrust(
  { checkpoint, note }: SignedTree,
  trusted: readonly NoteVerifier[],
  keys: KeyHistory,
  report: Report,
): void {
  const { origin, size } = checkpoint;
  if (trusted.length === 0) {
    report({ class: 'unknown-key', place: 'meta', detail: 'none of the keys given is one of this log' });
    return;
  }
  const era = Math.max(0, keys.eraAt(size - 1));
  const inForce = noteVerifier(origin, keys.eras()[era]?.publicKey as Buffer);
  // At a rollover the key that follows signs too, and a known key's signature must hold.
  const signers = keys.signersAt(size - 1).map((key) => noteVerifier(origin, key));
  const problem = checkSignature(note, [inForce], 'meta') ?? checkSignature(note, signers, 'meta');
  if (problem !== undefined) {
    report(problem.class === 'unknown-key' ? { ...problem, class: 'wrong-key' } : problem);
    return;
  }
  if (isEndorsed(keys, era, trusted)) return;
  const detail = 'no key that is trusted leads to the key that signs it: it was signed by somebody else';
  report({ class: 'wrong-key', place: 'meta', detail });
}

/** Trees that the meta-log pins and trees that the folder holds. */
function streamsOf(folder: string, logId: string, facts: MetaFacts): StreamKey[] {
  const keys = new Map<string, StreamKey>();
  for (const name of readdirSync(join(folder, bundleFiles.trees))) {
    const m = /^([A-Za-z0-9._-]+)\.(\d{1,10})\.(\d{1,10})$/.exec(name);
    const key = m && { stream: m[1] as string, partition: Number(m[2]), epoch: Number(m[3]) };
    if (key) keys.set(streamOrigin(logId, key), key);
  }
  for (const origin of facts.pins.keys()) {
    const key = parseStreamOrigin(origin);
    if (key !== undefined) keys.set(origin, key);
  }
  return [...keys.values()];
}

function checkStream(
  folder: string,
  logId: string,
  key: StreamKey,
  facts: MetaFacts | undefined,
  report: Report,
): void {
  const [tree, origin] = [streamKeyText(key), streamOrigin(logId, key)];
  const path = join(folder, bundleFiles.trees, streamFolder(key));
  const pins = facts?.pins.get(origin);
  const newest = pins && { size: pins.size(pins.count - 1), root: pins.root(pins.count - 1) };
  if (newest?.size === 0 && !existsSync(path)) return;
  const signed = readCheckpoint(path, tree, report);
  if (signed !== undefined && signed.checkpoint.origin !== origin) {
    report({ class: 'forged', place: tree, detail: 'its checkpoint is of another tree' });
  } else if (signed !== undefined && facts !== undefined) {
    const problem = pinProblem(signed, facts, tree);
    if (problem !== undefined) report(problem);
  }
  // What the meta-log pins stands also where the checkpoint is gone.
  const target = signed?.checkpoint ?? newest;
  if (target === undefined || !existsSync(path)) return;
  checkStreamTree(path, { key, size: target.size, root: target.root, pins, facts }, report);
}

/** The stream's checkpoint is the newest that a heartbeat lists, signed by the key in force there. */
function pinProblem(
  { checkpoint, note }: SignedTree,
  facts: MetaFacts,
  place: string,
): OfflineFinding | undefined {
  const { origin, size, root } = checkpoint;
  const pins = facts.pins.get(origin);
  const newest = pins?.size(pins.count - 1) ?? 0;
  if (pins === undefined) {
    return { class: 'inserted', place, detail: 'no heartbeat of the meta-log lists this tree' };
  }
  if (size !== newest) {
    // Behind the meta-log, or the meta-log is behind it: one of the two is an older state.
    const detail = `its checkpoint has ${size} leaves, in the meta-log it has ${newest}`;
    return { class: 'rolled-back', place, detail };
  }
  if (!root.equals(pins.root(pins.count - 1))) {
    const detail = `its checkpoint and the meta-log sign two histories of ${size} leaves`;
    return { class: 'forked', place, detail };
  }
  const verifierOf = (era: number) => noteVerifier(origin, facts.keys.eras()[era]?.publicKey as Buffer);
  const problem = checkSignature(note, pins.newestEras().map(verifierOf), place);
  if (problem === undefined || problem.class === 'forged') return problem;
  const detail = 'it is signed by a key that was not in force when the meta-log listed it';
  return { class: 'wrong-key', place, detail };
}
