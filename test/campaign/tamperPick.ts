import { type KwRecord, type StreamKey, streamKeyText } from '../../src/core/record.ts';
import type { FindingClass } from '../../src/ledger/audit/findings.ts';
import type { Transport } from '../../src/ledger/leaf.ts';
import type { Forgery, World, WorldRecord } from './tamperWorld.ts';
import type { Random } from './toyBundle.ts';

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

export const isOf = (key: StreamKey) => (at: StreamKey) =>
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

export interface Picked {
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
export function pick(
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

export function withRecord(world: World, old: WorldRecord, ...fresh: readonly WorldRecord[]): World {
  return { ...world, records: world.records.flatMap((r) => (r === old ? fresh : [r])) };
}

/** Also what was derived from it: no loose ends. */
export function withParts(world: World, record: KwRecord, fresh: World['parts']): World {
  const others = world.parts.filter((p) => !(isOf(record)(p) && p.offset === record.offset));
  return { ...world, parts: [...others, ...fresh] };
}

export function changed({ record }: WorldRecord, random: Random): KwRecord {
  const value = Buffer.from(record.value ?? Buffer.from('{}'));
  if (value.length === 0 || random(5) === 0) return { ...record, value: Buffer.from('{"event":"forged"}') };
  value[random(value.length)] = 33 + random(90);
  const isSame = record.value?.equals(value) === true;
  return { ...record, value: isSame ? Buffer.from('{}') : value };
}
