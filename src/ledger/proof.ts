import { strictBase64 } from './note.ts';

/** A proof file: C2SP tlog-proof v1. Proves that the leaf at `index` is in the tree its checkpoint signs. */
export interface TlogProof {
  /** The leaf's own data, so that a stranger can build the leaf. Not authenticated by itself. */
  readonly extra?: Buffer;
  readonly index: number;
  /** From the leaf's sibling up to the root's child. */
  readonly path: readonly Buffer[];
  /** The signed checkpoint, verbatim. */
  readonly checkpoint: string;
}

const firstLine = 'c2sp.org/tlog-proof@v1';

export function formatProof(proof: TlogProof): string {
  const extra = proof.extra === undefined ? '' : `extra ${proof.extra.toString('base64')}\n`;
  const path = proof.path.map((h) => `${h.toString('base64')}\n`).join('');
  return `${firstLine}\n${extra}index ${proof.index}\n${path}\n${proof.checkpoint}`;
}

/** Reads a proof strictly; undefined when it is not one. */
export function parseProof(text: string): TlogProof | undefined {
  const at = text.indexOf('\n\n');
  if (at < 0) return undefined;
  const lines = text.slice(0, at).split('\n');
  if (lines.shift() !== firstLine) return undefined;
  const extra = lines[0]?.startsWith('extra ') ? strictBase64((lines.shift() as string).slice(6)) : null;
  const index = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '');
  const path = lines.map(strictBase64);
  if (extra === undefined || !index || !Number.isSafeInteger(Number(index[1]))) return undefined;
  // A tree below 2^53 leaves has paths of at most 53 hashes.
  if (path.length > 64 || !path.every((h) => h?.length === 32)) return undefined;
  return {
    ...(extra === null ? {} : { extra }),
    index: Number(index[1]),
    path: path as Buffer[],
    checkpoint: text.slice(at + 2),
  };
}
