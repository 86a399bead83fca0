import { anchorLines } from '../../src/ledger/anchors/file.ts';
import { checkpointText, metaOrigin, streamOrigin } from '../../src/ledger/checkpoint.ts';
import { leafHashOfText } from '../../src/ledger/leaf.ts';
import { metaTexts } from '../../src/ledger/meta.ts';
import { localSigner, signNote } from '../../src/ledger/note.ts';
import type { CheckpointRow } from '../../src/ledger/ports.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from '../../src/ledger/tree.ts';
import { type Attack, isOf, type Picked, pick } from './tamperPick.ts';
import type { World } from './tamperWorld.ts';
import { keyOf, type ToyKey } from './toyBundle.ts';

/** Against what is signed and remembered, with the stolen keys or with others. */

/** The store as it was at an earlier heartbeat: a backup put back. The anchor is out of reach. */
export const rolledBack: Attack = (world, random) => {
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
export const rewritten: Attack = async (world, random, forge) => {
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
export const forked: Attack = async (world, random, forge) => {
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
export const backDated: Attack = async (world, random) => {
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
export const wrongKey: Attack = async (world, random) => {
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
export const newerKey: Attack = async (world) => {
  const origin = metaOrigin(world.identity.logId);
  const at = world.checkpoints.findIndex((c) => c.origin === origin);
  const { size, root, made_at } = world.checkpoints[at] as CheckpointRow;
  if (world.keys.length < 2) return undefined;
  const row = await signedBy(world.keys.at(-1) as ToyKey, origin, size, root, made_at);
  const checkpoints = world.checkpoints.with(at, row);
  return { world: { ...world, checkpoints }, classes: ['wrong-key'], tree: 'meta', offset: undefined };
};

export const forgedNote: Attack = (world, random) => {
  const at = random(world.checkpoints.length);
  const row = world.checkpoints[at] as CheckpointRow;
  const flip = (base64: string) => {
    const bytes = Buffer.from(base64, 'base64');
    bytes[4 + random(64)] = (bytes[4] as number) ^ (1 + random(255));
    return bytes.toString('base64');
  };
  const note = row.note.replace(/(\S+)\n$/, (_, signature: string) => `${flip(signature)}\n`);
  if (note === row.note) return undefined;
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
