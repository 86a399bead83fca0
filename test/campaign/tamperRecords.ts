import { type StreamKey, streamKeyText } from '../../src/core/record.ts';
import { leafHash } from '../../src/ledger/leaf.ts';
import { type Attack, changed, isOf, type Picked, pick, withParts, withRecord } from './tamperPick.ts';
import { derivedOf, type WorldRecord } from './tamperWorld.ts';

/** By whoever can change what the store holds, and has no key. */

/** Where a deleted record stood, as far as anybody can still tell. */
function placeOf({ tree, at, row, transport }: Picked): bigint {
  const before = tree[at - 1]?.record;
  if (transport === 'file') return row.record.offset;
  if (before !== undefined) return before.offset + 1n;
  return (tree[at + 1]?.record.offset ?? 1n) - 1n;
}

export const modifiedBytes: Attack = (world, random) => {
  const p = pick(world, random);
  if (p === undefined) return undefined;
  const record = changed(p.row, random);
  const tampered = withRecord(world, p.row, { ...p.row, record });
  return { world: tampered, classes: ['modified'], tree: p.name, offset: p.row.record.offset };
};

export const modifiedWithLeaf: Attack = (world, random) => {
  const p = pick(world, random, 3, (found) => found.isTiled);
  if (p === undefined) return undefined;
  const record = changed(p.row, random);
  const fresh = { ...p.row, record, leaf: leafHash(record, p.transport) };
  const tampered = withParts(withRecord(world, p.row, fresh), record, derivedOf(record, p.row.ingestedAt));
  return { world: tampered, classes: ['modified'], tree: p.name, offset: record.offset };
};

export const modifiedBehindTiles: Attack = (world, random) => {
  const p = pick(world, random, 3, (found) => !found.isTiled);
  if (p === undefined) return undefined;
  const record = changed(p.row, random);
  const fresh = { ...p.row, record, leaf: leafHash(record, p.transport) };
  const tampered = withParts(withRecord(world, p.row, fresh), record, derivedOf(record, p.row.ingestedAt));
  return { world: tampered, classes: ['modified'], tree: p.name, offset: record.offset, isStretch: true };
};

export const leafModified: Attack = (world, random) => {
  const p = pick(world, random);
  if (p === undefined) return undefined;
  const leaf = Buffer.from(p.row.leaf);
  leaf[random(32)] = (leaf[0] as number) ^ (1 + random(255));
  if (leaf.equals(p.row.leaf)) return undefined;
  const tampered = withRecord(world, p.row, { ...p.row, leaf });
  // By itself in a tail that nothing pins it is a leaf that no bytes give.
  return {
    world: tampered,
    classes: ['leaf-modified', 'modified'],
    tree: p.name,
    offset: p.row.record.offset,
  };
};

export const columnModified: Attack = (world, random) => {
  const events = world.parts.flatMap((p) => (p.part.kind === 'ok' ? [{ p, value: p.part.value }] : []));
  const found = events[random(events.length)];
  if (found === undefined) return undefined;
  const columns = ['actor_name', 'outcome', 'object_id', 'src_host', 'request_id', 'operation'] as const;
  const column = columns[random(columns.length)] as (typeof columns)[number];
  const event = { ...found.value.event, [column]: `${found.value.event[column]}x` };
  const part = { kind: 'ok' as const, value: { ...found.value, event } };
  const parts = world.parts.map((p) => (p === found.p ? { ...p, part } : p));
  const { offset } = found.p;
  return { world: { ...world, parts }, classes: ['column-modified'], tree: streamKeyText(found.p), offset };
};

/** In a topic with holes of its own nothing but a tile says which record a new hole was. */
const isTellable = ({ isTiled, name }: Picked) => isTiled || name !== 'main.audit/1/0';

export const deleted: Attack = (world, random) => {
  const p = pick(world, random, 4, (found) => found.at < found.tree.length - 1 && isTellable(found));
  if (p === undefined) return undefined;
  const tampered = withParts(withRecord(world, p.row), p.row.record, []);
  return { world: tampered, classes: ['deleted'], tree: p.name, offset: placeOf(p) };
};

export const deletedUntold: Attack = (world, random) => {
  const p = pick(world, random, 4, (found) => found.at < found.tree.length - 1 && !isTellable(found));
  if (p === undefined) return undefined;
  const tampered = withParts(withRecord(world, p.row), p.row.record, []);
  return {
    world: tampered,
    classes: ['deleted', 'truncated'],
    tree: p.name,
    offset: p.row.record.offset,
    isStretch: true,
  };
};

export const doubled: Attack = (world, random) => {
  const p = pick(world, random);
  if (p === undefined) return undefined;
  return {
    world: withRecord(world, p.row, p.row, p.row),
    classes: ['inserted'],
    tree: p.name,
    offset: p.row.record.offset,
  };
};

/** A record with a right leaf and a right event, where a topic has a lawful hole or behind the orderly end. */
export const inserted: Attack = (world, random) => {
  const isHole = ({ tree, at, row, transport }: Picked) =>
    transport === 'kafka' && (tree[at + 1]?.record.offset ?? row.record.offset + 2n) > row.record.offset + 1n;
  const p = pick(world, random, 3, isHole);
  if (p === undefined) return undefined;
  const record = { ...changed(p.row, random), offset: p.row.record.offset + 1n };
  const fresh = { ...p.row, record, leaf: leafHash(record, p.transport) };
  const tampered = withRecord(world, p.row, p.row, fresh);
  const parts = [...tampered.parts, ...derivedOf(record, p.row.ingestedAt)];
  return { world: { ...tampered, parts }, classes: ['inserted'], tree: p.name, offset: record.offset };
};

export const reordered: Attack = (world, random) => {
  const p = pick(world, random, 4, ({ at, tree }) => at < tree.length - 1 && tree[at + 1]?.sealed === 0);
  const other = p?.tree[p.at + 1];
  if (p === undefined || other === undefined) return undefined;
  const isKept = random(2) === 0;
  const at = (from: WorldRecord, to: WorldRecord): WorldRecord => {
    const record = { ...from.record, offset: to.record.offset };
    return { ...from, record, leaf: isKept ? from.leaf : leafHash(record, p.transport) };
  };
  const [a, b] = [at(other, p.row), at(p.row, other)];
  const isSame = a.leaf.equals(p.row.leaf) || (p.row.record.value ?? 0) === (other.record.value ?? 0);
  const areAlike = p.row.record.value?.equals(other.record.value ?? Buffer.alloc(0)) === true;
  // With leaves made new where no tile keeps the old ones nobody can tell an exchange from two changes.
  if (isSame || areAlike || (!isKept && !p.isTiled)) return undefined;
  const tampered = withRecord(withRecord(world, p.row, a), other, b);
  return { world: tampered, classes: ['reordered'], tree: p.name, offset: p.row.record.offset };
};

export const truncated: Attack = (world, random) => {
  const p = pick(world, random, 5, ({ at }) => at > 0);
  if (p === undefined) return undefined;
  const gone = new Set(p.tree.slice(p.at));
  const isGone = (part: StreamKey & { offset: bigint }) =>
    isOf(p.row.record)(part) && part.offset >= p.row.record.offset;
  const tampered = {
    ...world,
    records: world.records.filter((r) => !gone.has(r)),
    parts: world.parts.filter((part) => !isGone(part)),
  };
  return { world: tampered, classes: ['truncated'], tree: p.name, offset: p.tree[p.at - 1]?.record.offset };
};

export const eventDeleted: Attack = (world, random) => {
  const part = world.parts[random(world.parts.length)];
  if (part === undefined) return undefined;
  const parts = world.parts.filter((p) => p !== part);
  return {
    world: { ...world, parts },
    classes: ['event-deleted'],
    tree: streamKeyText(part),
    offset: part.offset,
  };
};

export const eventInserted: Attack = (world, random) => {
  const part = world.parts[random(world.parts.length)];
  if (part === undefined) return undefined;
  const fresh = random(2) === 0 ? part : { ...part, offset: part.offset + 1_000_000_000n };
  return {
    world: { ...world, parts: [...world.parts, fresh] },
    classes: ['event-inserted'],
    tree: streamKeyText(part),
    offset: fresh.offset,
  };
};

/** A month's records are gone as after retention, and no leaf says why. */
export const expiredUnlawfully: Attack = (world, random) => {
  const p = pick(
    world,
    random,
    20,
    (found) => found.at > 0 && found.at < found.tree.length - 8 && isTellable(found),
  );
  if (p === undefined) return undefined;
  const gone = new Set(p.tree.slice(p.at, p.at + 2 + random(5)));
  const offsets = new Set([...gone].map((r) => r.record.offset));
  const tampered = {
    ...world,
    records: world.records.filter((r) => !gone.has(r)),
    parts: world.parts.filter((part) => !(isOf(p.row.record)(part) && offsets.has(part.offset))),
  };
  return { world: tampered, classes: ['deleted'], tree: p.name, offset: placeOf(p) };
};

/** The bytes of a record are emptied as after an erasure, and no leaf says why. */
export const erasedUnlawfully: Attack = (world, random) => {
  const p = pick(world, random);
  if (p === undefined) return undefined;
  const empty = Buffer.alloc(0);
  const { record } = p.row;
  const bytes = { key: record.key && empty, headers: [], value: record.value && empty };
  const tampered = withRecord(world, p.row, { ...p.row, record: { ...record, ...bytes }, sealed: 2 });
  return {
    world: withParts(tampered, record, []),
    classes: ['modified'],
    tree: p.name,
    offset: record.offset,
  };
};

export const tileModified: Attack = (world, random) => {
  const full = world.tiles.filter((t) => t.hashes.length === 8_192);
  const tile = full[random(full.length)];
  if (tile === undefined) return undefined;
  const hashes = Buffer.from(tile.hashes);
  const at = random(hashes.length);
  hashes[at] = (hashes[at] as number) ^ (1 + random(255));
  const tampered = { ...world, tiles: world.tiles.map((t) => (t === tile ? { ...t, hashes } : t)) };
  const tree = tile.stream === '' ? 'meta' : streamKeyText(tile);
  return { world: tampered, classes: ['modified'], tree, offset: undefined };
};
