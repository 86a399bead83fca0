import type { Checkpoint } from '../checkpoint.ts';
import { type Frontier, frontierRoot } from '../tree.ts';

/** A root somebody remembers of a tree at one size, in the store or outside it. */
export interface PinnedRoot {
  readonly root: Buffer;
  isInStore: boolean;
  isOutside: boolean;
}

/** All that is remembered of one size. More than one root: two histories were signed. */
export interface Pin {
  readonly size: number;
  readonly roots: readonly PinnedRoot[];
}

/** Above this every second pin of the largest trees is forgotten: a later pin covers what an earlier one did, less finely. */
const pinsMax = 400_000;
/** A tree never has fewer for the others' sake. */
const pinsPerTreeMin = 256;

export interface PinBook {
  add(checkpoint: Checkpoint, where: 'store' | 'outside'): void;
  /** By size. */
  of(origin: string): readonly Pin[];
  origins(): readonly string[];
}

type Pins = Map<number, PinnedRoot[]>;

export function createPinBook(): PinBook {
  const book = new Map<string, Pins>();
  let count = 0;
  return {
    add({ origin, size, root }, where) {
      const pins: Pins = book.get(origin) ?? new Map();
      book.set(origin, pins);
      const roots = pins.get(size) ?? [];
      if (roots.length === 0) count += 1;
      pins.set(size, roots);
      const known = roots.find((r) => r.root.equals(root)) ?? { root, isInStore: false, isOutside: false };
      if (!roots.includes(known)) roots.push(known);
      if (where === 'store') known.isInStore = true;
      else known.isOutside = true;
      if (count > pinsMax) count = thin(book);
    },
    of: (origin) =>
      [...(book.get(origin) ?? new Map<number, PinnedRoot[]>())]
        .map(([size, roots]) => ({ size, roots }))
        .sort((a, b) => a.size - b.size),
    origins: () => [...book.keys()],
  };
}

/** Halves the trees that hold more than their share; the newest, the newest outside and every conflict stay. */
function thin(book: ReadonlyMap<string, Pins>): number {
  const share = Math.max(pinsPerTreeMin, pinsMax / 2 / book.size);
  let count = 0;
  for (const pins of book.values()) {
    const sizes = pins.size > share ? [...pins.keys()].sort((a, b) => a - b) : [];
    const isOutside = (size: number) => pins.get(size)?.some((r) => r.isOutside) === true;
    const keep = new Set([sizes.at(-1), sizes.findLast(isOutside)]);
    for (const [i, size] of sizes.entries()) {
      if (i % 2 === 0 && !keep.has(size) && pins.get(size)?.length === 1) pins.delete(size);
    }
    count += pins.size;
  }
  return count;
}

/** The root that counts: what is remembered outside the store. */
export function wantedRoot({ roots }: Pin): PinnedRoot {
  return roots.find((r) => r.isOutside) ?? (roots[0] as PinnedRoot);
}

/** The root of this pin that the tree has; undefined = none of them. */
export function metRoot({ roots }: Pin, frontier: Frontier): PinnedRoot | undefined {
  const root = frontierRoot(frontier);
  return roots.find((r) => r.root.equals(root));
}

/** Walks the pins of one tree while it grows. */
export function pinWalk(pins: readonly Pin[]): (size: number) => Pin | undefined {
  let next = 0;
  return (size) => {
    while ((pins[next]?.size ?? Number.POSITIVE_INFINITY) < size) next += 1;
    const pin = pins[next];
    return pin?.size === size ? pin : undefined;
  };
}
