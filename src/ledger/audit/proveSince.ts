import { KeywitnessError } from '../../core/errors.ts';
import { metaTree, type StreamKey } from '../../core/record.ts';
import type { Engine } from '../../store/client.ts';
import { newestCheckpoint } from '../../store/ledgerStore.ts';
import { readTiles } from '../../store/tileStore.ts';
import { metaOrigin, parseCheckpoint, parseStreamOrigin } from '../checkpoint.ts';
import { consistencyFromTiles, isConsistent } from '../consistency.ts';
import type { LogIdentity } from '../keys.ts';
import { splitNote } from '../note.ts';
import { addCheckpointText } from '../witness/request.ts';

/**
 * From a kept checkpoint to the newest one of its tree, as the body of a C2SP tlog-witness `add-checkpoint` request:
 * `old SIZE`, the consistency proof, a blank line, the newest signed checkpoint. Signs nothing new.
 * @throws KW_USAGE when the note is no checkpoint of this log, KW_LEDGER_BROKEN when this log does not continue it
 */
export async function proveSince(engine: Engine, identity: LogIdentity, note: string): Promise<string> {
  const kept = parseCheckpoint(splitNote(note)?.text ?? '');
  const stream = kept && parseStreamOrigin(kept.origin);
  const isOurs = stream?.logId === identity.logId || kept?.origin === metaOrigin(identity.logId);
  if (kept === undefined || !isOurs) {
    throw new KeywitnessError('KW_USAGE', `The note is no checkpoint of this log (${identity.logId}).`);
  }
  const newest = await newestCheckpoint(engine, kept.origin);
  if (newest === undefined || newest.size < kept.size) {
    throw notContinued(`it has ${kept.size} leaves, and the newest checkpoint here ${newest?.size ?? 0}`);
  }
  const proof =
    kept.size === 0 ? [] : await consistencyProof(engine, stream ?? metaTree, kept.size, newest.size);
  if (kept.size > 0 && !isConsistent(kept.size, kept.root, newest.size, newest.root, proof)) {
    throw notContinued('no proof leads from its root to the newest one');
  }
  return addCheckpointText({ oldSize: kept.size, proof, note: newest.note });
}

/** A consistency proof of a tree, from the store's tiles. @throws KW_LEDGER_BROKEN when these are not whole */
export function consistencyProof(
  engine: Engine,
  key: StreamKey,
  from: number,
  size: number,
): Promise<Buffer[]> {
  return consistencyFromTiles((at) => readTiles(engine, key, at), from, size);
}

function notContinued(why: string): KeywitnessError {
  return new KeywitnessError(
    'KW_LEDGER_BROKEN',
    `This log is not a continuation of the kept checkpoint: ${why}. Nothing was given out. Run \`keywitness verify --since\` with it.`,
  );
}
