import type { Checkpoint } from '../checkpoint.ts';
import { type Frontier, frontierRoot } from '../tree.ts';

/** A size and root somebody remembers of a tree, in the store or outside it. */
export interface Pin {
  readonly size: number;
  readonly root: Buffer;
  isInStore: boolean;
  isOutside: boolean;
  /** Another root of the same size: two histories were signed. `root` is then the outside one. */
  conflict: Buffer | undefined;
}

/** Above this every second pin of a tree is forgotten: a later pin covers what an earlier one did, less finely. */
const pinsPerTreeMax = 20_000;

export interface PinBook {
  add(checkpoint: Checkpoint, where: 'store' | 'outside'): void;
  /** By size. */
  of(origin: string): readonly Pin[];
  origins(): readonly string[];
}

export function createPinBook(): PinBook {
  const book = new Map<string, Map<number, Pin>>();
  return {
    add({ origin, size, root }, where) {
      const pins = book.get(origin) ?? new Map<number, Pin>();
      book.set(origin, pins);
      addPin(pins, size, root, where);
      if (pins.size > pinsPerTreeMax) thin(pins);
    },
    of: (origin) => [...(book.get(origin)?.values() ?? [])].sort((a, b) => a.size - b.size),
    origins: () => [...book.keys()],
  };
}

function addPin(pins: Map<number, Pin>, size: number, root: Buffer, where: 'store' | 'outside'): void {
  const known = pins.get(size);
  const isOutside = where === 'outside';
  if (known === undefined) {
    pins.set(size, { size, root, isInStore: !isOutside, isOutside, conflict: undefined });
  } else if (known.root.equals(root)) {
    known.isInStore ||= !isOutside;
    known.isOutside ||= isOutside;
  } else if (isOutside && !known.isOutside) {
    pins.set(size, { size, root, isInStore: false, isOutside, conflict: known.root });
  } else known.conflict = root;
}

function thin(pins: Map<number, Pin>): void {
  const sorted = [...pins.values()].sort((a, b) => a.size - b.size);
  const keep = new Set([sorted.at(-1), sorted.findLast((p) => p.isOutside)]);
  for (const [i, pin] of sorted.entries()) {
    if (i % 2 === 0 && pin.conflict === undefined && !keep.has(pin)) pins.delete(pin.size);
  }
}

/** Walks the pins of one tree while it grows. */
export function pinWalk(pins: readonly Pin[]): (frontier: Frontier) => Pin | undefined {
  let next = 0;
  return (frontier) => {
    while ((pins[next]?.size ?? Number.POSITIVE_INFINITY) < frontier.size) next += 1;
    const pin = pins[next];
    return pin?.size === frontier.size ? pin : undefined;
  };
}

export function isMet(pin: Pin, frontier: Frontier): boolean {
  return frontierRoot(frontier).equals(pin.root);
}
