import { type StreamKey, streamKeyText } from '../core/record.ts';
import { readAnchor } from './anchor.ts';
import { type Checkpoint, metaOrigin, parseStreamOrigin, streamOrigin } from './checkpoint.ts';
import { leafHashOfText } from './leaf.ts';
import { type MetaLeaf, parseMeta } from './meta.ts';
import type { LedgerStore } from './ports.ts';
import { type BoundFrom, parseBinding } from './settings.ts';
import { appendLeaf, emptyFrontier, type Frontier, frontierRoot } from './tree.ts';

/** One tree as the ledger holds it while it runs. */
export interface LiveTree {
  readonly key: StreamKey;
  readonly origin: string;
  readonly frontier: Frontier;
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
  readonly bindings: Map<string, BoundFrom>;
  /** Size pinned last, by origin. */
  readonly pins: Map<string, number>;
  /** Last value of `rules`, `config`, `catalog`, … in a heartbeat. */
  readonly facts: Map<string, string>;
  last: MetaLeaf | undefined;
}

/** The newest checkpoint of every origin that anyone remembers: the store's own table or the anchor. */
export async function signedBefore(
  store: LedgerStore,
  anchor: string,
  logId: string,
): Promise<Map<string, Checkpoint>> {
  const newest = new Map<string, Checkpoint>();
  const remember = (c: Checkpoint) => {
    const known = newest.get(c.origin);
    if (known === undefined || c.size > known.size) newest.set(c.origin, c);
  };
  for (const row of await store.lastCheckpoints()) remember(row);
  for await (const entry of readAnchor(anchor, logId)) {
    if (entry.kind === 'checkpoint') remember({ origin: entry.origin, size: entry.size, root: entry.root });
  }
  return newest;
}

/** Reads the meta-log from the store; `contradicts` = it is not a continuation of what was signed. */
export async function rebuildMeta(
  store: LedgerStore,
  logId: string,
  signed: ReadonlyMap<string, Checkpoint>,
): Promise<MetaState & { readonly contradicts: boolean }> {
  const state: MetaState = {
    frontier: emptyFrontier(),
    bindings: new Map(),
    pins: new Map(),
    facts: new Map(),
    last: undefined,
  };
  const check = continuation(signed.get(metaOrigin(logId)));
  for await (const page of store.metaLeaves(0)) {
    for (const leaf of page) {
      appendLeaf(state.frontier, leafHashOfText(leaf.text));
      check.see(state.frontier);
      noteMeta(state, leaf.text);
    }
  }
  return { ...state, contradicts: !check.holds() };
}

/** Adds what one meta leaf says to the state. */
export function noteMeta(state: MetaState, text: Buffer): void {
  const leaf = parseMeta(text);
  if (leaf === undefined) return;
  state.last = leaf;
  const binding = parseBinding(leaf);
  if (binding !== undefined) state.bindings.set(binding.tree, binding);
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
  signed: ReadonlyMap<string, Checkpoint>,
  meta: MetaState,
): Promise<Map<string, LiveTree>> {
  const trees = new Map<string, LiveTree>();
  for (const key of await store.trees()) {
    const tree = newTree(logId, key);
    const check = continuation(signed.get(tree.origin));
    for await (const page of store.leaves(key)) {
      for (const leaf of page) {
        appendLeaf(tree.frontier, leaf);
        check.see(tree.frontier);
      }
    }
    tree.pinnedSize = meta.pins.get(tree.origin) ?? 0;
    // A file that was read to its end stays ended until it grows.
    const isFile = meta.bindings.get(streamKeyText(key))?.transport === 'file';
    tree.isEnded = isFile && tree.pinnedSize === tree.frontier.size;
    tree.isBroken = !check.holds();
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

export function newTree(logId: string, { stream, partition, epoch }: StreamKey): LiveTree {
  const key = { stream, partition, epoch };
  return {
    key,
    origin: streamOrigin(logId, key),
    frontier: emptyFrontier(),
    pinnedSize: 0,
    isEnded: false,
    isBroken: false,
  };
}

function continuation(signed: Checkpoint | undefined): { see(f: Frontier): void; holds(): boolean } {
  let met = signed === undefined || signed.size === 0;
  return {
    see: (f) => {
      if (signed !== undefined && f.size === signed.size) met = frontierRoot(f).equals(signed.root);
    },
    holds: () => met,
  };
}
