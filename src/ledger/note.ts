import { createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';

/** Signed notes, C2SP signed-note v1.0.0: signature type 0x01 (Ed25519) here, 0x04 in cosignature.ts. */
const ed25519Type = 0x01;
/** "Verifiers SHOULD apply a maximum limit to the number of signatures": the spec asks for at least 16. */
const signaturesMax = 100;
/** An SPKI Ed25519 public key is this and the 32 bytes of RFC 8032 (RFC 8410 section 4). */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

export interface NoteVerifier {
  readonly name: string;
  readonly keyId: number;
  /** The 32 bytes of RFC 8032. */
  readonly publicKey: Buffer;
  readonly vkey: string;
  /** Is this (what a signature line holds after the key id) a signature of this key under this text? */
  isSignature(text: string, signature: Buffer): boolean;
}

/** Where signatures come from: a key on this disk, or a service that keeps the key and signs. */
export interface Signer {
  /** The 32 bytes of RFC 8032. */
  readonly publicKey: Buffer;
  /** Ed25519 over these bytes (64 bytes). */
  sign(bytes: Buffer): Promise<Buffer>;
}

/** The verifier of one key under one name; a name is an origin, so one key has many. */
export function noteVerifier(name: string, publicKey: Buffer): NoteVerifier {
  return {
    ...keyOfType(name, publicKey, ed25519Type),
    isSignature: (text, signature) => isEd25519(publicKey, Buffer.from(text), signature),
  };
}

/** Name, key id and vkey of a 32-byte key for one signature type. */
export function keyOfType(name: string, publicKey: Buffer, type: number): Omit<NoteVerifier, 'isSignature'> {
  if (!isKeyName(name)) throw new RangeError(`not a key name: ${JSON.stringify(name)}`);
  const typed = Buffer.concat([Buffer.from([type]), publicKey]);
  const keyId = keyIdOf(name, typed);
  return {
    name,
    keyId,
    publicKey,
    vkey: `${name}+${keyId.toString(16).padStart(8, '0')}+${typed.toString('base64')}`,
  };
}

/** Of a key name and the signature type followed by the public key. */
export function keyIdOf(name: string, typed: Buffer): number {
  return hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed]), 'buffer').readUInt32BE();
}

/** A key that lies in this process. */
export function localSigner(privateKey: KeyObject): Signer {
  return {
    publicKey: rawPublicKey(privateKey),
    sign: async (bytes) => sign(null, bytes, privateKey),
  };
}

/** The 32 bytes of RFC 8032 of a private key's public half. */
export function rawPublicKey(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).subarray(spkiPrefix.length);
}

/** Reads `name+id+base64`; undefined when it is malformed, of another type, or its id is not its own. */
export function parseVerifierKey(vkey: string): NoteVerifier | undefined {
  const parts = parseKeyOfType(vkey, ed25519Type);
  return parts && noteVerifier(parts.name, parts.publicKey);
}

/** The same for any type whose key is 32 bytes. */
export function parseKeyOfType(
  vkey: string,
  type: number,
): { readonly name: string; readonly publicKey: Buffer } | undefined {
  const m = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(vkey);
  if (!m) return undefined;
  const [, name, id, encoded] = m as unknown as [string, string, string, string];
  const typed = strictBase64(encoded);
  if (!isKeyName(name) || typed?.length !== 33 || typed[0] !== type) return undefined;
  const publicKey = typed.subarray(1);
  return keyOfType(name, publicKey, type).keyId === Number.parseInt(id, 16) ? { name, publicKey } : undefined;
}

/** The note: text, blank line, one signature line a signer, all under one name. `text` ends with a newline. */
export async function signNote(text: string, name: string, signers: readonly Signer[]): Promise<string> {
  if (!isNoteText(text)) throw new RangeError('a note text is printable and ends with a newline');
  const lines = signers.map(async (signer) =>
    signatureLine(noteVerifier(name, signer.publicKey), await signer.sign(Buffer.from(text))),
  );
  return `${text}\n${(await Promise.all(lines)).join('')}`;
}

/** `— name base64(key id ‖ signature)`. */
export function signatureLine(key: Omit<NoteVerifier, 'isSignature'>, signature: Buffer): string {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(key.keyId);
  return `— ${key.name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
}

export type OpenedNote =
  | { readonly kind: 'ok'; readonly text: string; readonly by: readonly NoteVerifier[] }
  /** Not a note; signed by no key we know; signed under a known key's name and id, but not by that key. */
  | { readonly kind: 'malformed' | 'unknown-key' | 'forged' };

/** Opens a note: its text may be used only when a known key's signature holds and none of them fails. */
export function openNote(note: string, known: readonly NoteVerifier[]): OpenedNote {
  const parts = splitNote(note);
  if (parts === undefined) return { kind: 'malformed' };
  const by: NoteVerifier[] = [];
  for (const line of parts.signatures) {
    const key = known.find((k) => k.name === line.name && k.keyId === line.keyId);
    if (key === undefined) continue;
    if (!key.isSignature(parts.text, line.signature)) return { kind: 'forged' };
    if (!by.includes(key)) by.push(key);
  }
  return by.length === 0 ? { kind: 'unknown-key' } : { kind: 'ok', text: parts.text, by };
}

interface SignatureLine {
  readonly name: string;
  readonly keyId: number;
  readonly signature: Buffer;
}

/** Text and signature lines, nothing verified. */
export function splitNote(
  note: string,
): { readonly text: string; readonly signatures: SignatureLine[] } | undefined {
  const at = note.lastIndexOf('\n\n');
  // "MUST NOT contain any ASCII control characters": signature lines neither.
  if (at < 0 || !isNoteText(note)) return undefined;
  const text = note.slice(0, at + 1);
  const lines = note.slice(at + 2, -1).split('\n');
  if (lines.length > signaturesMax) return undefined;
  const signatures: SignatureLine[] = [];
  for (const line of lines) {
    const m = /^— (\S+) ([A-Za-z0-9+/]+=*)$/u.exec(line);
    const bytes = m && isKeyName(m[1] as string) ? strictBase64(m[2] as string) : undefined;
    if (!m || bytes === undefined || bytes.length < 5) return undefined;
    signatures.push({ name: m[1] as string, keyId: bytes.readUInt32BE(), signature: bytes.subarray(4) });
  }
  return { text, signatures };
}

/** Ed25519 of RFC 8032 over these bytes; false for whatever is no key or no signature. */
export function isEd25519(publicKey: Buffer, bytes: Buffer, signature: Buffer): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  const spki = Buffer.concat([spkiPrefix, publicKey]);
  return verify(null, bytes, { key: spki, format: 'der', type: 'spki' }, signature);
}

function isNoteText(text: string): boolean {
  return text.endsWith('\n') && !/[\u0000-\u0009\u000b-\u001f]/.test(text) && !/\p{Surrogate}/u.test(text);
}

function isKeyName(name: string): boolean {
  // U+0085 is a Unicode space and none of JavaScript's.
  return name !== '' && !/[\s\u0085+\p{Surrogate}]/u.test(name);
}

/** Base 64 of RFC 4648 section 4, padded and canonical: Buffer.from would accept more. */
export function strictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
