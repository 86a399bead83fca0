import { KeywitnessError } from '../../core/errors.ts';
import { type EventRef, eventRefText, type KwRecord, streamKeyText } from '../../core/record.ts';
import { hasDerivedRow, leafIndex } from '../../store/auditRows.ts';
import type { Engine } from '../../store/client.ts';
import {
  leavesOf,
  metaLeavesFrom,
  openLedgerStore,
  type SignedCheckpointRow,
} from '../../store/ledgerStore.ts';
import { recordAt } from '../../store/positions.ts';
import { isSignedCheckpoint, metaOrigin, streamOrigin } from '../checkpoint.ts';
import type { LogIdentity } from '../keys.ts';
import { leafHashOfText, leafText, type Transport } from '../leaf.ts';
import { parseMeta } from '../meta.ts';
import { noteVerifier } from '../note.ts';
import { formatProof } from '../proof.ts';
import { parseBinding } from '../settings.ts';
import { inclusionRanges, rangeRoots, rootFromInclusion } from '../tree.ts';
import { transportOf } from './tree.ts';

/** A proof folder: names and contents (docs/ledger.md, "The proof folder"). */
export type ProofFolder = ReadonlyMap<string, Buffer>;

/**
 * Proves one event to a stranger: its bytes, its leaf in the stream's signed tree, and the heartbeat leaf that
 * pins that tree in the signed meta-log. Signs nothing new. @throws KW_EVENT_UNKNOWN, KW_LEDGER_BROKEN
 */
export async function proveEvent(engine: Engine, identity: LogIdentity, ref: EventRef): Promise<ProofFolder> {
  const stored = await recordAt(engine, ref, ref.offset);
  if (stored === undefined || !(await hasDerivedRow(engine, ref))) {
    throw new KeywitnessError('KW_EVENT_UNKNOWN', `${eventRefText(ref)} names no event.`);
  }
  const origin = streamOrigin(identity.logId, ref);
  const newest = new Map((await openLedgerStore(engine).lastCheckpoints()).map((c) => [c.origin, c]));
  const checkpoint = newest.get(origin);
  const meta = newest.get(metaOrigin(identity.logId));
  const index = await leafIndex(engine, ref);
  if (checkpoint === undefined || meta === undefined || index >= checkpoint.size) {
    throw new KeywitnessError(
      'KW_EVENT_UNKNOWN',
      `${eventRefText(ref)} is stored and not signed yet: the next heartbeat or orderly end signs it. Run this again then.`,
    );
  }
  for (const c of [checkpoint, meta])
    if (!isSignedCheckpoint(c.note, c, identity.publicKey)) broken(c.origin);
  const pinned = await findPin(engine, ref, checkpoint);
  const text = leafText(stored.record, pinned.transport ?? transportOf(stored, []));
  const event = await proofOf(leafPages(leavesOf(engine, ref)), { text, index, checkpoint });
  const metaText = pinned.text;
  const metaProof = await proofOf(metaHashes(engine), {
    text: metaText,
    index: pinned.index,
    checkpoint: meta,
  });
  const keys = [origin, meta.origin]
    .map((name) => `${noteVerifier(name, identity.publicKey).vkey}\n`)
    .join('');
  return new Map([
    ['event.raw', rawBytes(stored.record)],
    ['keys.txt', Buffer.from(keys)],
    ['event.tlog-proof', Buffer.from(event)],
    ['meta.tlog-proof', Buffer.from(metaProof)],
  ]);
}

/** The newest signed checkpoint of the meta-log; undefined before the first. @throws KW_LEDGER_BROKEN */
export async function newestCheckpoint(engine: Engine, identity: LogIdentity): Promise<string | undefined> {
  const origin = metaOrigin(identity.logId);
  const newest = (await openLedgerStore(engine).lastCheckpoints()).find((c) => c.origin === origin);
  if (newest !== undefined && !isSignedCheckpoint(newest.note, newest, identity.publicKey)) broken(origin);
  return newest?.note;
}

interface Proved {
  readonly text: Buffer;
  readonly index: number;
  readonly checkpoint: SignedCheckpointRow;
}

async function proofOf(leaves: AsyncIterable<Buffer>, proved: Proved): Promise<string> {
  const { text, index, checkpoint } = proved;
  const path = await rangeRoots(leaves, inclusionRanges(index, checkpoint.size)).catch((cause: unknown) =>
    broken(checkpoint.origin, cause),
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

interface Pinned {
  readonly index: number;
  readonly text: Buffer;
  readonly transport: Transport | undefined;
}

/** The heartbeat leaf with the line that pins this very checkpoint. */
async function findPin(engine: Engine, ref: EventRef, checkpoint: SignedCheckpointRow): Promise<Pinned> {
  const wanted = `${checkpoint.origin} ${checkpoint.size} ${checkpoint.root.toString('base64')}`;
  let transport: Transport | undefined;
  let found: { index: number; text: Buffer } | undefined;
  for await (const page of metaLeavesFrom(engine, 0)) {
    for (const { index, text } of page) {
      const leaf = parseMeta(text);
      if (leaf === undefined) continue;
      const binding = parseBinding(leaf);
      if (binding?.tree === streamKeyText(ref)) transport = binding.transport;
      if (leaf.lines.some(([name, value]) => name === 'stream' && value === wanted)) found = { index, text };
    }
  }
  return found === undefined ? broken(checkpoint.origin) : { ...found, transport };
}

async function* leafPages(pages: AsyncIterable<readonly Buffer[]>): AsyncGenerator<Buffer> {
  for await (const page of pages) yield* page;
}

async function* metaHashes(engine: Engine): AsyncGenerator<Buffer> {
  for await (const page of metaLeavesFrom(engine, 0)) {
    for (const { text } of page) yield leafHashOfText(text);
  }
}

function rawBytes(record: KwRecord): Buffer {
  return record.value ?? Buffer.alloc(0);
}
