import { createHash, verify } from 'node:crypto';

/**
 * The rules of docs/ledger.md, "Keys", written from that page alone: who may have signed what, given the leaves of
 * the meta-log. Nothing of src is used.
 */
export interface NamedKey {
  readonly raw: Buffer;
  /** Index of its leaf; undefined = the first key. */
  readonly leaf: number | undefined;
  readonly by: string;
}

/** The keys in order, every endorsement checked. */
export function keysOf(logId: string, first: Buffer, leaves: readonly string[]): NamedKey[] {
  const keys: NamedKey[] = [{ raw: first, leaf: undefined, by: 'first' }];
  let root: Buffer | undefined;
  for (const [index, text] of leaves.entries()) {
    const lines = text.split('\n');
    if (lines[1] !== 'kind key') continue;
    const value = (name: string) => lines.find((l) => l.startsWith(`${name} `))?.slice(name.length + 1) ?? '';
    const current = keys.at(-1)?.raw as Buffer;
    const base64 = (b: Buffer) => b.toString('base64');
    if (value('root') !== '') {
      root = Buffer.from(value('root'), 'base64');
      const said = `keywitness-root/v1\n${logId}\n${index}\n${base64(current)}\n${value('root')}\n`;
      demand(value('key') === base64(current), `leaf ${index} names the key in force`);
      demand(holds(said, value('signature'), current), `leaf ${index} is signed by the key in force`);
      demand(holds(said, value('root-signature'), root), `leaf ${index} is signed by the root`);
      continue;
    }
    const said = `keywitness-key/v1\n${logId}\n${index}\n${base64(current)}\n${value('new')}\n`;
    const endorser = value('by') === 'root' ? root : current;
    demand(value('previous') === base64(current), `leaf ${index} replaces the key in force`);
    demand(endorser !== undefined && holds(said, value('signature'), endorser), `leaf ${index} is endorsed`);
    keys.push({ raw: Buffer.from(value('new'), 'base64'), leaf: index, by: value('by') });
  }
  return keys;
}

/** Whose signatures the note has, as numbers of keys; each must hold. */
export function signersOf(note: string, keys: readonly NamedKey[]): number[] {
  const at = note.lastIndexOf('\n\n');
  const text = note.slice(0, at + 1);
  const name = text.split('\n')[0] as string;
  return note
    .slice(at + 2, -1)
    .split('\n')
    .map((line) => {
      const [dash, signer, encoded] = line.split(' ') as [string, string, string];
      demand(dash === '—' && signer === name, `${line} is signed under the origin`);
      const bytes = Buffer.from(encoded, 'base64');
      const era = keys.findIndex((k) => keyId(name, k.raw).equals(bytes.subarray(0, 4)));
      demand(era >= 0, `a known key signed ${name}`);
      demand(holds(text, bytes.subarray(4).toString('base64'), (keys[era] as NamedKey).raw), `${line} holds`);
      return era;
    });
}

/** The key in force at an index of the meta-log. */
export function keyAt(index: number, keys: readonly NamedKey[]): number {
  return keys.findLastIndex(
    ({ leaf, by }) => leaf === undefined || (by === 'root' ? leaf <= index : leaf < index),
  );
}

function holds(text: string, signature: string, raw: Buffer): boolean {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') };
  return verify(null, Buffer.from(text), { key: jwk, format: 'jwk' }, Buffer.from(signature, 'base64'));
}

function keyId(name: string, raw: Buffer): Buffer {
  return createHash('sha256').update(`${name}\n`).update(Buffer.of(1)).update(raw).digest().subarray(0, 4);
}

function demand(isSo: boolean, what: string): asserts isSo {
  if (!isSo) throw new Error(`not so: ${what}`);
}
