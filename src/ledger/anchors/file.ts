import { createReadStream, existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { KeywitnessError } from '../../core/errors.ts';
import { type Checkpoint, checkpointText, parseCheckpoint } from '../checkpoint.ts';
import { splitNote, strictBase64 } from '../note.ts';

/**
 * The anchor: an append-only file outside the data directory that remembers every signed checkpoint, so that
 * whoever rewrites the store must reach it too. One line each, ASCII, ended by LF:
 * `LOGID key PUBLICKEY` for each key, `LOGID root PUBLICKEY` for the offline root, and
 * `LOGID TIME ORIGIN SIZE ROOT SIGNATURE` (base64; SIGNATURE is that of the note).
 */
export interface AnchorLine extends Checkpoint {
  readonly kind: 'checkpoint';
  readonly line: number;
  /** Milliseconds: when the line was written. Not signed; the heartbeat leaf holds the signed time. */
  readonly time: number;
  /** The signed note, as it was. */
  readonly note: string;
}

export type AnchorEntry =
  | AnchorLine
  | { readonly kind: 'key' | 'root'; readonly line: number; readonly publicKey: Buffer }
  | { readonly kind: 'unreadable'; readonly line: number };

export function anchorKeyLine(logId: string, kind: 'key' | 'root', publicKey: Buffer): string {
  return `${logId} ${kind} ${publicKey.toString('base64')}\n`;
}

/** One signed checkpoint, a line for each signature of ours: two when one key follows another. */
export function anchorLines(logId: string, timeMs: number, note: string): string {
  const parts = splitNote(note);
  const checkpoint = parts && parseCheckpoint(parts.text);
  if (!parts || !checkpoint) throw new RangeError('not a signed checkpoint');
  const { origin, size, root } = checkpoint;
  const head = `${logId} ${new Date(timeMs).toISOString()} ${origin} ${size} ${root.toString('base64')}`;
  const lines = note
    .slice(parts.text.length + 1)
    .trimEnd()
    .split('\n');
  const own = lines.filter((line) => line.startsWith(`— ${origin} `));
  return own.map((line) => `${head} ${line.split(' ').at(-1)}\n`).join('');
}

/**
 * Lines of one log, in order; those of other logs are skipped. A torn last line is `unreadable`.
 * @throws KW_INPUT when there is a file that cannot be read: it must not pass for one that holds nothing
 */
export async function* readAnchor(path: string, logId: string): AsyncGenerator<AnchorEntry> {
  if (!existsSync(path)) return;
  const input = createReadStream(path);
  let line = 0;
  try {
    for await (const text of createInterface({ input })) {
      line += 1;
      if (text.startsWith(`${logId} `)) yield parseLine(text.split(' '), line);
      else if (text !== '' && !/^[0-9a-f]{16} /.test(text)) yield { kind: 'unreadable', line };
    }
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (syscall === undefined) throw cause;
    throw new KeywitnessError('KW_INPUT', `The anchor file ${path} cannot be read (${code}).`, { cause });
  } finally {
    input.destroy();
  }
}

function parseLine(fields: readonly string[], line: number): AnchorEntry {
  const [, kind] = fields;
  if (fields.length === 3 && (kind === 'key' || kind === 'root')) {
    const publicKey = strictBase64(fields[2] as string);
    if (publicKey?.length === 32) return { kind, line, publicKey };
  }
  const [, timeText, origin, size, root, signature] = fields as readonly string[];
  const time = Date.parse(timeText ?? '');
  const checkpoint = parseCheckpoint(`${origin}\n${size}\n${root}\n`);
  // Key id and Ed25519 signature: shorter is a line torn by a crash, not a forgery.
  const isWhole = strictBase64(signature ?? '')?.length === 4 + 64;
  if (fields.length !== 6 || Number.isNaN(time) || !checkpoint || !isWhole)
    return { kind: 'unreadable', line };
  const note = `${checkpointText(checkpoint)}\n— ${checkpoint.origin} ${signature}\n`;
  return { kind: 'checkpoint', line, time, note, ...checkpoint };
}

/** Opened for appending; every write is on the disk before it returns. @throws KW_ANCHOR */
export class AnchorFile {
  readonly path: string;
  readonly #file: FileHandle;
  /** A write failed: some bytes of it may be there. */
  #mayBeTorn = false;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  static async open(path: string): Promise<AnchorFile> {
    let file: FileHandle | undefined;
    try {
      file = await open(path, 'a+', 0o600);
      const { size } = await file.stat();
      const last = Buffer.alloc(1);
      if (size > 0) await file.read(last, 0, 1, size - 1);
      // A line torn by a crash is ended, so that it spoils itself and not the next one.
      if (size > 0 && last[0] !== 0x0a) await file.appendFile('\n');
      return new AnchorFile(path, file);
    } catch (error) {
      await file?.close();
      throw anchorError(path, error);
    }
  }

  async append(lines: readonly string[]): Promise<void> {
    const text = `${this.#mayBeTorn ? '\n' : ''}${lines.join('')}`;
    this.#mayBeTorn = true;
    try {
      // Unlike `write`, which may write a part of it and say so only in its result.
      await this.#file.appendFile(text);
      await this.#file.sync();
    } catch (error) {
      throw anchorError(this.path, error);
    }
    this.#mayBeTorn = false;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function anchorError(path: string, cause: unknown): KeywitnessError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
  return new KeywitnessError(
    'KW_ANCHOR',
    `${path}: ${code}. What was to be remembered is signed in the store and not yet outside it. Make room, or let this ` +
      'user write there (KEYWITNESS_ANCHOR_FILE says where); a running service tries again every 10 s.',
    { cause },
  );
}
