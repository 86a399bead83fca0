import { type Checkpoint, parseCheckpoint } from '../checkpoint.ts';
import { isConsistent } from '../consistency.ts';
import { type Cosigner, cosign } from '../cosignature.ts';
import { openNote, splitNote } from '../note.ts';
import { emptyFrontier, frontierRoot } from '../tree.ts';
import type { KnownLogs } from './logs.ts';
import { type AddCheckpoint, parseAddCheckpoint } from './request.ts';
import type { WitnessState } from './state.ts';

/** What an `add-checkpoint` request comes to; the numbers are C2SP tlog-witness's statuses. */
export type WitnessAnswer =
  | { readonly status: 200; readonly checkpoint: Checkpoint; readonly cosignature: string }
  /** Malformed, or an old size above the checkpoint's; no trusted key signed it; the log is unknown. */
  | { readonly status: 400 | 403 | 404; readonly reason: string }
  /** The old size is not that of the checkpoint cosigned last. */
  | { readonly status: 409; readonly size: number }
  | Contradiction;

/** A checkpoint that its log signed and that is not proved to continue the one before. */
interface Contradiction {
  /** 409: one size, two roots. 422: the proof does not lead from the one to the other. */
  readonly status: 409 | 422;
  readonly size: number;
  readonly submitted: Checkpoint;
  readonly note: string;
  readonly latest: Checkpoint;
}

export interface WitnessOptions {
  readonly cosigner: Cosigner;
  readonly logs: KnownLogs;
  readonly state: WitnessState;
  /** Durable when it returns: the cosignature is made only then. */
  readonly save: (state: WitnessState) => void;
  /** Milliseconds. */
  readonly now: () => number;
}

/**
 * A witness of C2SP tlog-witness: remembers the latest checkpoint of each log and cosigns only what continues it.
 * A request is judged, remembered and cosigned without a pause in between: no other can come between the look at
 * the latest checkpoint and its replacement (the race at the end of "add-checkpoint").
 */
export function createWitness(options: WitnessOptions): (body: Uint8Array) => WitnessAnswer {
  const { cosigner, logs, save, now } = options;
  let state = options.state;
  return (body) => {
    const request = parseAddCheckpoint(body);
    const text = request && splitNote(request.note)?.text;
    const checkpoint = text === undefined ? undefined : parseCheckpoint(text);
    if (request === undefined || text === undefined || checkpoint === undefined) {
      return { status: 400, reason: 'not an old size, a proof and a signed checkpoint' };
    }
    const known = logs.verifiers(checkpoint.origin);
    if (known.length === 0) return { status: 404, reason: 'this witness does not know the log' };
    if (openNote(request.note, known).kind !== 'ok') {
      return { status: 403, reason: 'no key this witness trusts for the log signed this checkpoint' };
    }
    const latest = state.get(checkpoint.origin) ?? nothingYet(checkpoint.origin);
    const refusal = judge(latest, request, checkpoint);
    if (refusal !== undefined) return refusal;
    if (latest.size !== checkpoint.size || !state.has(checkpoint.origin)) {
      const next = new Map(state).set(checkpoint.origin, checkpoint);
      save(next);
      state = next;
    }
    return { status: 200, checkpoint, cosignature: cosign(cosigner, text, Math.floor(now() / 1000)) };
  };
}

/** "Zero if it never cosigned a checkpoint for that origin." */
function nothingYet(origin: string): Checkpoint {
  return { origin, size: 0, root: frontierRoot(emptyFrontier()) };
}

/** Why this checkpoint is no continuation of the latest, in the order of the specification. */
function judge(
  latest: Checkpoint,
  { oldSize, proof, note }: AddCheckpoint,
  submitted: Checkpoint,
): Exclude<WitnessAnswer, { status: 200 }> | undefined {
  const { size } = latest;
  if (oldSize > submitted.size) return { status: 400, reason: 'the old size is above the checkpoint’s' };
  if (oldSize !== size) return { status: 409, size };
  if (oldSize === submitted.size && !latest.root.equals(submitted.root)) {
    return { status: 409, size, submitted, note, latest };
  }
  // "The proof MUST be empty if the old size is zero"; RFC 6962 defines none from an empty tree.
  const isProved =
    oldSize === 0
      ? proof.length === 0
      : isConsistent(oldSize, latest.root, submitted.size, submitted.root, proof);
  return isProved ? undefined : { status: 422, size, submitted, note, latest };
}
