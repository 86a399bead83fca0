/** Tiles of C2SP tlog-tiles: 256 hashes wide, so that a tree can be served and proved from plain files. */
export const tileWidth = 256;

export interface Tile {
  readonly level: number;
  readonly index: number;
  /** 1 to 256 hashes of 32 bytes; fewer than 256 = a partial tile. */
  readonly hashes: readonly Buffer[];
}

/** `tile/L/N` or `tile/L/N.p/W`, N in groups of three digits, all but the last with an `x` before it. */
export function tilePath(level: number | 'entries', index: number, width: number): string {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0');
  const groups = digits.match(/\d{3}/g) as string[];
  const name = groups.map((g, i) => (i < groups.length - 1 ? `x${g}` : g)).join('/');
  return `tile/${level}/${name}${width < tileWidth ? `.p/${width}` : ''}`;
}

/** All tiles of a tree of these leaves: full ones as they fill, then the partial ones, lowest level first. */
export function* tilesOf(leaves: Iterable<Buffer>, fold: (tile: Tile) => Buffer): Generator<Tile> {
  const open: { index: number; hashes: Buffer[] }[] = [];
  function* add(level: number, hash: Buffer): Generator<Tile> {
    open[level] ??= { index: 0, hashes: [] };
    const row = open[level];
    row.hashes.push(hash);
    if (row.hashes.length < tileWidth) return;
    const tile: Tile = { level, index: row.index, hashes: row.hashes };
    open[level] = { index: row.index + 1, hashes: [] };
    yield tile;
    yield* add(level + 1, fold(tile));
  }
  for (const leaf of leaves) yield* add(0, leaf);
  for (const [level, row] of open.entries()) {
    if (row.hashes.length > 0) yield { level, index: row.index, hashes: row.hashes };
  }
}
