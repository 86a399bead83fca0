import type { KwRecord, StreamKey } from '../../src/core/record.ts';
import { streamKeyText } from '../../src/core/record.ts';
import { anchorLines } from '../../src/ledger/anchors/file.ts';
import type { FindingClass } from '../../src/ledger/audit/findings.ts';
import { checkpointText, metaOrigin, parseCheckpoint, streamOrigin } from '../../src/ledger/checkpoint.ts';
import { leafHash, leafHashOfText, type Transport } from '../../src/ledger/leaf.ts';
import { metaTexts } from '../../src/ledger/meta.ts';
import { localSigner, signNote } from '../../src/ledger/note.ts';
import type { CheckpointRow } from '../../src/ledger/ports.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from '../../src/ledger/tree.ts';
import { derivedOf, type Forgery, type World, type WorldRecord } from './tamperWorld.ts';
import { keyOf, type Random, type ToyKey } from './toyBundle.ts';

/** What was done, and what must be said of it: one of these classes, at this place. */
export interface Attacked {
  readonly world: World;
  readonly classes: readonly FindingClass[];
  /** `stream/partition/epoch` or `meta`. */
  readonly tree: string;
  /** Undefined: the tree is all that there is to name. */
  readonly offset: bigint | undefined;
  /** No full tile keeps the leaf, and nothing else tells it: the stretch between two pins is named. */
  readonly isStretch?: boolean;
}

/** The same log with one record's bytes other from the beginning, signed with the stolen keys. */
export type Forge = (forgery: Forgery) => Promise<World>;

/** Undefined: this world has no place for it. */
export type Attack = (
  world: World,
  random: Random,
  forge: Forge,
) => Promise<Attacked | undefined> | Attacked | undefined;

const isOf = (key: StreamKey) => (at: StreamKey) =>
  at.stream === key.stream && at.partition === key.partition && at.epoch === key.epoch;

/** Every tree's records in order, of those that have as many. */
function treesOf(world: World, least: number): WorldRecord[][] {
  const trees = new Map<string, WorldRecord[]>();
  for (const r of world.records) {
    const name = streamKeyText(r.record);
    trees.set(name, [...(trees.get(name) ?? []), r]);
  }
  return [...trees.values()].filter((t) => t.length >= least);
}

interface Picked {
  readonly row: WorldRecord;
  readonly tree: readonly WorldRecord[];
  /** Among the stored records of its tree. */
  readonly at: number;
  readonly name: string;
  readonly transport: Transport;
  /** Its leaf lies in a full tile. */
  readonly isTiled: boolean;
}

/** One record that still has its bytes. */
function pick(
  world: World,
  random: Random,
  least = 3,
  isFit: (p: Picked) => boolean = () => true,
): Picked | undefined {
  const trees = treesOf(world, least);
  for (let tries = 0; tries < 50 && trees.length > 0; tries += 1) {
    const tree = trees[random(trees.length)] as WorldRecord[];
    const at = random(tree.length);
    const row = tree[at] as WorldRecord;
    const name = streamKeyText(row.record);
    const transport = world.transports.get(name) as Transport;
    const isTiled = world.tiles.some(
      (t) => isOf(row.record)(t) && t.level === 0 && t.hashes.length === 8_192 && t.hashes.includes(row.leaf),
    );
    const picked = { row, tree, at, name, transport, isTiled };
    if (row.sealed === 0 && isFit(picked)) return picked;
  }
  return undefined;
}

function withRecord(world: World, old: WorldRecord, ...fresh: readonly WorldRecord[]): World {
  return { ...world, records: world.records.flatMap((r) => (r === old ? fresh : [r])) };
}

/** Also what was derived from it: no loose ends. */
function withParts(world: World, record: KwRecord, fresh: World['parts']): World {
  const others = world.parts.filter((p) => !(isOf(record)(p) && p.offset === record.offset));
  return { ...world, parts: [...others, ...fresh] };
}

function changed({ record }: WorldRecord, random: Random): KwRecord {
  const value = Buffer.from(record.value ?? Buffer.from('{}'));
  if (value.length === 0 || random(5) === 0) return { ...record, value: Buffer.from('{"event":"forged"}') };
  value[random(value.length)] = 33 + random(90);
  const isSame = record.value?.equals(value) === true;
  return { ...record, value: isSame ? Buffer.from('{}') : value };
}

/** Where a deleted record stood, as far as anybody can still tell. */
function placeOf({ tree, at, row, transport }: Picked): bigint {
  const before = tree[at - 1]?.record;
  if (transport === 'file') return row.record.offset;
  if (before !== undefined) return before.offset + 1n;
  return (tree[at + 1]?.record.offset ?? 1n) - 1n;
}

const modifiedBytes: Attack = (world, random) => {
  const p = pick(world, random);
  if (p === undefined) return undefined;
  const record = changed(p.row, random);
  const tampered = withRecord(world, p.row, { ...p.row, record });
  return { world: tampered, classes: ['modified'], tree: p.name, offset: p.row.record.offset };
};

const modifiedWithLeaf: Attack = (world, random) => {
  const p = pick(world, random, 3, (found) => found.isTiled);
  if (p === undefined) return undefined;
  const record = changed(p.row, random);
  const fresh = { ...p.row, record, leaf: leafHash(record, p.transport) };
  const tampered = withParts(withRecord(world, p.row, fresh), record, derivedOf(record, p.row.ingestedAt));
  return { world: tampered, classes: ['modified'], tree: p.name, offset: record.offset };
};

const modifiedBehindTiles: Attack = (world, random) => {
  const p = pick(world, random, 3, (found) => !found.isTiled);
  if (p === undefined) return undefined;
  const record = changed(p.row, random);
  const fresh = { ...p.row, record, leaf: leafHash(record, p.transport) };
  const tampered = withParts(withRecord(world, p.row, fresh), record, derivedOf(record, p.row.ingestedAt));
  return { world: tampered, classes: ['modified'], tree: p.name, offset: record.offset, isStretch: true };
};

const leafModified: Attack = (world, random) => {
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

const columnModified: Attack = (world, random) => {
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

const deleted: Attack = (world, random) => {
  const p = pick(world, random, 4, (found) => found.at < found.tree.length - 1 && isTellable(found));
  if (p === undefined) return undefined;
  const tampered = withParts(withRecord(world, p.row), p.row.record, []);
  return { world: tampered, classes: ['deleted'], tree: p.name, offset: placeOf(p) };
};

const deletedUntold: Attack = (world, random) => {
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

const doubled: Attack = (world, random) => {
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
const inserted: Attack = (world, random) => {
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

const reordered: Attack = (world, random) => {
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

const truncated: Attack = (world, random) => {
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

/** The store as it was at an earlier heartbeat: a backup put back. The anchor is out of reach. */
const rolledBack: Attack = (world, random) => {
  const origin = metaOrigin(world.identity.logId);
  const earlier = world.checkpoints.filter((c) => c.origin === origin && c.size < world.meta.length);
  const to = earlier[random(earlier.length)];
  if (to === undefined) return undefined;
  const tampered = {
    ...world,
    meta: world.meta.filter((m) => m.index < to.size),
    checkpoints: world.checkpoints.filter((c) => c.made_at <= to.made_at),
    records: world.records.filter((r) => r.ingestedAt <= to.made_at),
    parts: world.parts.filter((p) => p.ingestedAt <= to.made_at),
  };
  return { world: tampered, classes: ['rolled-back'], tree: 'meta', offset: BigInt(to.size) };
};

/** The whole log signed again with the stolen keys and one record other; only the anchor remembers the first. */
const rewritten: Attack = async (world, random, forge) => {
  const p = pick(world, random);
  if (p === undefined) return undefined;
  const place = placeInTree(world, p);
  const forged = await forge({ tree: p.name, index: place.index });
  const isOther = forged.records.some(
    (r) => isOf(p.row.record)(r.record) && r.record.offset === p.row.record.offset,
  );
  if (!isOther || place.sizes.at(-1) === undefined || (place.sizes.at(-1) as number) <= place.index)
    return undefined;
  return {
    world: { ...forged, anchor: world.anchor },
    classes: ['rewritten'],
    tree: p.name,
    offset: place.stretch,
  };
};

/** Where a record stands in its tree, and from where on its stretch between two anchored sizes runs. */
function placeInTree(world: World, { row, tree, at, name }: Picked) {
  const origin = streamOrigin(world.identity.logId, row.record);
  const sizes = [...world.anchor.matchAll(/^[0-9a-f]{16} \S+ (\S+) (\d+) /gm)]
    .filter((m) => m[1] === origin)
    .map((m) => Number(m[2]))
    .sort((a, b) => a - b);
  const expired = expiredOf(world, name);
  const index = expired + at;
  const start = sizes.findLast((size) => size <= index) ?? 0;
  return { index, sizes, stretch: tree[Math.max(0, start - expired)]?.record.offset };
}

/** How many leaves of a tree went by law. */
function expiredOf(world: World, name: string): number {
  return world.meta
    .map((m) => m.text.toString())
    .filter((text) => /\nkind retention\n/.test(text) && text.includes(`\ntree ${name}\n`))
    .reduce((n, text) => n + Number(/\ncount (\d+)\n/.exec(text)?.[1] ?? 0), 0);
}

/** Two histories of one log, both anchored: somebody else signs with its key. */
const forked: Attack = async (world, random, forge) => {
  const p = pick(world, random);
  if (p === undefined) return undefined;
  const place = placeInTree(world, p);
  const last = place.sizes.at(-1);
  if (last === undefined || last <= place.index) return undefined;
  const forged = await forge({ tree: p.name, index: place.index });
  const known = new Set(world.anchor.split('\n'));
  const others = forged.anchor.split('\n').filter((line) => !known.has(line));
  const anchor = `${world.anchor}${others.join('\n')}\n`;
  return { world: { ...world, anchor }, classes: ['forked'], tree: p.name, offset: place.stretch };
};

function metaRoot(world: Pick<World, 'meta'>): Buffer {
  const frontier = emptyFrontier();
  for (const { text } of world.meta) appendLeaf(frontier, leafHashOfText(text));
  return frontierRoot(frontier);
}

async function signedBy(
  key: ToyKey,
  origin: string,
  size: number,
  root: Buffer,
  made_at: number,
): Promise<CheckpointRow> {
  const note = await signNote(checkpointText({ origin, size, root }), origin, [localSigner(key.privateKey)]);
  return { origin, size, root, note, made_at };
}

/** Who has the key appends a leaf that claims to be older than those before it. */
const backDated: Attack = async (world, random) => {
  const last = world.meta.at(-1);
  if (last === undefined) return undefined;
  const time = last.made_at - 1_000 * (1 + random(100_000));
  const [text] = metaTexts({ kind: 'stop', time, lines: [] });
  const meta = [
    ...world.meta,
    { index: world.meta.length, kind: 'stop', made_at: time, text: text as Buffer },
  ];
  const origin = metaOrigin(world.identity.logId);
  const row = await signedBy(world.keys.at(-1) as ToyKey, origin, meta.length, metaRoot({ meta }), time);
  const anchor =
    world.anchor + (random(2) === 0 ? anchorLines(world.identity.logId, world.now, row.note) : '');
  const tampered = { ...world, meta, checkpoints: [...world.checkpoints, row], anchor };
  return { world: tampered, classes: ['back-dated'], tree: 'meta', offset: BigInt(meta.length - 1) };
};

/** A checkpoint of the store, signed by somebody else. */
const wrongKey: Attack = async (world, random) => {
  const at = random(world.checkpoints.length);
  const { origin, size, root, made_at } = world.checkpoints[at] as CheckpointRow;
  const row = await signedBy(keyOf(`stranger ${size}`), origin, size, root, made_at);
  const checkpoints = world.checkpoints.with(at, row);
  return {
    world: { ...world, checkpoints },
    classes: ['wrong-key'],
    tree: treeOf(origin),
    offset: undefined,
  };
};

/** A meta checkpoint of the first key's time, signed again with the key that came later. */
const newerKey: Attack = async (world) => {
  const origin = metaOrigin(world.identity.logId);
  const at = world.checkpoints.findIndex((c) => c.origin === origin);
  const { size, root, made_at } = world.checkpoints[at] as CheckpointRow;
  if (world.keys.length < 2) return undefined;
  const row = await signedBy(world.keys.at(-1) as ToyKey, origin, size, root, made_at);
  const checkpoints = world.checkpoints.with(at, row);
  return { world: { ...world, checkpoints }, classes: ['wrong-key'], tree: 'meta', offset: undefined };
};

const forgedNote: Attack = (world, random) => {
  const at = random(world.checkpoints.length);
  const row = world.checkpoints[at] as CheckpointRow;
  const flip = (base64: string) => {
    const bytes = Buffer.from(base64, 'base64');
    bytes[4 + random(64)] = (bytes[4] as number) ^ (1 + random(255));
    return bytes.toString('base64');
  };
  const note = row.note.replace(/(\S+)\n$/, (_, signature: string) => `${flip(signature)}\n`);
  if (note === row.note || parseCheckpoint(note.split('\n\n')[0] ?? '') === undefined) {
    const checkpoints = world.checkpoints.with(at, { ...row, note });
    return note === row.note
      ? undefined
      : {
          world: { ...world, checkpoints },
          classes: ['forged'],
          tree: treeOf(row.origin),
          offset: undefined,
        };
  }
  const checkpoints = world.checkpoints.with(at, { ...row, note });
  return {
    world: { ...world, checkpoints },
    classes: ['forged'],
    tree: treeOf(row.origin),
    offset: undefined,
  };
};

function treeOf(origin: string): string {
  const [, , ...path] = origin.split('/');
  return path.join('/');
}

const eventDeleted: Attack = (world, random) => {
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

const eventInserted: Attack = (world, random) => {
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
const expiredUnlawfully: Attack = (world, random) => {
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
const erasedUnlawfully: Attack = (world, random) => {
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

const tileModified: Attack = (world, random) => {
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

/** By class and way. */
export const attacks: Readonly<Record<string, Attack>> = {
  'modified: bytes': modifiedBytes,
  'modified: bytes, leaf and rows made new': modifiedWithLeaf,
  'modified: the same behind the last full tile': modifiedBehindTiles,
  'leaf-modified': leafModified,
  'column-modified': columnModified,
  deleted,
  'deleted: from a topic with holes, behind the last full tile': deletedUntold,
  'inserted: doubled': doubled,
  'inserted: into a hole': inserted,
  reordered,
  truncated,
  'rolled-back': rolledBack,
  rewritten,
  forked,
  'back-dated': backDated,
  'wrong-key: a stranger': wrongKey,
  'wrong-key: a later one': newerKey,
  forged: forgedNote,
  'event-deleted': eventDeleted,
  'event-inserted': eventInserted,
  'expired unlawfully': expiredUnlawfully,
  'erased unlawfully': erasedUnlawfully,
  'tile modified': tileModified,
};
