import { KeywitnessError } from '../core/errors.ts';
import { metaTree, type StreamKey, streamKeyText } from '../core/record.ts';
import { isSignedIfAct } from './actSignature.ts';
import { type AnchorLine, readAnchor } from './anchors/file.ts';
import { isSignedCheckpoint, metaOrigin, parseStreamOrigin, streamOrigin } from './checkpoint.ts';
import { createKeyHistory, createListedSizes, type KeyHistory, type ListedSizes } from './keyHistory.ts';
import type { LogIdentity } from './keys.ts';
import { leafHashOfText } from './leaf.ts';
import { type MetaLeaf, parseMeta } from './meta.ts';
import type { PendingTiles, TileQueue } from './pendingTiles.ts';
import type { CheckpointRow, LedgerStore, StoredLeaf } from './ports.ts';
import { type ExpiredRange, parseRetention } from './retention.ts';
import { type BoundFrom, parseBinding } from './settings.ts';
import { extendEdge, type TileEdge } from './tiles.ts';
import { appendLeaf, emptyFrontier, type Frontier, frontierRoot } from './tree.ts';

/** One tree as the ledger holds it while it runs. */
export interface LiveTree {
  readonly key: StreamKey;
  readonly origin: string;
  readonly frontier: Frontier;
  /** Its last, unfilled tiles; full ones go to the store with the next heartbeat. */
  readonly edge: TileEdge;
  /** Its last leaf. Of lawfully dropped records the offset is known of the last of each range only. */
  end: StoredLeaf | undefined;
  /** Size at the last heartbeat that named it. */
  pinnedSize: number;
  /** An ended stream (a file read to its end) is pinned once more and then never listed. */
  isEnded: boolean;
  /** Its leaves contradict a checkpoint that was signed: it is never signed again. */
  isBroken: boolean;
}

/** What the meta-log says so far. */
export interface MetaState {
  readonly frontier: Frontier;
  readonly edge: TileEdge;
  readonly keys: KeyHistory;
  readonly listed: ListedSizes;
  readonly bindings: Map<string, BoundFrom>;
  /** What was lawfully dropped, by tree. */
  readonly expired: Map<string, ExpiredRange[]>;
  /** Size pinned last, by origin. */
  readonly pins: Map<string, number>;
  /** Last value of `rules`, `config`, `catalog`, … in a heartbeat. */
  readonly facts: Map<string, string>;
  last: MetaLeaf | undefined;
}

/** What a ledger begins with. */
export interface Rebuilt {
  readonly trees: Map<string, LiveTree>;
  readonly meta: MetaState;
  readonly tiles: PendingTiles;
  /** Keys and root that the anchor knows. */
  readonly named: readonly Buffer[];
}

/** The newest size of one origin that anyone remembers: every note that claims it. */
export interface Remembered {
  readonly size: number;
  readonly notes: readonly { readonly root: Buffer; readonly note: string }[];
}

/**
 * The newest checkpoint of every origin that anyone remembers: the store's own table or the anchor. Whether we
 * signed it is said when the meta-log was read, which knows the keys. One that we did not sign is kept as such: it
 * may stand in front of one that we did, so nothing can be said to continue it. `named`: the anchor's keys and root.
 */
export async function signedBefore(
  store: LedgerStore,
  anchor: string,
  logId: string,
): Promise<{ readonly signed: Map<string, Remembered>; readonly named: readonly Buffer[] }> {
  const newest = new Map<string, Remembered>();
  const remember = ({ origin, size, root, note }: CheckpointRow | AnchorLine) => {
    // Rows of an origin that is none of ours say nothing; `verify` names them.
    if (origin !== metaOrigin(logId) && parseStreamOrigin(origin)?.logId !== logId) return;
    const known = newest.get(origin);
    if (known !== undefined && size < known.size) return;
    const others = known?.size === size ? known.notes.filter((n) => n.note !== note) : [];
    newest.set(origin, { size, notes: [...others, { root, note }] });
  };
  for (const row of await store.lastCheckpoints()) remember(row);
  const named: Buffer[] = [];
  for await (const entry of readAnchor(anchor, logId)) {
    if (entry.kind === 'checkpoint') remember(entry);
    else if (entry.kind !== 'unreadable') named.push(entry.publicKey);
  }
  return { signed: newest, named };
}

/** Reads the meta-log from the store; `contradicts` = it is not a continuation of what was signed. */
export async function rebuildMeta(
  store: LedgerStore,
  { logId, publicKey }: LogIdentity,
  signed: ReadonlyMap<string, Remembered>,
  tiles: TileQueue,
): Promise<MetaState & { readonly contradicts: boolean }> {
  const full = tiles.of(metaTree, await store.fullTiles(metaTree));
  const state: MetaState = {
    frontier: emptyFrontier(),
    edge: [],
    keys: createKeyHistory(logId, publicKey),
    listed: createListedSizes(),
    bindings: new Map(),
    expired: new Map(),
    pins: new Map(),
    facts: new Map(),
    last: undefined,
  };
  const origin = metaOrigin(logId);
  const check = continuation(signed.get(origin));
  let isWhole = true;
  for await (const page of store.metaLeaves(0)) {
    for (const leaf of page) {
      isWhole &&= leaf.index === state.frontier.size;
      const hash = leafHashOfText(leaf.text);
      appendLeaf(state.frontier, hash);
      extendEdge(state.edge, hash, BigInt(leaf.index), full);
      check.see(state.frontier);
      const isSigned = leaf.index < (signed.get(origin)?.size ?? 0);
      isWhole = noteMeta(state, leaf.index, leaf.text, isSigned ? undefined : logId) && isWhole;
    }
  }
  const isOurs = (size: number, note: string, root: Buffer) =>
    state.keys.signersAt(size - 1).some((key) => isSignedCheckpoint(note, { origin, size, root }, key));
  return { ...state, contradicts: !isWhole || !check.holds(isOurs) };
}

export function notContinued(anchorFile: string): KeywitnessError {
  return new KeywitnessError(
    'KW_LEDGER_BROKEN',
    `The meta-log in the store is not a continuation of the checkpoint signed last (see ${anchorFile}): it was ` +
      'cut, changed or rolled back. Nothing was written. Run `keywitness verify`; to go on, put back the data ' +
      'directory that belongs to the anchor, or begin a new one.',
  );
}

/**
 * Adds what one meta leaf says to the state. False when it brings a key that nobody endorsed, or when it is an act
 * that we did not write: `unsigned` = the log's id, of a leaf that stands in no signed tree yet.
 */
export function noteMeta(state: MetaState, index: number, text: Buffer, unsigned?: string): boolean {
  const leaf = parseMeta(text);
  if (leaf === undefined) return true;
  state.last = leaf;
  const isOurs =
    unsigned === undefined || isSignedIfAct({ logId: unsigned, index }, leaf, state.keys.current());
  const isEndorsed = state.keys.see(index, leaf) === undefined && isOurs;
  const binding = parseBinding(leaf);
  if (binding !== undefined) state.bindings.set(binding.tree, binding);
  const range = parseRetention(leaf);
  // The same range told again is one range.
  const known = (range && state.expired.get(range.tree)) ?? [];
  if (range !== undefined && !known.some((k) => k.from === range.from))
    state.expired.set(range.tree, [...known, range]);
  if (leaf.kind !== 'heartbeat' && leaf.kind !== 'stop') return isEndorsed;
  for (const [name, value] of leaf.lines) {
    const [origin = '', size] = value.split(' ');
    if (name === 'stream') {
      state.pins.set(origin, Number(size));
      state.listed.list(origin, Number(size), state.keys.eraAt(index));
    } else if (name !== 'high' && name !== 'clock') state.facts.set(name, value);
  }
  return isEndorsed;
}

/** Reads every tree's leaves from the store and holds it against the newest signed checkpoint. */
export async function rebuildTrees(
  store: LedgerStore,
  logId: string,
  signed: ReadonlyMap<string, Remembered>,
  meta: MetaState,
  tiles: TileQueue,
): Promise<Map<string, LiveTree>> {
  const trees = new Map<string, LiveTree>();
  for (const key of await treesOf(store, logId, signed, meta)) {
    const tree = newTree(logId, key);
    const check = continuation(signed.get(tree.origin));
    const full = tiles.of(key, await store.fullTiles(key));
    for await (const page of store.leaves(key, meta.expired.get(streamKeyText(key)) ?? [])) {
      for (const { offset, leaf } of page) {
        appendLeaf(tree.frontier, leaf);
        extendEdge(tree.edge, leaf, offset, full);
        check.see(tree.frontier);
      }
      tree.end = page.at(-1) ?? tree.end;
    }
    tree.pinnedSize = meta.pins.get(tree.origin) ?? 0;
    // A file that was read to its end stays ended until it grows.
    const isFile = meta.bindings.get(streamKeyText(key))?.transport === 'file';
    tree.isEnded = isFile && tree.pinnedSize === tree.frontier.size;
    // After an orderly end every record is pinned: one more was slipped in, and must not be signed as ours.
    const isLonger = meta.last?.kind === 'stop' && tree.frontier.size > Math.max(0, tree.pinnedSize);
    const isOurs = (size: number, note: string, root: Buffer) =>
      meta.keys.eras().some(({ publicKey }, era) => {
        const isItsOwn = meta.listed.allows(tree.origin, size, era);
        return isItsOwn && isSignedCheckpoint(note, { origin: tree.origin, size, root }, publicKey);
      });
    tree.isBroken = isLonger || !check.holds(isOurs);
    trees.set(streamKeyText(key), tree);
  }
  for (const origin of signed.keys()) {
    const key = parseStreamOrigin(origin);
    if (key === undefined || key.logId !== logId || trees.has(streamKeyText(key))) continue;
    // Signed once, and no record is left: the tree must not begin again from nothing.
    trees.set(streamKeyText(key), { ...newTree(logId, key), isBroken: true });
  }
  return trees;
}

/** Trees that have records, and those whose records were all lawfully dropped. */
async function treesOf(
  store: LedgerStore,
  logId: string,
  signed: ReadonlyMap<string, Remembered>,
  { expired }: MetaState,
): Promise<readonly StreamKey[]> {
  const stored = await store.trees();
  const known = new Set(stored.map(streamKeyText));
  const dropped = [...signed.keys()].flatMap((origin) => {
    const key = parseStreamOrigin(origin);
    const isDropped = key?.logId === logId && expired.has(streamKeyText(key));
    return isDropped && !known.has(streamKeyText(key)) ? [key] : [];
  });
  return [...stored, ...dropped];
}

export function newTree(logId: string, { stream, partition, epoch }: StreamKey): LiveTree {
  const key = { stream, partition, epoch };
  return {
    key,
    origin: streamOrigin(logId, key),
    frontier: emptyFrontier(),
    edge: [],
    end: undefined,
    pinnedSize: 0,
    isEnded: false,
    isBroken: false,
  };
}

/** Is a growing tree what was signed of it? `isOurs`: the key in force there signed this. */
function continuation(signed: Remembered | undefined) {
  const notes = signed?.notes ?? [];
  let root = signed?.size === 0 ? frontierRoot(emptyFrontier()) : undefined;
  return {
    see(f: Frontier): void {
      if (f.size === signed?.size) root = frontierRoot(f);
    },
    holds: (isOurs: (size: number, note: string, root: Buffer) => boolean): boolean =>
      notes.every((n) => root?.equals(n.root) === true && isOurs(signed?.size ?? 0, n.note, n.root)),
  };
}
