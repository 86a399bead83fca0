import { KeywitnessError } from '../../core/errors.ts';
import { type CosignatureVerifier, cosignedAt } from '../cosignature.ts';
import { splitNote } from '../note.ts';
import { addCheckpointText } from '../witness/request.ts';
import type { Anchor, SignedHead } from './anchor.ts';

export interface WitnessAnchorOptions {
  /** The submission prefix: `/add-checkpoint` lies below it. */
  readonly url: string;
  /** What another key cosigned is ignored. */
  readonly key: CosignatureVerifier;
  /** Of one head: the question, and the second one when the size was another. */
  readonly timeoutMs?: number;
}

/** Well within a heartbeat, and twice of it within the 10 s of an orderly end. */
const timeoutMsDefault = 3_000;
/** A cosignature has 150 bytes, a post-quantum one 3.3 kB. */
const answerBytesMax = 64 * 1024;

type Answer =
  | { readonly status: 200; readonly lines: readonly string[] }
  | { readonly status: 409; readonly size: number }
  | { readonly status: 422 };

/** What a witness says of a head: its signature, or what it remembers instead. */
export type WitnessWord =
  | { readonly kind: 'cosigned'; readonly lines: readonly string[] }
  | { readonly kind: 'rolled-back' | 'rewritten'; readonly sentence: string };

/**
 * A witness of C2SP tlog-witness as an anchor: what it cosigned it never lets the log take back. `keep` throws
 * KW_WITNESS when it is away or refuses, KW_WITNESS_FORK when it remembers another history than this log's.
 * @see https://c2sp.org/tlog-witness
 */
export function witnessAnchor(options: WitnessAnchorOptions): Anchor {
  const { name } = options.key;
  const closed = new AbortController();
  /** What it cosigned last, as far as we know; it corrects us. */
  let known = 0;
  return {
    name,
    async keep(head) {
      const word = await askWitness(options, head, { from: known, stop: closed.signal });
      if (word.kind !== 'cosigned') {
        const advice =
          'It cosigns no more of this log, which goes on without it. Unless a backup was put back, somebody ' +
          'rewrote the history: keep the data directory and the anchor file as they are and run `keywitness verify`.';
        throw new KeywitnessError('KW_WITNESS_FORK', `${word.sentence} ${advice}`);
      }
      known = head.meta.size;
      return word.lines;
    },
    async close() {
      closed.abort();
    },
  };
}

/** Shows one head to a witness that probably cosigned `from` leaves last. @throws KW_WITNESS */
export async function askWitness(
  options: WitnessAnchorOptions,
  head: SignedHead,
  { from: known, stop }: { readonly from: number; readonly stop?: AbortSignal },
): Promise<WitnessWord> {
  const { size } = head.meta;
  const timeout = AbortSignal.timeout(options.timeoutMs ?? timeoutMsDefault);
  const signal = stop === undefined ? timeout : AbortSignal.any([stop, timeout]);
  let from = Math.min(known, size);
  let answer = await ask(options, head, from, signal);
  if (answer.status === 409 && answer.size !== from && answer.size <= size) {
    from = answer.size;
    answer = await ask(options, head, from, signal);
  }
  return answer.status === 200
    ? { kind: 'cosigned', lines: answer.lines }
    : contradiction(options.key.name, head, from, answer);
}

/** After the second question: what it remembers cannot be where this log came from, or somebody else asks it too. */
function contradiction(
  name: string,
  { meta }: SignedHead,
  from: number,
  answer: Exclude<Answer, { status: 200 }>,
): WitnessWord {
  const cosigned = (what: string) => `Witness ${name} cosigned ${what}.`;
  if (answer.status === 422) {
    const other = `${from} leaves of the meta-log that are not proved to be the first ${from} of this one`;
    return { kind: 'rewritten', sentence: cosigned(other) };
  }
  if (answer.size > meta.size) {
    const more = `a meta-log of ${answer.size} leaves, and this one has ${meta.size}: it was rolled back`;
    return { kind: 'rolled-back', sentence: cosigned(more) };
  }
  if (answer.size === from && from === meta.size) {
    return { kind: 'rewritten', sentence: cosigned(`another meta-log of ${meta.size} leaves`) };
  }
  throw refused(
    name,
    `changes the size it remembers (now ${answer.size}): does another process use this log?`,
  );
}

async function ask(
  { url, key }: WitnessAnchorOptions,
  { meta, vkey, consistency }: SignedHead,
  from: number,
  signal: AbortSignal,
): Promise<Answer> {
  const proof = from === 0 || from === meta.size ? [] : await consistency(from);
  const { status, body } = await post(
    key.name,
    `${url.replace(/\/$/, '')}/add-checkpoint`,
    addCheckpointText({ oldSize: from, proof, note: meta.note }),
    signal,
  );
  if (status === 200) return { status, lines: cosignatures(meta.note, body, key) };
  // For one size with two roots the specification asks for no size in the answer: it is the one asked with.
  if (status === 409) return { status, size: toldSize(body) ?? sameSize(key.name, body, from, meta.size) };
  if (status === 422) return { status };
  throw refused(key.name, `answered ${status}: ${firstLine(body)}.${adviceOn(status, vkey)}`);
}

/** Unknown log, or unknown key: as before a witness was told of the log, and after `keys rotate`. */
function adviceOn(status: number, vkey: string | undefined): string {
  if (status !== 403 && status !== 404) return '';
  const line = vkey === undefined ? '' : `: ${vkey}`;
  return ` It does not know this log or its key: add the log's vkey to the witness's --keys file${line}`;
}

async function post(
  name: string,
  url: string,
  text: string,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly body: string }> {
  try {
    const headers = { 'Content-Type': 'text/plain; charset=utf-8' };
    const response = await fetch(url, { method: 'POST', body: text, headers, signal, redirect: 'error' });
    return { status: response.status, body: await readText(response) };
  } catch (cause) {
    throw new KeywitnessError('KW_WITNESS', `Witness ${name} is away (${reasonOf(cause)}).`, { cause });
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new RangeError('the answer has no end');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/**
 * The line of the answer that this key signed over this checkpoint; others are ignored, as the spec asks. One: with
 * many a witness could make the note longer than who verifies it reads.
 */
function cosignatures(note: string, body: string, key: CosignatureVerifier): string[] {
  const text = splitNote(note)?.text ?? '';
  const lines = body.split('\n').map((line) => `${line}\n`);
  const own = lines.filter((line) => cosignedAt(`${text}\n${line}`, key) !== undefined);
  if (own.length === 0)
    throw refused(key.name, 'gave no cosignature that its key made over this checkpoint.');
  return own.slice(0, 1);
}

function toldSize(body: string): number | undefined {
  return /^(0|[1-9]\d{0,15})\n$/.test(body) ? Number(body) : undefined;
}

function sameSize(name: string, body: string, from: number, size: number): number {
  if (from === size) return size;
  throw refused(name, `answered 409 without a size: ${firstLine(body)}.`);
}

function refused(name: string, what: string): KeywitnessError {
  return new KeywitnessError('KW_WITNESS', `Witness ${name} ${what}`);
}

function firstLine(body: string): string {
  return JSON.stringify((body.split('\n')[0] ?? '').slice(0, 200));
}

/** `fetch failed` hides its reason one level below. */
function reasonOf(error: unknown): string {
  const { cause, name, message } = error as Error & { cause?: NodeJS.ErrnoException };
  return cause?.code ?? cause?.message ?? (name === 'TimeoutError' ? 'no answer in time' : message);
}
