import { lineText, type MetaKind, type MetaLeaf, type MetaLine } from './meta.ts';
import { isEd25519, type Signer, strictBase64 } from './note.ts';

/**
 * What lets evidence go, or keeps it, is signed by itself and at once: a heartbeat signs whatever stands before it, and a
 * leaf that somebody else put behind the last one must not become a word of ours (docs/ledger.md, "Meta-log").
 */
const signedKinds: readonly MetaKind[] = ['retention', 'hold', 'erasure'];

interface Place {
  readonly logId: string;
  readonly index: number;
}

/** The index binds it to its place: a copy elsewhere in the log is worth nothing. */
function actText({ logId, index }: Place, kind: MetaKind, lines: readonly MetaLine[]): Buffer {
  return Buffer.from(`keywitness-act/v1\n${logId}\n${index}\n${kind}\n${lines.map(lineText).join('')}`);
}

/** The lines of the leaf at this place, with the signature that its kind asks for. */
export async function signedLines(
  at: Place,
  kind: MetaKind,
  lines: readonly MetaLine[],
  signer: Signer,
): Promise<readonly MetaLine[]> {
  if (!signedKinds.includes(kind)) return lines;
  const signature = await signer.sign(actText(at, kind, lines));
  return [...lines, ['signature', signature.toString('base64')]];
}

/** False for an act that the holder of this key did not write at this place. */
export function isSignedIfAct(at: Place, leaf: MetaLeaf, key: Buffer): boolean {
  if (!signedKinds.includes(leaf.kind)) return true;
  const [name, value = ''] = leaf.lines.at(-1) ?? [];
  const signature = name === 'signature' ? strictBase64(value) : undefined;
  // A clock that was set back is noted in front of what was signed.
  const first = leaf.lines[0]?.[0] === 'clock' ? 1 : 0;
  return (
    signature?.length === 64 && isEd25519(key, actText(at, leaf.kind, leaf.lines.slice(first, -1)), signature)
  );
}
