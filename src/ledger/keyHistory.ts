import { metaOrigin } from './checkpoint.ts';
import {
  isRolloverBy,
  isRootVouched,
  parseKeyLeaf,
  type Rollover,
  type RootRegistration,
} from './keyLeaf.ts';
import { type MetaLeaf, metaValue } from './meta.ts';
import { parseVerifierKey } from './note.ts';

/** One key and where in the meta-log it is in force. */
export interface KeyEra {
  /** The 32 bytes of RFC 8032. */
  readonly publicKey: Buffer;
  readonly by: 'first' | 'previous' | 'root';
  /** Index of the leaf that brought it; undefined = it is the first. */
  readonly leaf: number | undefined;
  /** First meta index at which it is in force. */
  readonly from: number;
  /** Milliseconds; undefined = the log's first leaf was not read. */
  readonly since: number | undefined;
}

export interface RegisteredRoot {
  readonly publicKey: Buffer;
  readonly leaf: number;
  /** Milliseconds. */
  readonly since: number;
}

/**
 * Which key signs at which index of the meta-log, learnt from its leaves in order (docs/ledger.md, "Keys"). A meta
 * checkpoint belongs to the index of its last leaf, a stream's to the heartbeat leaf that lists it.
 */
export interface KeyHistory {
  /** Reads a leaf. @returns why it must be refused; undefined = it is right, or no `key` leaf */
  see(index: number, leaf: MetaLeaf): string | undefined;
  eras(): readonly KeyEra[];
  root(): RegisteredRoot | undefined;
  /** The key in force now. */
  current(): Buffer;
  eraAt(index: number): number;
  /** Whose signature under the meta checkpoint that ends with this leaf holds: two at a rollover, else one. */
  signersAt(index: number): readonly Buffer[];
  has(publicKey: Buffer): boolean;
}

/** `fallback`: the first key of a log whose first leaf does not name it. */
export function createKeyHistory(logId: string, fallback: Buffer): KeyHistory {
  const eras: KeyEra[] = [{ publicKey: fallback, by: 'first', leaf: undefined, from: 0, since: undefined }];
  let root: RegisteredRoot | undefined;
  const current = () => (eras.at(-1) as KeyEra).publicKey;
  const has = (key: Buffer) => eras.some((e) => e.publicKey.equals(key));
  // A key that comes twice would make an old signature pass for a new one.
  const isNew = (key: Buffer) => !has(key) && root?.publicKey.equals(key) !== true;
  const eraAt = (index: number) => eras.findLastIndex((e) => e.from <= index);

  const refuseRollover = (index: number, act: Rollover): string | undefined => {
    if (!act.previous.equals(current())) return 'it replaces a key that was not in force';
    const endorser = act.by === 'root' ? root?.publicKey : current();
    if (endorser === undefined) return 'no root was registered that could endorse it';
    if (!isRolloverBy(act, logId, index, endorser)) return 'its endorsement does not hold';
    return isNew(act.next) ? undefined : 'its key was in use before';
  };
  const refuseRoot = (index: number, act: RootRegistration): string | undefined => {
    if (root !== undefined) return 'a root is registered already';
    if (!act.key.equals(current())) return 'it names a key that was not in force';
    if (!isRootVouched(act, logId, index)) return 'its signatures do not hold';
    return isNew(act.root) ? undefined : 'its root signs the log itself';
  };
  return {
    see(index, leaf) {
      if (index === 0) {
        eras[0] = {
          ...(eras[0] as KeyEra),
          publicKey: keyOfStart(logId, leaf) ?? fallback,
          since: leaf.time,
        };
      }
      if (leaf.kind !== 'key') return undefined;
      const act = parseKeyLeaf(leaf);
      if (act === undefined) return 'it is not one';
      const refused = act.kind === 'root' ? refuseRoot(index, act) : refuseRollover(index, act);
      if (refused !== undefined) return refused;
      const since = leaf.time;
      if (act.kind === 'root') root = { publicKey: act.root, leaf: index, since };
      // A key that is lost cannot sign the leaf that replaces it; a stolen one must not.
      else
        eras.push({
          publicKey: act.next,
          by: act.by,
          leaf: index,
          from: act.by === 'root' ? index : index + 1,
          since,
        });
      return undefined;
    },
    eras: () => eras,
    root: () => root,
    current,
    eraAt,
    signersAt: (index) => {
      const signs = (e: KeyEra, era: number) =>
        era === eraAt(index) || (e.leaf === index && e.by === 'previous');
      return eras.filter(signs).map((e) => e.publicKey);
    },
    has,
  };
}

/** The key that the log's first leaf, its first `start`, says it begins with. */
function keyOfStart(logId: string, leaf: MetaLeaf): Buffer | undefined {
  const key = leaf.kind === 'start' ? parseVerifierKey(metaValue(leaf, 'key') ?? '') : undefined;
  return key?.name === metaOrigin(logId) ? key.publicKey : undefined;
}

/** After this a key should be replaced: whoever copied it unseen can sign with it until then. */
export const keyAgeDaysMax = 90;

/** Age of a key in whole days; `since` in milliseconds. */
export function ageDays(since: number, now: number): number {
  return Math.max(0, Math.floor((now - since) / 86_400_000));
}

/**
 * Sizes of each tree that heartbeats list, by the key in force. Trees only grow, so two numbers for each key say
 * which of its checkpoints can be its own: an old one signed again with a newer key is not.
 */
export interface ListedSizes {
  list(origin: string, size: number, era: number): void;
  /** May this key have signed the tree at this size? */
  allows(origin: string, size: number, era: number): boolean;
}

export function createListedSizes(): ListedSizes {
  const trees = new Map<string, { min: number; max: number }[]>();
  return {
    list(origin, size, era) {
      // A leaf that nobody signed may say anything.
      if (!Number.isSafeInteger(size)) return;
      const ranges = trees.get(origin) ?? [];
      trees.set(origin, ranges);
      const range = ranges[era];
      if (range === undefined) ranges[era] = { min: size, max: size };
      else {
        range.min = Math.min(range.min, size);
        range.max = Math.max(range.max, size);
      }
    },
    allows(origin, size, era) {
      const ranges = trees.get(origin) ?? [];
      const own = ranges[era];
      if (own !== undefined && own.min <= size && size <= own.max) return true;
      // What no heartbeat lists must still lie between what was listed before the key came and after it went.
      return ranges.every((r, e) => e === era || (e < era ? size > r.max : size < r.min));
    },
  };
}
