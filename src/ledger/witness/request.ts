import { strictBase64 } from '../note.ts';

/** The body of C2SP tlog-witness `add-checkpoint`, nothing verified. */
export interface AddCheckpoint {
  readonly oldSize: number;
  readonly proof: readonly Buffer[];
  /** The checkpoint as a signed note. */
  readonly note: string;
}

/** "The client MUST NOT send more than 63 consistency proof lines." */
const proofLinesMax = 63;

/** Reads `old N`, proof lines, an empty line, a note; undefined = not that. */
export function parseAddCheckpoint(body: Uint8Array): AddCheckpoint | undefined {
  const text = utf8(body);
  // No line of the head is empty, so the first empty line ends it; the note has one of its own.
  const at = text?.indexOf('\n\n') ?? -1;
  if (text === undefined || at < 0) return undefined;
  const [old, ...lines] = text.slice(0, at).split('\n');
  const size = /^old (0|[1-9]\d{0,15})$/.exec(old ?? '')?.[1];
  if (size === undefined || !Number.isSafeInteger(Number(size)) || lines.length > proofLinesMax) {
    return undefined;
  }
  const proof = lines.map(strictBase64);
  if (!proof.every((hash): hash is Buffer => hash?.length === 32)) return undefined;
  return { oldSize: Number(size), proof, note: text.slice(at + 2) };
}

/** The same body written down: what a log sends. */
export function addCheckpointText({ oldSize, proof, note }: AddCheckpoint): string {
  return `old ${oldSize}\n${proof.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${note}`;
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
