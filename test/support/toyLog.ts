import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto';

/**
 * A log written from the specifications alone, for what must agree with them and not with our own code:
 * RFC 6962 section 2.1 (MTH, PROOF), C2SP signed-note and tlog-checkpoint. Nothing of src is used.
 */
export interface ToyLog {
  readonly origin: string;
  readonly vkey: string;
  /** Adds leaves with these contents. */
  grow(...leaves: string[]): void;
  root(size: number): Buffer;
  proof(from: number, size: number): Buffer[];
  /** The signed checkpoint of a size; `text` instead of the true one. */
  checkpoint(size: number, text?: string): string;
}

const sha256 = (...parts: (string | Buffer)[]) => {
  const h = createHash('sha256');
  for (const part of parts) h.update(part);
  return h.digest();
};

/** MTH of RFC 6962 section 2.1, as it stands there. */
function treeHash(leaves: readonly string[]): Buffer {
  if (leaves.length === 0) return sha256('');
  if (leaves.length === 1) return sha256(Buffer.of(0), leaves[0] as string);
  const k = largestPower(leaves.length);
  return sha256(Buffer.of(1), treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)));
}

/** SUBPROOF of RFC 6962 section 2.1.2. */
function subproof(m: number, leaves: readonly string[], isComplete: boolean): Buffer[] {
  const n = leaves.length;
  if (m === n) return isComplete ? [] : [treeHash(leaves)];
  const k = largestPower(n);
  return m <= k
    ? [...subproof(m, leaves.slice(0, k), isComplete), treeHash(leaves.slice(k))]
    : [...subproof(m - k, leaves.slice(k), false), treeHash(leaves.slice(0, k))];
}

function largestPower(n: number): number {
  return 2 ** Math.floor(Math.log2(n - 1));
}

/** A key pair with the raw 32 bytes of the public half. */
export function ed25519() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from((publicKey.export({ format: 'jwk' }) as { x: string }).x, 'base64url');
  return { privateKey, publicKey, raw };
}

/** SHA-256(name ‖ LF ‖ type ‖ key)[:4] of C2SP signed-note. */
function keyId(name: string, type: number, raw: Buffer): Buffer {
  return sha256(`${name}\n`, Buffer.of(type), raw).subarray(0, 4);
}

export function vkeyOf(name: string, type: number, raw: Buffer): string {
  const typed = Buffer.concat([Buffer.of(type), raw]);
  return `${name}+${keyId(name, type, raw).toString('hex')}+${typed.toString('base64')}`;
}

export function toyLog(origin: string, keys = ed25519(), keyName = origin): ToyLog {
  const leaves: string[] = [];
  const root = (size: number) => treeHash(leaves.slice(0, size));
  const textOf = (size: number) => `${origin}\n${size}\n${root(size).toString('base64')}\n`;
  return {
    origin,
    vkey: vkeyOf(keyName, 1, keys.raw),
    grow: (...more) => void leaves.push(...more),
    root,
    proof: (from, size) => subproof(from, leaves.slice(0, size), true),
    checkpoint(size, text = textOf(size)) {
      const signature = sign(null, Buffer.from(text), keys.privateKey);
      const bytes = Buffer.concat([keyId(origin, 1, keys.raw), signature]);
      return `${text}\n— ${origin} ${bytes.toString('base64')}\n`;
    },
  };
}

export function requestBody(old: number | string, proof: readonly Buffer[], note: string): string {
  return `old ${old}\n${proof.map((h) => `${h.toString('base64')}\n`).join('')}\n${note}`;
}

/** Time of a cosignature line that holds under this vkey (type 0x04) over this note's text; else undefined. */
export function cosignedTime(line: string, vkey: string, note: string): number | undefined {
  // Base64 may hold a plus too.
  const [, name, key64] = /^([^+]+)\+[0-9a-f]{8}\+(.+)$/.exec(vkey) as unknown as [string, string, string];
  const raw = Buffer.from(key64, 'base64').subarray(1);
  const m = /^— (\S+) (\S+)\n$/.exec(line);
  const bytes = Buffer.from(m?.[2] ?? '', 'base64');
  if (m?.[1] !== name || !bytes.subarray(0, 4).equals(keyId(name, 4, raw))) return undefined;
  const time = bytes.readBigUInt64BE(4);
  const text = note.slice(0, note.lastIndexOf('\n\n') + 1);
  const key = { key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') }, format: 'jwk' } as const;
  const message = Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
  return verify(null, message, key, bytes.subarray(12)) ? Number(time) : undefined;
}
