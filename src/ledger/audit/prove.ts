import { KeywitnessError } from '../../core/errors.ts';
import { type EventRef, eventRefText, type KwRecord, metaTree, type StreamKey } from '../../core/record.ts';
import { hasDerivedRow } from '../../store/auditRows.ts';
import type { Engine } from '../../store/client.ts';
import {
  coveringCheckpoint,
  metaLeavesListing,
  newestCheckpoint as newestOf,
  type SignedCheckpointRow,
} from '../../store/ledgerStore.ts';
import { recordAt } from '../../store/positions.ts';
import { erasedSeal } from '../../store/recordPages.ts';
import { leavesBefore, readTiles } from '../../store/tileStore.ts';
import { isSignedCheckpoint, metaOrigin, streamOrigin } from '../checkpoint.ts';
import type { KeyHistory } from '../keyHistory.ts';
import type { LogIdentity } from '../keys.ts';
import { leafHashOfText, leafText } from '../leaf.ts';
import { parseMeta } from '../meta.ts';
import { type NoteVerifier, noteVerifier } from '../note.ts';
import { formatProof } from '../proof.ts';
import { rangeRootsFromTiles, type TileReader } from '../tiles.ts';
import { inclusionRanges, rootFromInclusion } from '../tree.ts';
import { readKeyHistory } from './keys.ts';
import { whyGone } from './lawfulLeaves.ts';
import { transportOf } from './tree.ts';

/** Where a tree's hashes are read; a running ledger has the newest in memory (`Ledger.readTiles`). */
export type TilesOf = (key: StreamKey) => TileReader;

/** Whose signature holds where; a running ledger knows it (`Ledger.keys`). */
export type KeySigners = Pick<KeyHistory, 'eras' | 'signersAt'>;

/** A proof folder: names and contents (docs/ledger.md, "The proof folder"). */
export type ProofFolder = ReadonlyMap<string, Buffer>;

/**
 * Proves one event to a stranger: its bytes, its leaf in the stream's signed tree, and the heartbeat leaf that
 * pins that tree in the signed meta-log. Signs nothing new. @throws KW_EVENT_UNKNOWN, KW_EVENT_GONE, KW_LEDGER_BROKEN
 */
export async function proveEvent(
  engine: Engine,
  identity: LogIdentity,
  ref: EventRef,
  tiles: TilesOf = (key) => (at) => readTiles(engine, key, at),
  known?: KeySigners,
): Promise<ProofFolder> {
  const stored = await recordAt(engine, ref, ref.offset);
  // Every record has a first part; `events` is not sorted by offset, so only for another one it is looked through.
  const isThere = stored !== undefined && (ref.idx === 0 || (await hasDerivedRow(engine, ref)));
  if (!isThere || stored.sealed === erasedSeal) {
    const why = await whyGone(engine, ref);
    if (why !== undefined)
      throw new KeywitnessError('KW_EVENT_GONE', `${why} Its leaf stands; nobody can prove what it said.`);
    throw new KeywitnessError('KW_EVENT_UNKNOWN', `${eventRefText(ref)} names no event.`);
  }
  const origin = streamOrigin(identity.logId, ref);
  const index = await leavesBefore(engine, ref, ref.offset);
  const checkpoint = await coveringCheckpoint(engine, origin, index);
  const keys = known ?? (await readKeyHistory(engine, identity));
  // A row that we did not sign names no heartbeat either: it must not look like one that is still to come.
  if (checkpoint !== undefined && !isOurs(keys, checkpoint)) broken(origin);
  const pinned = checkpoint && (await findPin(engine, checkpoint));
  const meta = pinned && (await coveringCheckpoint(engine, metaOrigin(identity.logId), pinned.index));
  if (checkpoint === undefined || pinned === undefined || meta === undefined) {
    throw new KeywitnessError(
      'KW_EVENT_UNKNOWN',
      `${eventRefText(ref)} is stored and not signed yet: the next heartbeat or orderly end signs it. Run this again then.`,
    );
  }
  const signers = [signerOf(keys, checkpoint, pinned.index), signerOf(keys, meta, meta.size - 1)];
  const text = leafText(stored.record, transportOf(stored, []));
  const event = await proofOf(tiles(ref), { text, index, checkpoint });
  const heartbeat = await proofOf(tiles(metaTree), { ...pinned, checkpoint: meta });
  return new Map([
    ['event.raw', rawBytes(stored.record)],
    ['keys.txt', Buffer.from(signers.map((key) => `${key.vkey}\n`).join(''))],
    ['event.tlog-proof', Buffer.from(event)],
    ['meta.tlog-proof', Buffer.from(heartbeat)],
  ]);
}

/** The newest signed checkpoint of the meta-log; undefined before the first. @throws KW_LEDGER_BROKEN */
export async function newestCheckpoint(engine: Engine, identity: LogIdentity): Promise<string | undefined> {
  const origin = metaOrigin(identity.logId);
  const newest = await newestOf(engine, origin);
  if (newest !== undefined) signerOf(await readKeyHistory(engine, identity), newest, newest.size - 1);
  return newest?.note;
}

function isOurs(keys: KeySigners, checkpoint: SignedCheckpointRow): boolean {
  return keys.eras().some((era) => isSignedCheckpoint(checkpoint.note, checkpoint, era.publicKey));
}

/** The key in force at this index of the meta-log, which signed the checkpoint. @throws KW_LEDGER_BROKEN */
function signerOf(keys: KeySigners, checkpoint: SignedCheckpointRow, index: number): NoteVerifier {
  const signer = keys.signersAt(index).find((key) => isSignedCheckpoint(checkpoint.note, checkpoint, key));
  return signer === undefined ? broken(checkpoint.origin) : noteVerifier(checkpoint.origin, signer);
}

interface Proved {
  readonly text: Buffer;
  readonly index: number;
  readonly checkpoint: SignedCheckpointRow;
}

async function proofOf(read: TileReader, proved: Proved): Promise<string> {
  const { text, index, checkpoint } = proved;
  const path = await rangeRootsFromTiles(read, inclusionRanges(index, checkpoint.size)).catch(
    (cause: unknown) => broken(checkpoint.origin, cause),
  );
  const root = rootFromInclusion(leafHashOfText(text), index, checkpoint.size, path);
  if (root === undefined || !root.equals(checkpoint.root)) return broken(checkpoint.origin);
  return formatProof({ extra: text, index, path, checkpoint: checkpoint.note });
}

function broken(origin: string, cause?: unknown): never {
  if (cause !== undefined && !(cause instanceof RangeError)) throw cause;
  throw new KeywitnessError(
    'KW_LEDGER_BROKEN',
    `What is stored of ${origin} does not lead to a root that this log signed, so nothing was given out. Run \`keywitness verify\`.`,
  );
}

/** The newest heartbeat leaf with the line that pins this very checkpoint; undefined when there is none. */
async function findPin(
  engine: Engine,
  { origin, size, root, made_at }: SignedCheckpointRow,
): Promise<{ readonly index: number; readonly text: Buffer } | undefined> {
  const listed = `${origin} ${size} ${root.toString('base64')}`;
  const leaves = await metaLeavesListing(engine, `\nstream ${listed}\n`, made_at);
  return leaves.findLast(({ text }) =>
    parseMeta(text)?.lines.some(([n, v]) => n === 'stream' && v === listed),
  );
}

function rawBytes(record: KwRecord): Buffer {
  return record.value ?? Buffer.alloc(0);
}
