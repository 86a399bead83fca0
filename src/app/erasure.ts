import { KeywitnessError } from '../core/errors.ts';
import { type EventRef, streamKeyText } from '../core/record.ts';
import { readErasures, whyGone } from '../ledger/audit/lawfulLeaves.ts';
import { type ErasedRecord, erasureLines } from '../ledger/erasure.ts';
import type { Engine } from '../store/client.ts';
import {
  alertsQuoting,
  deleteAlerts,
  deleteDerived,
  emptyRecords,
  type RecordPlace,
  rowsLeft,
  sweepOldParts,
} from '../store/erasureStore.ts';
import { heldAmong, underivedAmong } from '../store/holdStore.ts';
import { recordAt } from '../store/positions.ts';
import { erasedSeal } from '../store/recordPages.ts';
import { leavesBefore } from '../store/tileStore.ts';
import { type Copy, copiesOf, removeMessages } from './copies.ts';
import { heldScope } from './hold.ts';
import { readHolds, requireOneLeaf } from './lawful.ts';
import { leafCheck } from './rangeLeaves.ts';
import { type RetentionParts, requireTwoApprovers } from './retention.ts';

export interface ErasureOrder {
  readonly records: readonly RecordPlace[];
  /** On what ground, in words. */
  readonly basis: string;
  /** Two people. */
  readonly approvers: readonly string[];
  /** The account that runs the command. */
  readonly by: string;
  readonly dataDir: string;
}

interface Erased extends RecordPlace {
  readonly index: number;
  readonly leaf: Buffer;
  /** The bytes were gone before. */
  readonly isOld: boolean;
}

export interface ErasureDone {
  readonly records: readonly Erased[];
  /** Ids of the alerts that quoted them: gone too. */
  readonly alerts: readonly string[];
  /** Files of the outbox that were removed. */
  readonly messages: readonly string[];
  /** What still says it, out of reach. */
  readonly copies: readonly Copy[];
}

/**
 * Erases records: their bytes, what was derived from them, the alerts that quote them and the messages in the
 * outbox. The leaf stays, and a signed leaf of the meta-log says why. All or nothing; a run that was interrupted is
 * finished by the same command again. @throws KW_USAGE, KW_EVENT_UNKNOWN, KW_EVENT_GONE, KW_HELD, KW_RETENTION
 */
export async function eraseRecords(parts: RetentionParts, order: ErasureOrder): Promise<ErasureDone> {
  requireTwoApprovers(order.approvers);
  const { engine, ledger } = parts;
  const erasures = new Map((await readErasures(engine)).map((e) => [`${e.tree}/${e.offset}`, e]));
  const found: Found[] = [];
  for (const place of order.records) {
    found.push(await find(parts, place, erasures.get(`${streamKeyText(place)}/${place.offset}`)));
  }
  await requireNotHeld(parts, found);
  for (const record of found) requireOneLeaf('erasure', linesOf(record, order));
  const copies = await copiesOf(engine, order);
  const going = found.filter((r) => !r.isOld);
  await parts.begin();
  for (const record of going) {
    if (!record.isSaid) await ledger.record('erasure', linesOf(record, order));
  }
  await ledger.heartbeat();
  // What quotes a record is found through its events: those go after it, and the record itself last.
  const alerts = await alertsQuoting(engine, order.records);
  const { files, sent } = await removeMessages(engine, order.dataDir, alerts);
  await deleteAlerts(engine, alerts);
  await deleteDerived(engine, order.records);
  await emptyRecords(engine, going, erasedSeal);
  await requireGone(parts, order.records);
  return { records: found, alerts, messages: files, copies: [...copies, ...sent] };
}

interface Found extends Erased {
  /** A leaf of the meta-log says so already. */
  readonly isSaid: boolean;
}

function linesOf(record: Found, { basis, approvers, by }: ErasureOrder) {
  return erasureLines(record, { ...record, basis, approvers }, by);
}

async function find(
  { engine, ledger }: RetentionParts,
  place: RecordPlace,
  said: ErasedRecord | undefined,
): Promise<Found> {
  const name = `${streamKeyText(place)}/${place.offset}`;
  const stored = await recordAt(engine, place, place.offset);
  if (stored === undefined) throw await missing(engine, place);
  const tree = streamKeyText(place);
  const isSaid = said?.leaf.equals(stored.leaf) === true;
  const isOld = stored.sealed === erasedSeal;
  const isWhole = leafCheck(ledger, place, isOld && said !== undefined ? [said] : [])(stored);
  if (!isWhole || ledger.broken().some((t) => streamKeyText(t) === tree)) {
    throw new KeywitnessError(
      'KW_RETENTION',
      `${name} is not what its leaf says, or its stream contradicts what was signed. Nothing was erased: that would destroy the evidence of it. Run \`keywitness verify\`.`,
    );
  }
  const { stream, partition, epoch, offset } = place;
  const index = said?.index ?? (await leavesBefore(engine, place, offset));
  return { stream, partition, epoch, offset, index, leaf: stored.leaf, isSaid, isOld };
}

async function missing(engine: Engine, place: RecordPlace): Promise<KeywitnessError> {
  const why = await whyGone(engine, { ...place, idx: 0 });
  return why === undefined
    ? new KeywitnessError(
        'KW_EVENT_UNKNOWN',
        `${streamKeyText(place)}/${place.offset} names no record. Nothing was erased.`,
      )
    : new KeywitnessError('KW_EVENT_GONE', `${why} Nothing was erased.`);
}

async function requireNotHeld({ engine }: RetentionParts, records: readonly Found[]): Promise<void> {
  // An erasure that was cut short has taken rows with it.
  const untouched = records.filter((r) => !r.isSaid);
  for (const hold of await readHolds(engine)) {
    const scope = heldScope(hold.scope);
    const held = (await heldAmong(engine, scope, records)) + (await underivedAmong(engine, scope, untouched));
    if (held === 0) continue;
    throw new KeywitnessError(
      'KW_HELD',
      `${hold.id} (${hold.by}: ${hold.reason}) covers ${held} of these ${records.length} records. Nothing was erased.`,
    );
  }
}

/** Read back: nothing of them may be left, not even in parts that a merge replaced. */
async function requireGone({ engine }: RetentionParts, records: readonly RecordPlace[]): Promise<void> {
  const rows = await rowsLeft(engine, records);
  const parts = await sweepOldParts(engine);
  if (rows === 0 && parts.length === 0) return;
  const what =
    rows > 0 ? `${rows} rows still say something` : `old parts are still on disk (${parts.join(', ')})`;
  throw new KeywitnessError('KW_STORE', `The records are erased, but ${what}. Run the same command again.`);
}

/** `EVENT` names a part of a record; what is erased is the record with all of its parts. */
export function recordsOf(refs: readonly EventRef[]): RecordPlace[] {
  const places = new Map<string, RecordPlace>();
  for (const { stream, partition, epoch, offset } of refs) {
    places.set(`${stream}/${partition}/${epoch}/${offset}`, { stream, partition, epoch, offset });
  }
  return [...places.values()];
}
