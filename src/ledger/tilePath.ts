/** C2SP tlog-tiles: hashes in a full tile, and entries in a full entry bundle. */
export const tileWidth = 256;

/** Where a tile or (`entries`) an entry bundle lies below its tree. `width` < 256 names a partial one. */
export function tilePath(level: number | 'entries', index: number, width: number): string {
  return `tile/${level}/${indexPath(index)}${width === tileWidth ? '' : `.p/${width}`}`;
}

/** Tiles of a level that a tree of this size has, without the hashes of them: `width` of the last one. */
export function tilesOfLevel(level: number, size: number): { readonly full: number; readonly width: number } {
  const hashes = Math.floor(size / tileWidth ** level);
  return { full: Math.floor(hashes / tileWidth), width: hashes % tileWidth };
}

/** "Zero-padded 3-digit path elements. All but the last path element MUST begin with an x." */
function indexPath(index: number): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) as string[];
  return groups.map((group, i) => (i === groups.length - 1 ? group : `x${group}`)).join('/');
}
