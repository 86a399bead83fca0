import { metaOrigin, parseStreamOrigin } from '../checkpoint.ts';
import type { KeyHistory } from '../keyHistory.ts';
import { type NoteVerifier, noteVerifier, openNote, parseVerifierKey, splitNote } from '../note.ts';
import type { TrustPolicy } from '../policy.ts';
import { readText } from './files.ts';
import type { OfflineFinding } from './finding.ts';

/** Whom the reader trusts. Neither = the keys that came along count: the folder agrees with itself, no more. */
export interface OfflineTrust {
  readonly keys?: readonly NoteVerifier[] | undefined;
  readonly policy?: TrustPolicy | undefined;
}

/** One vkey a line; blank lines and lines that begin with # are skipped. Undefined = a line is no key. */
export function readKeys(text: string): NoteVerifier[] | undefined {
  const keys = text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => parseVerifierKey(line.trim()));
  return keys.every((k): k is NoteVerifier => k !== undefined) ? keys : undefined;
}

/**
 * The sets of keys that must each vouch: those given with --keys, the logs of the policy; when there are none of
 * either, those in the file that came along.
 */
export function keySets(
  { keys, policy }: OfflineTrust,
  keyFile: string,
): readonly (readonly NoteVerifier[])[] | OfflineFinding {
  const given = [keys, policy?.logs.length === 0 ? undefined : policy?.logs].filter((k) => k !== undefined);
  if (given.length > 0) return given;
  const text = readText(keyFile);
  if (text === undefined) {
    return { class: 'no-keys', place: 'keys.txt', detail: 'no keys.txt came along and no --keys was given' };
  }
  const own = readKeys(text);
  return own === undefined
    ? { class: 'modified', place: 'keys.txt', detail: 'it holds a line that is no key' }
    : [own];
}

/**
 * Keys of a set that vouch for an origin: those pinned under its own name, and those pinned for the meta-log of the
 * same log, since one key signs a whole log.
 */
export function vouching(keys: readonly NoteVerifier[], origin: string): NoteVerifier[] {
  const stream = parseStreamOrigin(origin);
  const meta = stream && metaOrigin(stream.logId);
  const derived = keys.filter((k) => k.name === meta).map((k) => noteVerifier(origin, k.publicKey));
  const own = keys.filter((k) => k.name === origin);
  return [...own, ...derived.filter((d) => !own.some((k) => k.publicKey.equals(d.publicKey)))];
}

/**
 * Is the key of this era trusted, or endorsed by one that is? A root counts only when it was registered under a
 * trusted key: else whoever writes a meta-log of his own could register his own root before the key we trust.
 */
export function isEndorsed(keys: KeyHistory, era: number, trusted: readonly NoteVerifier[]): boolean {
  const eras = keys.eras();
  const root = keys.root();
  const holds: boolean[] = [];
  for (let at = 0; at <= era; at += 1) {
    const { publicKey, by } = eras[at] as (typeof eras)[number];
    const endorser =
      by === 'first' ? -1 : by === 'previous' ? at - 1 : root === undefined ? -1 : keys.eraAt(root.leaf);
    holds.push(trusted.some((k) => k.publicKey.equals(publicKey)) || holds[endorser] === true);
  }
  return holds[era] === true;
}

/** Is this note's checkpoint signed by one of these keys, all under its origin? Says what is wrong otherwise. */
export function checkSignature(
  note: string,
  known: readonly NoteVerifier[],
  place: string,
): OfflineFinding | undefined {
  const opened = openNote(note, known);
  if (opened.kind === 'ok') return undefined;
  if (opened.kind !== 'unknown-key') return { class: 'forged', place, detail: 'its signature does not hold' };
  // A name we know under another key is a replaced key; a name we do not know says nothing.
  const names = splitNote(note)?.signatures.map((s) => s.name) ?? [];
  return known.some((k) => names.includes(k.name))
    ? {
        class: 'wrong-key',
        place,
        detail: 'it is signed by another key than the one that counts under its name',
      }
    : { class: 'unknown-key', place, detail: 'it is signed by no key that is known' };
}

/** Do the witnesses that the policy asks for stand under this note? */
export function checkQuorum(
  note: string,
  policy: TrustPolicy | undefined,
  place: string,
): OfflineFinding | undefined {
  if (policy === undefined) return undefined;
  const opened = openNote(note, policy.witnesses);
  if (opened.kind === 'forged' || opened.kind === 'malformed') {
    return { class: 'forged', place, detail: 'a cosignature of a known witness does not hold' };
  }
  const cosigners = opened.kind === 'ok' ? opened.by : [];
  if (policy.isQuorum(cosigners)) return undefined;
  const names = cosigners.map((w) => w.name).join(', ');
  const detail = `the policy's quorum did not cosign it (${names === '' ? 'nobody it knows did' : `only ${names}`})`;
  return { class: 'no-quorum', place, detail };
}
