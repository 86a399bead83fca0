import { type KwRecord, type StreamKey, streamKeyText } from '../../core/record.ts';
import type { StoredRecord } from '../../store/positions.ts';
import { canName, leafHasher, type Transport, transports } from '../leaf.ts';
import type { BoundFrom } from '../settings.ts';
import { appendLeaf, copyFrontier, emptyFrontier, type Frontier, frontierRoot } from '../tree.ts';
import type { Finding } from './findings.ts';
import { isMet, type Pin, pinWalk } from './pins.ts';
import { addLeaf, addToSegment, isReordered, judgeSegment, newSegment, type Segment } from './segment.ts';

/** Derives one tree again from the bytes, record by record, and holds it against every pin. */
export interface TreeAudit {
  /** Returns false when the stored leaf is not that of the stored row. */
  add(stored: StoredRecord): boolean;
  /** `isStopped`: the log ended in order, so that whatever nobody signed came afterwards. */
  end(isStopped: boolean): { findings: Finding[]; root: Buffer; stored: number; pinned: number };
}

interface State {
  readonly tree: string;
  readonly transport: Transport;
  /** Over the leaves as stored. */
  frontier: Frontier;
  /** Over the leaves as derived, from the first that differs. */
  derived: Frontier | undefined;
  segment: Segment;
  previous: KwRecord | undefined;
  broken: { segment: Segment; pin: Pin } | undefined;
  isResigned: boolean;
  readonly findings: Finding[];
}

export function createTreeAudit(key: StreamKey, transport: Transport, pins: readonly Pin[]): TreeAudit {
  const state: State = {
    tree: streamKeyText(key),
    transport,
    frontier: emptyFrontier(),
    derived: undefined,
    segment: newSegment(emptyFrontier(), undefined),
    previous: undefined,
    broken: undefined,
    isResigned: false,
    findings: [],
  };
  const hasher = leafHasher(key, transport);
  const pinAt = pinWalk(pins);
  const pinned = pins.at(-1)?.size ?? 0;
  return {
    add({ record, leaf, isAsWritten }) {
      const derived = hasher(record);
      const isSame = derived.equals(leaf) && isAsWritten;
      if (!isSame) state.derived ??= copyFrontier(state.frontier);
      if (state.segment.firstOffset === undefined) {
        state.segment = newSegment(state.frontier, record.offset);
      }
      addToSegment(state.segment, { record, leaf }, state.previous, !isSame, transport);
      if (state.broken !== undefined) addOneMore(state.broken, record.offset, leaf);
      appendLeaf(state.frontier, leaf);
      if (state.derived !== undefined) appendLeaf(state.derived, derived);
      const pin = pinAt(state.frontier);
      if (pin !== undefined) meetPin(state, pin);
      state.previous = record;
      return isSame;
    },
    end: (isStopped) => {
      endTree(state, pins, pinned, isStopped);
      const stored = state.frontier.size;
      return { findings: state.findings, root: frontierRoot(state.frontier), stored, pinned };
    },
  };
}

function meetPin(state: State, pin: Pin): void {
  if (isMet(pin, state.frontier)) {
    if (pin.conflict !== undefined && state.broken === undefined) reportFork(state, pin);
    if (state.broken !== undefined) state.isResigned = true;
    else reportBytes(state);
  } else if (state.derived !== undefined && isMet(pin, state.derived) && state.broken === undefined) {
    for (const { record } of state.segment.mismatches) {
      const detail = 'the bytes are those that were signed, the leaf column is not';
      state.findings.push({ class: 'leaf-modified', tree: state.tree, offset: record.offset, detail });
    }
    state.frontier = state.derived;
  } else {
    state.broken ??= { segment: state.segment, pin };
    // The store signs what stands in it, but whoever is outside remembers another root of that size.
    if (pin.conflict?.equals(frontierRoot(state.frontier))) state.isResigned = true;
  }
  state.derived = undefined;
  state.segment = newSegment(state.frontier, undefined);
}

/** What is stored is one of two histories that claim this size. */
function reportFork({ findings, tree, segment }: State, pin: Pin): void {
  const detail = `two different roots are remembered for ${pin.size} records: somebody else signs with this key, or wrote a false pin`;
  findings.push({
    class: 'rewritten',
    tree,
    detail,
    ...(segment.lastOffset === undefined ? {} : { offset: segment.lastOffset }),
  });
}

function addOneMore({ segment, pin }: { segment: Segment; pin: Pin }, offset: bigint, leaf: Buffer): void {
  if (segment.leaves?.length === pin.size - segment.start.size) addLeaf(segment, offset, leaf);
}

/** The leaves are those that were signed: where the bytes do not give them, the bytes were changed. */
function reportBytes(state: State): void {
  const suspects = state.segment.mismatches;
  if (suspects.length === 0) return;
  const isSwap = isReordered(suspects, state.transport);
  for (const { record } of suspects) {
    state.findings.push({
      class: isSwap ? 'reordered' : 'modified',
      tree: state.tree,
      offset: record.offset,
      detail: isSwap ? 'records stand in one another’s place' : 'the bytes are not those that were signed',
    });
  }
}

function endTree(state: State, pins: readonly Pin[], pinned: number, isStopped: boolean): void {
  const { broken, segment, frontier } = state;
  const common = { stored: frontier.size, pinnedMax: pinned, isResigned: state.isResigned };
  if (broken !== undefined) {
    state.findings.push(judgeSegment(state.tree, state.transport, { ...broken, ...common, isReached: true }));
    return;
  }
  const unreached = pins.find((p) => p.size > frontier.size);
  if (unreached !== undefined) {
    // Cut right after a checkpoint: the last record left stands before it.
    segment.lastOffset ??= state.previous?.offset;
    state.findings.push(
      judgeSegment(state.tree, state.transport, { segment, pin: unreached, ...common, isReached: false }),
    );
    return;
  }
  // After the newest pin: nothing is signed, but a leaf must still be that of its bytes.
  reportBytes(state);
  if (isStopped && segment.firstOffset !== undefined) {
    const detail = 'records stand after the last one that was signed when the log was closed in order';
    state.findings.push({ class: 'inserted', tree: state.tree, offset: segment.firstOffset, detail });
  } else if (segment.doubles[0] !== undefined) {
    const detail = 'a record stands where another one is, after the newest checkpoint';
    state.findings.push({ class: 'inserted', tree: state.tree, offset: segment.doubles[0], detail });
  }
}

/** How a tree's records arrived when no `settings` leaf says so: the leaf itself names the cluster. */
export function transportOf(first: StoredRecord | undefined, bindings: readonly BoundFrom[]): Transport {
  const bound = bindings[0]?.transport;
  if (bound !== undefined) return bound;
  if (first === undefined) return 'file';
  const { record, leaf } = first;
  const fits = (t: Transport) => canName(record.stream, t) && leafHasher(record, t)(record).equals(leaf);
  return transports.find(fits) ?? 'file';
}
