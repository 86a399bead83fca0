import type { StoredRecord } from '../../store/positions.ts';
import { canName, leafHasher, type Transport, transports } from '../leaf.ts';
import type { BoundFrom } from '../settings.ts';
import { appendLeaf, copyFrontier, frontierRoot } from '../tree.ts';
import type { Finding } from './findings.ts';
import { investigate, nameRewriting } from './investigate.ts';
import { metRoot, type Pin, pinWalk } from './pins.ts';
import { expectedBehind, type Place, placeBehind, type TreeRow } from './rows.ts';
import { type ExpectedTile, tileGrowth } from './tiles.ts';
import {
  closeSegment,
  fromNothing,
  newSegment,
  type State,
  say,
  sayDifference,
  sayFork,
  sayOdd,
  type TreeAuditOptions,
} from './treeState.ts';

export interface TreeOutcome {
  readonly findings: readonly Finding[];
  /** Over the leaves that were read. */
  readonly size: number;
  readonly root: Buffer;
  /** Leaves that were ever pinned. */
  readonly pinned: number;
  /** Full tiles as they must be. */
  readonly tiles: ReadonlyMap<string, ExpectedTile>;
  /** Leaves behind the last full tile. */
  readonly edge: Buffer;
  /** False: it could not be held against its pins to the end. */
  readonly isWhole: boolean;
}

/** Holds one tree against every pin, row by row, and where one does not hold says which row is why. */
export interface TreeAudit {
  /** @returns a place: what stands behind it must be read again */
  page(rows: readonly TreeRow[]): Promise<Place | undefined>;
  /** Leaves so far. */
  size(): number;
  /** `isStopped`: the log ended in order, so that whatever nobody signed came afterwards. */
  end(isStopped: boolean): Promise<Place | TreeOutcome>;
}

/** Odd rows kept of one stretch between two pins. */
const oddMax = 64;

export function createTreeAudit(options: TreeAuditOptions): TreeAudit {
  const { pins, start = fromNothing } = options;
  const growth = tileGrowth(start.frontier, start.edges);
  const state: State = {
    ...options,
    growth,
    pinAt: pinWalk(pins),
    pinnedMax: pins.at(-1)?.size ?? start.frontier.size,
    findings: [],
    erased: new Set(),
    segment: newSegment(growth.frontier, start.place, undefined),
    previous: undefined,
    place: start.place,
    isLost: false,
    isForkSaid: false,
    changed: [],
    failed: undefined,
  };
  return {
    async page(rows) {
      for (const row of rows) {
        const pin = addRow(state, row);
        const again = pin && !holds(state, pin) ? await investigate(state, pin, true) : undefined;
        if (again !== undefined) return again;
      }
      return undefined;
    },
    size: () => growth.frontier.size,
    end: (isStopped) => endTree(state, isStopped),
  };
}

/** @returns the pin that the tree must meet now */
function addRow(state: State, row: TreeRow): Pin | undefined {
  const { segment, growth, previous } = state;
  if (previous?.offset === row.offset && previous.gone === undefined && row.gone === undefined) {
    // One offset, one record: the second is none, whatever it holds.
    sayDifference(state, { kind: 'inserted', offset: row.offset, count: 1 });
    return undefined;
  }
  state.previous = row;
  state.place = placeBehind(row, state.place);
  if (state.isLost) return undefined;
  segment.first ??= row.offset;
  if (row.derived !== undefined) {
    segment.derived ??= copyFrontier(growth.frontier);
    if (segment.odd.length < oddMax) segment.odd.push(row);
  }
  if (row.isErased && !state.erased.has(row.offset)) {
    state.erased.add(row.offset);
    say(state, 'erased-lawful', row.offset, 'its bytes were erased by law; its leaf stands');
  }
  // Of a dropped record the offset is known only where its stretch ends.
  growth.append(row.leaf, row.gone === undefined ? row.offset : undefined);
  if (segment.derived !== undefined) appendLeaf(segment.derived, row.derived ?? row.leaf);
  return state.pinAt(growth.frontier.size);
}

/** The leaves are those that were signed: where the bytes do not give them, the bytes were changed. */
function holds(state: State, pin: Pin): boolean {
  const met = metRoot(pin, state.growth.frontier);
  if (met === undefined) {
    // Once it is said that the store follows a history of its own, that is the one it is held against.
    return state.isForkSaid && !pin.roots.some((r) => r.isInStore);
  }
  if (pin.roots.length > 1) sayFork(state, pin, met);
  sayOdd(state);
  closeSegment(state);
  return true;
}

async function endTree(state: State, isStopped: boolean): Promise<Place | TreeOutcome> {
  const { growth, pins } = state;
  const unreached = state.isLost ? undefined : pins.find((p) => p.size > growth.frontier.size);
  if (unreached !== undefined) {
    const again = await investigate(state, unreached, false);
    if (again !== undefined && !state.isLost) return again;
  } else if (!state.isLost) await endBehindPins(state, isStopped);
  await nameRewriting(state);
  return {
    findings: state.findings,
    size: growth.frontier.size,
    root: frontierRoot(growth.frontier),
    pinned: state.pinnedMax,
    tiles: growth.kept(),
    edge: growth.edge(),
    isWhole: !state.isLost,
  };
}

/** Behind the newest pin nothing is signed, but a leaf must still be that of its bytes. */
async function endBehindPins(state: State, isStopped: boolean): Promise<void> {
  const { segment, source, transport } = state;
  sayOdd(state);
  if (segment.first === undefined) return;
  if (isStopped) {
    const detail = 'records stand after the last one that was signed when the log was closed in order';
    say(state, 'inserted', segment.first, detail);
    return;
  }
  let previous = segment.before;
  for await (const row of source.rows(segment.place)) {
    if (previous !== undefined && row.offset < expectedBehind(previous, transport).from) {
      const detail = 'a record stands where another one is, after the newest checkpoint';
      say(state, 'inserted', row.offset, detail);
      return;
    }
    previous = row;
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
