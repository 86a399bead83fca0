import { metaTree, type StreamKey, streamKeyText } from '../core/record.ts';
import { type AnchorLine, readAnchor } from './anchors/file.ts';
import {
  type Checkpoint,
  isSignedCheckpoint,
  metaOrigin,
  parseStreamOrigin,
  streamOrigin,
} from './checkpoint.ts';
import type { LogIdentity } from './keys.ts';
import { leafHashOfText } from './leaf.ts';
import { type MetaLeaf, parseMeta } from './meta.ts';
import type { CheckpointRow, LedgerStore } from './ports.ts';
import { type ExpiredRange, parseRetention } from './retention.ts';
import { type BoundFrom, parseBinding } from './settings.ts';
import { extendEdge, type Tile, type TileEdge } from './tiles.ts';
import { appendLeaf, emptyFrontier, type Frontier, frontierRoot } from './tree.ts';

/** One tree as the ledger holds it while it runs. */
export interface LiveTree {
  readonly key: StreamKey;
  readonly origin: string;
  readonly frontier: Frontier;
  /** Its last, unfilled tiles; full ones go to the store with the next heartbeat. */
  readonly edge: TileEdge;
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
  readonly bindings: Map<string, BoundFrom>;
  /** What was lawfully dropped, by tree. */
  readonly expired: Map<string, ExpiredRange[]>;
  /** Size pinned last, by origin. */
  readonly pins: Map<string, number>;
  /** Last value of `rules`, `config`, `catalog`, … in a heartbeat. */
  readonly facts: Map<string, string>;
  last: MetaLeaf | undefined;
}

/** A checkpoint that is remembered; `isOurs` = its signature holds. */
export interface Remembered extends Checkpoint {
  readonly isOurs: boolean;
}

/**
 * The newest checkpoint of every origin that anyone remembers: the store's own table or the anchor. One that we
 * did not sign is kept as such: it may stand in front of one that we did, so nothing can be said to continue it.
 */
export async function signedBefore(
  store: LedgerStore,
  anchor: string,
  { logId, publicKey }: LogIdentity,
): Promise<Map<string, Remembered>> {
  const newest = new Map<string, Remembered>();
  const remember = ({ origin, size, root, note }: CheckpointRow | AnchorLine) => {
    // Rows of an origin that is none of ours say nothing; `verify` names them.
    if (origin !== metaOrigin(logId) && parseStreamOrigin(origin)?.logId !== logId) return;
    const known = newest.get(origin);
    // Of two of one size the anchor's counts, which comes second.
    if (known !== undefined && (size < known.size || (size === known.size && !known.isOurs))) return;
    newest.set(origin, {
      origin,
      size,
      root,
      isOurs: isSignedCheckpoint(note, { origin, size, root }, publicKey),
    });
  };
  for (const row of await store.lastCheckpoints()) remember(row);
  for await (const entry of readAnchor(anchor, logId)) if (entry.kind === 'checkpoint') remember(entry);
  return newest;
}

/** Reads the meta-log from the store; `contradicts` = it is not a continuation of what was signed. */
export async function rebuildMeta(
  store: LedgerStore,
  logId: string,
  signed: ReadonlyMap<string, Remembered>,
  tiles: TileQueue,
): Promise<MetaState & { readonly contradicts: boolean }> {
  const full = tiles.of(metaTree, await store.fullTiles(metaTree));
  const state: MetaState = {
    frontier: emptyFrontier(),
    edge: [],
    bindings: new Map(),
    expired: new Map(),
    pins: new Map(),
    facts: new Map(),
    last: undefined,
  };
  const check = continuation(signed.get(metaOrigin(logId)));
  let isInOrder = true;
  for await (const page of store.metaLeaves(0)) {
    for (const leaf of page) {
      isInOrder &&= leaf.index === state.frontier.size;
      const hash = leafHashOfText(leaf.text);
      appendLeaf(state.frontier, hash);
      extendEdge(state.edge, hash, BigInt(leaf.index), full);
      check.see(state.frontier);
      noteMeta(state, leaf.text);
    }
  }
  return { ...state, contradicts: !isInOrder || !check.holds() };
}

/** Adds what one meta leaf says to the state. */
export function noteMeta(state: MetaState, text: Buffer): void {
  const leaf = parseMeta(text);
  if (leaf === undefined) return;
  state.last = leaf;
  const binding = parseBinding(leaf);
  if (binding !== undefined) state.bindings.set(binding.tree, binding);
  const range = parseRetention(leaf);
  if (range !== undefined) state.expired.set(range.tree, [...(state.expired.get(range.tree) ?? []), range]);
  if (leaf.kind !== 'heartbeat' && leaf.kind !== 'stop') return;
  for (const [name, value] of leaf.lines) {
    const [origin, size] = value.split(' ');
    if (name === 'stream') state.pins.set(origin as string, Number(size));
    else if (name !== 'high') state.facts.set(name, value);
  }
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
    }
    tree.pinnedSize = meta.pins.get(tree.origin) ?? 0;
    // A file that was read to its end stays ended until it grows.
    const isFile = meta.bindings.get(streamKeyText(key))?.transport === 'file';
    tree.isEnded = isFile && tree.pinnedSize === tree.frontier.size;
    // After an orderly end every record is pinned: one more was slipped in, and must not be signed as ours.
    const isLonger = meta.last?.kind === 'stop' && tree.frontier.size > Math.max(0, tree.pinnedSize);
    tree.isBroken = isLonger || !check.holds();
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

/** Full tiles on their way to the store. */
export interface TileQueue {
  /** Where the full tiles of one tree go; those in `stored` are there already. */
  of(key: StreamKey, stored: ReadonlySet<string>): (tile: Tile) => void;
}

export function newTree(logId: string, { stream, partition, epoch }: StreamKey): LiveTree {
  const key = { stream, partition, epoch };
  return {
    key,
    origin: streamOrigin(logId, key),
    frontier: emptyFrontier(),
    edge: [],
    pinnedSize: 0,
    isEnded: false,
    isBroken: false,
  };
}

function continuation(signed: Remembered | undefined): { see(f: Frontier): void; holds(): boolean } {
  let met = signed === undefined || (signed.isOurs && signed.size === 0);
  return {
    see: (f) => {
      if (signed?.isOurs && f.size === signed.size) met = frontierRoot(f).equals(signed.root);
    },
    holds: () => met,
  };
}
