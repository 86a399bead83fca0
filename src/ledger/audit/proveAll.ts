import { KeywitnessError } from '../../core/errors.ts';
import { type StreamKey, streamKeyText } from '../../core/record.ts';
import type { Engine } from '../../store/client.ts';
import { checkpointOf, metaLeavesFrom, newestCheckpoint, openLedgerStore } from '../../store/ledgerStore.ts';
import type { StoredRecord } from '../../store/positions.ts';
import { erasedSeal, recordPages } from '../../store/recordPages.ts';
import { type BundleEntry, writeBundleKeys, writeBundleTree } from '../bundle.ts';
import { type Checkpoint, metaOrigin, parseCheckpoint, parseStreamOrigin } from '../checkpoint.ts';
import { createKeyHistory, type KeyHistory } from '../keyHistory.ts';
import type { LogIdentity } from '../keys.ts';
import { leafHashOfText, leafText, type Transport } from '../leaf.ts';
import { listedStreams, type MetaLeaf, parseMeta } from '../meta.ts';
import { noteVerifier } from '../note.ts';
import type { StoredLeaf } from '../ports.ts';
import { type ExpiredRange, parseRetention } from '../retention.ts';
import { parseBinding } from '../settings.ts';
import { transportOf } from './tree.ts';

/** How often the progress is told. */
const progressLeaves = 4_096;

export interface WrittenBundle {
  readonly trees: number;
  readonly leaves: number;
}

/**
 * Writes the whole log as files that a stranger verifies without us (docs/ledger.md, "The bundle"): every tree as the
 * newest signed meta checkpoint pins it. Signs nothing new; memory is that of a page.
 * @throws KW_DATA_MISSING before the first checkpoint, KW_LEDGER_BROKEN when the store does not lead to what was signed
 */
export async function proveAll(
  engine: Engine,
  identity: LogIdentity,
  folder: string,
  onLeaves: (done: number, total: number) => void,
): Promise<WrittenBundle> {
  const meta = await newestCheckpoint(engine, metaOrigin(identity.logId));
  if (meta === undefined) {
    throw new KeywitnessError(
      'KW_DATA_MISSING',
      'The log holds no signed checkpoint yet: there is nothing to prove.',
    );
  }
  const said = await readMeta(engine, identity, meta.size);
  const vkeys = new Set<string>();
  const sign = ({ origin }: Checkpoint, index: number) => {
    for (const key of said.keys.signersAt(index)) vkeys.add(noteVerifier(origin, key).vkey);
  };
  sign(meta, meta.size - 1);
  for (const pin of said.pins.values()) sign(pin, pin.index);
  writeBundleKeys(folder, [...vkeys]);
  const total = [...said.pins.values()].reduce((sum, pin) => sum + pin.size, meta.size);
  let leaves = 0;
  async function* counted(entries: AsyncIterable<BundleEntry>): AsyncGenerator<BundleEntry> {
    for await (const entry of entries) {
      leaves += 1;
      if (leaves % progressLeaves === 0) onLeaves(leaves, total);
      yield entry;
    }
  }
  const entries = counted(metaEntries(engine, meta.size));
  await writeBundleTree(folder, { checkpoint: meta, note: meta.note, entries });
  for (const pin of said.pins.values()) {
    const checkpoint = await checkpointOf(engine, pin);
    if (checkpoint === undefined) throw unsigned(pin);
    const key = parseStreamOrigin(pin.origin) as StreamKey;
    const tree = streamKeyText(key);
    const read = { transport: said.transports.get(tree), expired: said.expired.get(tree) ?? [] };
    const entries = counted(streamEntries(engine, key, pin.size, read));
    await writeBundleTree(folder, { checkpoint, note: checkpoint.note, entries });
  }
  return { trees: said.pins.size + 1, leaves };
}

/** What the meta-log says up to a size: the newest pin of each stream, how it is read, what expired, whose keys. */
interface MetaSaid {
  readonly pins: Map<string, Checkpoint & { readonly index: number }>;
  readonly transports: Map<string, Transport>;
  readonly expired: Map<string, ExpiredRange[]>;
  readonly keys: KeyHistory;
}

async function readMeta(engine: Engine, identity: LogIdentity, size: number): Promise<MetaSaid> {
  const said: MetaSaid = {
    pins: new Map(),
    transports: new Map(),
    expired: new Map(),
    keys: createKeyHistory(identity.logId, identity.publicKey),
  };
  for await (const page of metaLeavesFrom(engine, 0)) {
    for (const { index, text } of page) {
      const leaf = parseMeta(text);
      if (leaf !== undefined && index < size) noteSaid(said, index, leaf);
    }
  }
  return said;
}

function noteSaid({ pins, transports, expired, keys }: MetaSaid, index: number, leaf: MetaLeaf): void {
  keys.see(index, leaf);
  for (const value of listedStreams(leaf)) {
    const pin = parseCheckpoint(`${value.replaceAll(' ', '\n')}\n`);
    if (pin !== undefined && parseStreamOrigin(pin.origin) !== undefined)
      pins.set(pin.origin, { ...pin, index });
  }
  const binding = parseBinding(leaf);
  if (binding !== undefined) transports.set(binding.tree, binding.transport);
  const range = parseRetention(leaf);
  if (range !== undefined) expired.set(range.tree, [...(expired.get(range.tree) ?? []), range]);
}

function unsigned({ origin, size }: Checkpoint): KeywitnessError {
  return new KeywitnessError(
    'KW_LEDGER_BROKEN',
    `The store holds no signed checkpoint of ${origin} at ${size}, which the meta-log pins: the bundle is not whole. Run \`keywitness verify\`.`,
  );
}

async function* metaEntries(engine: Engine, size: number): AsyncGenerator<BundleEntry> {
  let left = size;
  for await (const page of metaLeavesFrom(engine, 0)) {
    for (const { text } of page) {
      if (left === 0) return;
      left -= 1;
      yield { leaf: leafHashOfText(text), text };
    }
  }
}

/** Each leaf with its record, where there still is one: of what expired the tiles keep the hash alone. */
async function* streamEntries(
  engine: Engine,
  key: StreamKey,
  size: number,
  read: { readonly transport: Transport | undefined; readonly expired: readonly ExpiredRange[] },
): AsyncGenerator<BundleEntry> {
  const records = singles(recordPages(engine, key));
  let next = await records.next();
  const first = next.done === true ? undefined : next.value;
  const transport = read.transport ?? transportOf(first, []);
  let left = size;
  for await (const page of openLedgerStore(engine).leaves(key, read.expired)) {
    for (const leaf of page) {
      if (left === 0) return;
      left -= 1;
      const stored = next.done === true || !isLeafOf(next.value, leaf) ? undefined : next.value;
      if (stored !== undefined) next = await records.next();
      yield stored === undefined || stored.sealed === erasedSeal
        ? { leaf: leaf.leaf }
        : { leaf: leaf.leaf, text: leafText(stored.record, transport), raw: stored.record.value };
    }
  }
}

function isLeafOf({ record, leaf }: StoredRecord, at: StoredLeaf): boolean {
  return record.offset === at.offset && leaf.equals(at.leaf);
}

async function* singles<T>(pages: AsyncIterable<readonly T[]>): AsyncGenerator<T> {
  for await (const page of pages) yield* page;
}
