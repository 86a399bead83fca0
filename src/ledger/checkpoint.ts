import type { StreamKey } from '../core/record.ts';
import { noteVerifier, openNote, strictBase64 } from './note.ts';

/** A checkpoint: the text of C2SP tlog-checkpoint, signed as a note by the key whose name is the origin. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

/** `keywitness/LOGID/STREAM/PARTITION/EPOCH` names a stream's tree for ever. */
export function streamOrigin(logId: string, key: StreamKey): string {
  return `keywitness/${logId}/${key.stream}/${key.partition}/${key.epoch}`;
}

export function metaOrigin(logId: string): string {
  return `keywitness/${logId}/meta`;
}

export function parseStreamOrigin(origin: string): (StreamKey & { readonly logId: string }) | undefined {
  const m = /^keywitness\/([0-9a-f]+)\/([A-Za-z0-9._-]+)\/(\d{1,10})\/(\d{1,10})$/.exec(origin);
  if (!m) return undefined;
  return {
    logId: m[1] as string,
    stream: m[2] as string,
    partition: Number(m[3]),
    epoch: Number(m[4]),
  };
}

export function checkpointText(c: Checkpoint): string {
  return `${c.origin}\n${c.size}\n${c.root.toString('base64')}\n`;
}

/** Does this note hold exactly this checkpoint, signed by this key under the checkpoint's origin? */
export function isSignedCheckpoint(note: string, checkpoint: Checkpoint, publicKey: Buffer): boolean {
  const opened = openNote(note, [noteVerifier(checkpoint.origin, publicKey)]);
  return opened.kind === 'ok' && opened.text === checkpointText(checkpoint);
}

/** Reads a note's text as a checkpoint; extension lines are allowed and ignored. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const lines = text.split('\n');
  const [origin, size, root] = lines;
  if (lines.length < 4 || lines.at(-1) !== '' || lines.slice(0, -1).includes('')) return undefined;
  const bytes = strictBase64(root as string);
  if (!/^(0|[1-9]\d{0,15})$/.test(size as string) || bytes?.length !== 32) return undefined;
  const count = Number(size);
  if (!Number.isSafeInteger(count)) return undefined;
  return { origin: origin as string, size: count, root: bytes };
}
