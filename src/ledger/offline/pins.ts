/**
 * What heartbeats pin of one tree: sizes and roots in rising order. A busy log lists a tree every ten seconds for
 * years, so 40 bytes each and no objects.
 */
export interface Pins {
  /** Adds what the next heartbeat lists, signed in this era of the log's keys. */
  add(size: number, root: Buffer, era: number): 'shrank' | 'forked' | undefined;
  readonly count: number;
  size(at: number): number;
  root(at: number): Buffer;
  /** Eras of the heartbeats that list the tree at its newest size. */
  newestEras(): readonly number[];
}

export function newPins(): Pins {
  const sizes: number[] = [];
  let roots = Buffer.alloc(32 * 16);
  let eras: number[] = [];
  const rootAt = (at: number) => roots.subarray(at * 32, at * 32 + 32);
  return {
    add(size, root, era) {
      const last = sizes.at(-1);
      if (last !== undefined && size < last) return 'shrank';
      if (size === last) {
        if (!eras.includes(era)) eras.push(era);
        return root.equals(rootAt(sizes.length - 1)) ? undefined : 'forked';
      }
      if (roots.length < (sizes.length + 1) * 32) roots = Buffer.concat([roots], roots.length * 2);
      root.copy(roots, sizes.length * 32);
      sizes.push(size);
      eras = [era];
      return undefined;
    },
    get count() {
      return sizes.length;
    },
    size: (at) => sizes[at] ?? 0,
    root: rootAt,
    newestEras: () => eras,
  };
}
