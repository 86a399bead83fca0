import { createPrivateKey, createPublicKey, hash, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * A log and its bundle, made from docs/ledger.md and the C2SP pages alone: nothing of src is used, so that what the
 * verifiers read was written by somebody else, and so that an attacker here can sign with any key he stole.
 */
export type Random = (below: number) => number;

/** mulberry32: small, seeded, good enough to choose with. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export interface ToyKey {
  readonly privateKey: KeyObject;
  readonly publicKey: Buffer;
}

export function keyOf(seed: string): ToyKey {
  const raw = sha(seed);
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), raw]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return { privateKey, publicKey: Buffer.from(spki).subarray(-32) };
}

/** One leaf of a stream. Without `text` only its hash is left, without `raw` its bytes are gone. */
export interface ToyLeaf {
  offset: bigint;
  hash: Buffer;
  text?: string;
  raw?: Buffer | null;
}

export interface ToyStream {
  readonly cluster: string;
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
  leaves: ToyLeaf[];
  /** Where and by which key its checkpoint is signed; its size may be below what the leaves are. */
  checkpoint: { size: number; root: Buffer; key: ToyKey };
  isEnded: boolean;
}

export interface ToyLog {
  readonly logId: string;
  /** In the order in which they were in force; the last signs. */
  readonly keys: ToyKey[];
  readonly witness: ToyKey;
  readonly streams: ToyStream[];
  meta: string[];
  metaCheckpoint: { size: number; root: Buffer; keys: ToyKey[]; isWitnessed: boolean };
}

export const sha = (...parts: (Buffer | string)[]) =>
  hash('sha256', Buffer.concat(parts.map((part) => Buffer.from(part))), 'buffer');
export const leafHash = (text: string) => sha(Buffer.from([0]), Buffer.from(text, 'latin1'));
const b64 = (bytes: Buffer) => bytes.toString('base64');

/** MTH of RFC 6962 section 2.1, as it is written there. */
export function treeHash(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha('');
  if (leaves.length === 1) return leaves[0] as Buffer;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha(Buffer.from([1]), treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)));
}

const nameOf = (s: ToyStream) => (s.cluster === 'file' ? s.topic : `${s.cluster}.${s.topic}`);
export const treeOf = (s: ToyStream) => `${nameOf(s)}/${s.partition}/${s.epoch}`;
export const originOf = (log: ToyLog, s: ToyStream) => `keywitness/${log.logId}/${treeOf(s)}`;
export const metaOriginOf = (log: ToyLog) => `keywitness/${log.logId}/meta`;
export const hashesOf = (s: ToyStream) => s.leaves.map((l) => l.hash);
export const metaHashes = (log: ToyLog) => log.meta.map(leafHash);

export function leafOf(s: ToyStream, offset: bigint, raw: Buffer | null, time: number): ToyLeaf {
  const nothing = sha('').toString('hex');
  const text = `keywitness-leaf/v1\n${s.cluster}\n${s.topic}\n${s.partition}\n${s.epoch}\n${offset}\n${time}\n${nothing}\n${nothing}\n${sha(raw ?? '').toString('hex')}\n${raw === null ? 3 : 1}\n`;
  return { offset, hash: leafHash(text), text, raw };
}

export function metaLeaf(kind: string, time: number, lines: readonly string[]): string {
  const head = `keywitness-meta/v1\nkind ${kind}\ntime ${new Date(time).toISOString()}\n`;
  return head + lines.map((line) => `${line}\n`).join('');
}

export const pinLine = (log: ToyLog, s: ToyStream, size = s.leaves.length) =>
  `stream ${originOf(log, s)} ${size} ${b64(treeHash(hashesOf(s).slice(0, size)))}`;

/** The lines of a `key` leaf at this index of the meta-log. */
export function rolloverLines(
  log: ToyLog,
  index: number,
  from: ToyKey,
  to: ToyKey,
  by: ToyKey,
  how = 'previous',
) {
  const text = `keywitness-key/v1\n${log.logId}\n${index}\n${b64(from.publicKey)}\n${b64(to.publicKey)}\n`;
  const signature = b64(sign(null, Buffer.from(text), by.privateKey));
  return [
    `new ${b64(to.publicKey)}`,
    `previous ${b64(from.publicKey)}`,
    `by ${how}`,
    `signature ${signature}`,
  ];
}

export function rootLines(log: ToyLog, index: number, key: ToyKey, root: ToyKey) {
  const text = Buffer.from(
    `keywitness-root/v1\n${log.logId}\n${index}\n${b64(key.publicKey)}\n${b64(root.publicKey)}\n`,
  );
  const by = (k: ToyKey) => b64(sign(null, text, k.privateKey));
  return [
    `root ${b64(root.publicKey)}`,
    `key ${b64(key.publicKey)}`,
    `signature ${by(key)}`,
    `root-signature ${by(root)}`,
  ];
}

export function vkeyOf(name: string, key: ToyKey, type = 1): string {
  const typed = Buffer.concat([Buffer.from([type]), key.publicKey]);
  return `${name}+${sha(`${name}\n`, typed).toString('hex').slice(0, 8)}+${b64(typed)}`;
}

export const witnessName = 'witness.example/w1';

function signatureLine(name: string, key: ToyKey, type: number, signature: Buffer): string {
  const id = sha(`${name}\n`, Buffer.from([type]), key.publicKey).subarray(0, 4);
  return `\u2014 ${name} ${b64(Buffer.concat([id, signature]))}\n`;
}

/** A signed checkpoint, cosigned when there is a witness. */
export function noteOf(
  origin: string,
  size: number,
  root: Buffer,
  keys: readonly ToyKey[],
  witness?: { readonly key: ToyKey; readonly time: number },
): string {
  const text = `${origin}\n${size}\n${b64(root)}\n`;
  const lines = keys.map((key) =>
    signatureLine(origin, key, 1, sign(null, Buffer.from(text), key.privateKey)),
  );
  if (witness !== undefined) {
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(BigInt(witness.time));
    const message = Buffer.from(`cosignature/v1\ntime ${witness.time}\n${text}`);
    const signature = Buffer.concat([stamp, sign(null, message, witness.key.privateKey)]);
    lines.push(signatureLine(witnessName, witness.key, 4, signature));
  }
  return `${text}\n${lines.join('')}`;
}

export type Files = Map<string, Buffer>;

/** The files of the whole bundle, by path. */
export function filesOf(log: ToyLog): Files {
  const files: Files = new Map();
  const { size, root, keys, isWitnessed } = log.metaCheckpoint;
  const origin = metaOriginOf(log);
  const witness = isWitnessed ? { key: log.witness, time: 1_767_225_600 } : undefined;
  files.set('keys.txt', Buffer.from(`# keys\n${log.keys.map((k) => `${vkeyOf(origin, k)}\n`).join('')}`));
  files.set('trees/meta/checkpoint', Buffer.from(noteOf(origin, size, root, keys, witness)));
  addTree(files, 'trees/meta', metaHashes(log), log.meta);
  for (const s of log.streams) {
    const folder = folderOf(s);
    const note = noteOf(originOf(log, s), s.checkpoint.size, s.checkpoint.root, [s.checkpoint.key]);
    files.set(`${folder}/checkpoint`, Buffer.from(note));
    addTree(
      files,
      folder,
      hashesOf(s),
      s.leaves.map((l) => l.text ?? ''),
    );
    files.set(`${folder}/records.ndjson`, Buffer.from(recordLines(s).join('')));
  }
  return files;
}

export const folderOf = (s: ToyStream) => `trees/${nameOf(s)}.${s.partition}.${s.epoch}`;

export function recordLines(s: ToyStream): string[] {
  return s.leaves.flatMap(({ raw }, index) =>
    raw === undefined ? [] : [`{"index":${index},"raw":${raw === null ? 'null' : `"${b64(raw)}"`}}\n`],
  );
}

/** C2SP tlog-tiles: hash tiles of every level and entry bundles, the last ones partial. */
export function addTree(
  files: Files,
  folder: string,
  hashes: readonly Buffer[],
  texts: readonly string[],
): void {
  for (const path of [...files.keys()]) if (path.startsWith(`${folder}/tile/`)) files.delete(path);
  const entries = texts.map((text) => {
    const bytes = Buffer.from(text, 'latin1');
    return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
  });
  addRow(files, `${folder}/tile/entries`, entries);
  let row = hashes;
  for (let level = 0; row.length > 0; level += 1) {
    addRow(files, `${folder}/tile/${level}`, row);
    row = chunks(row)
      .filter((c) => c.length === 256)
      .map(treeHash);
  }
}

function addRow(files: Files, folder: string, row: readonly Buffer[]): void {
  for (const [n, chunk] of chunks(row).entries()) {
    files.set(`${folder}/${tileName(n, chunk.length)}`, Buffer.concat(chunk));
  }
}

export function tileName(n: number, width: number): string {
  const name =
    n < 1000
      ? `${n}`.padStart(3, '0')
      : `x${`${Math.floor(n / 1000)}`.padStart(3, '0')}/${`${n % 1000}`.padStart(3, '0')}`;
  return width === 256 ? name : `${name}.p/${width}`;
}

function chunks(row: readonly Buffer[]): Buffer[][] {
  const out: Buffer[][] = [];
  for (let at = 0; at < row.length; at += 256) out.push(row.slice(at, at + 256));
  return out;
}

/** Makes the folder exactly these files. */
export function writeFiles(folder: string, files: Files): void {
  rmSync(folder, { recursive: true, force: true });
  for (const [path, bytes] of files) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
}
