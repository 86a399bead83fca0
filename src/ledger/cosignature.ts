import { type KeyObject, sign } from 'node:crypto';
import { isEd25519, keyOfType, type NoteVerifier, parseKeyOfType, signatureLine, splitNote } from './note.ts';

/** C2SP tlog-cosignature v1: timestamped Ed25519 cosignatures, signature type 0x04. */
const cosignatureType = 0x04;
/** u64 timestamp and the 64 bytes of RFC 8032. */
const cosignatureBytes = 8 + 64;
/** "It MUST NOT exceed 2^63 - 1." */
const timeMax = 2n ** 63n - 1n;

/** A witness's key: a verifier of notes as any other, whose signatures also say when. */
export type CosignatureVerifier = NoteVerifier;

/** Who cosigns: a key under the name it is known by. */
export interface Cosigner {
  readonly verifier: CosignatureVerifier;
  readonly privateKey: KeyObject;
}

export function cosignatureVerifier(name: string, publicKey: Buffer): CosignatureVerifier {
  return {
    ...keyOfType(name, publicKey, cosignatureType),
    isSignature: (text, bytes) => {
      const cosignature = parseCosignature(bytes);
      return (
        cosignature !== undefined &&
        isEd25519(publicKey, cosignedMessage(text, cosignature.timeSeconds), cosignature.signature)
      );
    },
  };
}

/** Reads a vkey of type 0x04; undefined when it is not one. */
export function parseCosignatureKey(vkey: string): CosignatureVerifier | undefined {
  const parts = parseKeyOfType(vkey, cosignatureType);
  return parts && cosignatureVerifier(parts.name, parts.publicKey);
}

/** A signature line for this checkpoint's text (its body, without signature lines), as of this time. */
export function cosign({ verifier, privateKey }: Cosigner, text: string, timeSeconds: number): string {
  const time = BigInt(timeSeconds);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(time);
  return signatureLine(verifier, Buffer.concat([bytes, sign(null, cosignedMessage(text, time), privateKey)]));
}

/** When this witness cosigned the note, in seconds; undefined = it did not, or its signature does not hold. */
export function cosignedAt(note: string, verifier: CosignatureVerifier): bigint | undefined {
  const parts = splitNote(note);
  const times = (parts?.signatures ?? [])
    .filter((s) => s.name === verifier.name && s.keyId === verifier.keyId)
    .filter((s) => verifier.isSignature(parts?.text ?? '', s.signature))
    .map((s) => s.signature.readBigUInt64BE());
  return times.sort((a, b) => (a < b ? -1 : 1)).at(-1);
}

function parseCosignature(
  bytes: Buffer,
): { readonly timeSeconds: bigint; readonly signature: Buffer } | undefined {
  if (bytes.length !== cosignatureBytes) return undefined;
  const timeSeconds = bytes.readBigUInt64BE();
  return timeSeconds > timeMax ? undefined : { timeSeconds, signature: bytes.subarray(8) };
}

function cosignedMessage(text: string, timeSeconds: bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${timeSeconds}\n${text}`);
}
