import type { MetaLeaf, MetaLine } from './meta.ts';
import { isEd25519, type Signer, strictBase64 } from './note.ts';

/** A `key` leaf: another key follows, endorsed by the one before it or by the offline root. */
export interface Rollover {
  readonly kind: 'rollover';
  readonly next: Buffer;
  readonly previous: Buffer;
  readonly by: 'previous' | 'root';
  readonly signature: Buffer;
}

/** A `key` leaf: the offline root is registered; the key in force and the root vouch for each other. */
export interface RootRegistration {
  readonly kind: 'root';
  readonly root: Buffer;
  readonly key: Buffer;
  readonly signature: Buffer;
  readonly rootSignature: Buffer;
}

/**
 * Reads a `key` leaf: exactly the lines of its kind, in order. Undefined = it is none, or malformed; nothing is
 * verified.
 */
export function parseKeyLeaf(leaf: MetaLeaf): Rollover | RootRegistration | undefined {
  if (leaf.kind !== 'key') return undefined;
  const names = leaf.lines.map(([name]) => name).join(' ');
  const values = leaf.lines.map(([, value]) => value);
  const bytes = (at: number, length: number) => {
    const decoded = strictBase64(values[at] ?? '');
    return decoded?.length === length ? decoded : undefined;
  };
  const [first, second] = [bytes(0, 32), bytes(1, 32)];
  if (first === undefined || second === undefined) return undefined;
  if (names === 'new previous by signature') {
    const by = (['previous', 'root'] as const).find((b) => b === values[2]);
    const signature = bytes(3, 64);
    if (by === undefined || signature === undefined) return undefined;
    return { kind: 'rollover', next: first, previous: second, by, signature };
  }
  const [signature, rootSignature] = [bytes(2, 64), bytes(3, 64)];
  if (names !== 'root key signature root-signature' || !signature || !rootSignature) return undefined;
  return { kind: 'root', root: first, key: second, signature, rootSignature };
}

/** What vouches for a rollover. The index binds it to its place: a copy elsewhere in the log is worth nothing. */
function rolloverText(logId: string, index: number, previous: Buffer, next: Buffer): Buffer {
  return Buffer.from(
    `keywitness-key/v1\n${logId}\n${index}\n${previous.toString('base64')}\n${next.toString('base64')}\n`,
  );
}

function rootText(logId: string, index: number, key: Buffer, root: Buffer): Buffer {
  return Buffer.from(
    `keywitness-root/v1\n${logId}\n${index}\n${key.toString('base64')}\n${root.toString('base64')}\n`,
  );
}

/** The lines of the `key` leaf at `index` by which `next` follows `previous`. */
export async function rolloverLines(
  at: { readonly logId: string; readonly index: number },
  keys: { readonly previous: Buffer; readonly next: Buffer },
  by: 'previous' | 'root',
  endorser: Signer,
): Promise<readonly MetaLine[]> {
  const text = rolloverText(at.logId, at.index, keys.previous, keys.next);
  return [
    ['new', keys.next.toString('base64')],
    ['previous', keys.previous.toString('base64')],
    ['by', by],
    ['signature', (await endorser.sign(text)).toString('base64')],
  ];
}

/** The lines of the `key` leaf at `index` that registers the offline root. */
export async function rootLines(
  at: { readonly logId: string; readonly index: number },
  key: Signer,
  root: Signer,
): Promise<readonly MetaLine[]> {
  const text = rootText(at.logId, at.index, key.publicKey, root.publicKey);
  return [
    ['root', root.publicKey.toString('base64')],
    ['key', key.publicKey.toString('base64')],
    ['signature', (await key.sign(text)).toString('base64')],
    ['root-signature', (await root.sign(text)).toString('base64')],
  ];
}

/** Does this key endorse the rollover at this place? */
export function isRolloverBy(act: Rollover, logId: string, index: number, endorser: Buffer): boolean {
  return isEd25519(endorser, rolloverText(logId, index, act.previous, act.next), act.signature);
}

/** Do key and root vouch for each other at this place? */
export function isRootVouched(act: RootRegistration, logId: string, index: number): boolean {
  const text = rootText(logId, index, act.key, act.root);
  return isEd25519(act.key, text, act.signature) && isEd25519(act.root, text, act.rootSignature);
}
