import { isSignedIfAct } from '../actSignature.ts';
import { areTwoApprovers } from '../approvers.ts';
import { type ErasedRecord, parseErasure } from '../erasure.ts';
import { type HoldAct, holdsInForce, parseHold } from '../hold.ts';
import type { MetaLeaf } from '../meta.ts';
import { type ExpiredRange, parseRetention } from '../retention.ts';

/** What was dropped and erased by law, as the signed meta-log says. */
export interface LawfulActs {
  /** By tree, in order of their leaves. */
  readonly expired: ReadonlyMap<string, readonly ExpiredRange[]>;
  /** By tree and offset. */
  readonly erased: ReadonlyMap<string, ReadonlyMap<bigint, ErasedRecord>>;
}

export interface LawWatch extends LawfulActs {
  /** Reads a leaf under a checkpoint. @returns why it allows nothing; undefined = it is right, or of another kind */
  see(index: number, leaf: MetaLeaf): string | undefined;
}

/** Signed by itself, two approvers, and no hold in force: only then does a leaf allow that evidence goes. */
export function createLawWatch(logId: string, keyAt: (index: number) => Buffer): LawWatch {
  const expired = new Map<string, ExpiredRange[]>();
  const erased = new Map<string, Map<bigint, ErasedRecord>>();
  const holds: HoldAct[] = [];
  return {
    expired,
    erased,
    see(index, leaf) {
      if (!isSignedIfAct({ logId, index }, leaf, keyAt(index))) {
        return 'it is not signed by the key in force there';
      }
      if (leaf.kind === 'hold') {
        const act = parseHold(leaf);
        if (act === undefined) return 'it is no hold';
        holds.push(act);
      }
      if (leaf.kind === 'retention') {
        const range = parseRetention(leaf);
        if (range === undefined) return 'it names no range';
        const known = expired.get(range.tree) ?? [];
        const why = unlawful(range, holds) ?? overlap(range, known, holdsInForce(holds).length);
        if (why !== undefined) return why;
        if (!known.some((k) => k.from === range.from)) {
          expired.set(
            range.tree,
            [...known, range].sort((a, b) => a.from - b.from),
          );
        }
      }
      if (leaf.kind === 'erasure') {
        const record = parseErasure(leaf);
        if (record === undefined) return 'it names no record';
        const why = unlawful(record, holds);
        if (why !== undefined) return why;
        const known = erased.get(record.tree) ?? new Map<bigint, ErasedRecord>();
        erased.set(record.tree, known.set(record.offset, record));
      }
      return undefined;
    },
  };
}

interface Act {
  readonly tree: string;
  readonly approvers: readonly string[];
}

function unlawful({ tree, approvers }: Act, acts: readonly HoldAct[]): string | undefined {
  if (!areTwoApprovers(approvers)) return 'it names fewer than two different approvers';
  const [stream] = tree.split('/');
  // Whose secrets or times a hold covers can no longer be told when the records are gone: then its writer looked.
  const held = holdsInForce(acts).find(({ scope }) => {
    const isNarrow = [scope.secret, scope.identity, scope.from, scope.to].some((part) => part !== undefined);
    return !isNarrow && (scope.stream === undefined || scope.stream === stream);
  });
  return held === undefined ? undefined : `the legal hold ${held.id} was in force`;
}

/** The same range may be told again after a crash; any other one over the same leaves is none of ours. */
function overlap(range: ExpiredRange, known: readonly ExpiredRange[], holds: number): string | undefined {
  if (range.holds !== holds) return `it was written without a look at all ${holds} holds in force`;
  const other = known.find((k) => range.from < k.from + k.count && k.from < range.from + range.count);
  const isSame =
    other === undefined ||
    (other.from === range.from &&
      other.count === range.count &&
      other.root.equals(range.root) &&
      other.last === range.last);
  return isSame ? undefined : 'it covers leaves that another one covers';
}
