import type { StreamKey } from '../core/record.ts';
import type { TopicRecord } from '../intake/kafkaReplay.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from '../ledger/tree.ts';
import { replayLeaf } from './replayLeaf.ts';

/** A leaf as the store holds it; of records that lawfully expired the offset is that of their range's end. */
export interface KeptLeaf {
  readonly offset: bigint;
  readonly leaf: Buffer;
}

export interface ComparisonOptions {
  readonly key: StreamKey;
  /** In order. */
  readonly stored: AsyncGenerator<readonly KeptLeaf[]>;
  /** The last offset that counts: what is stored behind it came later. */
  readonly last: bigint;
  /** The topic no longer has this offset, or the store no longer its bytes: the store's leaf is taken as it is. */
  readonly isKept: (offset: bigint) => boolean;
  /** The topic is compacted: it may lack any record, and those it has are compared all the same. */
  readonly mayLack: boolean;
  /** The newest signed checkpoint. */
  readonly signed: { readonly size: number; readonly root: Buffer } | undefined;
}

export interface ComparisonResult {
  readonly status: 'same' | 'differs' | 'lost' | 'extra';
  /** Where it differs first; undefined when only the root does. */
  readonly offset: bigint | undefined;
  readonly detail: string;
  /** Leaves that came from the topic, and from the store because the topic no longer has them. */
  readonly replayed: number;
  readonly kept: number;
  /** Of the tree that the topic gives. */
  readonly root: Buffer;
}

const details = {
  differs: 'the topic has another record here than the store',
  lost: 'the topic has a record here that the store lacks',
  extra: 'the store has a record here that the topic does not have, nor ever deleted',
} as const;

/** Walks a topic's records and the stored leaves side by side, and grows the tree that the topic gives. */
export function compareTree(options: ComparisonOptions) {
  const { key, isKept, mayLack, last, signed } = options;
  const stored = oneByOne(options.stored);
  const frontier = emptyFrontier();
  let head: KeptLeaf | undefined;
  let isBegun = false;
  let first: { status: keyof typeof details; offset: bigint } | undefined;
  let signedRoot: Buffer | undefined;
  let replayed = 0;
  let kept = 0;
  const next = async () => {
    isBegun = true;
    head = await stored();
    if (head !== undefined && head.offset > last) head = undefined;
  };
  const found = (status: keyof typeof details, offset: bigint) => {
    first ??= { status, offset };
  };
  const append = (leaf: Buffer) => {
    appendLeaf(frontier, leaf);
    if (frontier.size === signed?.size) signedRoot = frontierRoot(frontier);
  };
  /** The stored leaves before an offset, which the topic has not given. */
  const skipTo = async (offset: bigint) => {
    if (!isBegun) await next();
    for (; head !== undefined && head.offset < offset; await next()) {
      if (mayLack || isKept(head.offset)) {
        append(head.leaf);
        kept++;
      } else found('extra', head.offset);
    }
  };
  return {
    async take(records: readonly TopicRecord[]): Promise<void> {
      for (const record of records) {
        const { offset } = record;
        if (isKept(offset)) continue;
        await skipTo(offset);
        const leaf = replayLeaf(key, record);
        append(leaf);
        replayed++;
        if (head?.offset !== offset) {
          found('lost', offset);
          continue;
        }
        if (!head.leaf.equals(leaf)) found('differs', offset);
        await next();
      }
    },
    async end(): Promise<ComparisonResult> {
      await skipTo(last + 1n);
      const counts = { replayed, kept, root: frontierRoot(frontier) };
      if (first !== undefined) return { ...first, detail: details[first.status], ...counts };
      if (signed === undefined || signedRoot?.equals(signed.root)) {
        return { status: 'same', offset: undefined, detail: '', ...counts };
      }
      if (signed.size > frontier.size) {
        const detail = `${signed.size} records were signed, and topic and store have ${frontier.size}`;
        return { status: 'lost', offset: last + 1n, detail, ...counts };
      }
      const detail = `topic and store agree, but another root was signed at size ${signed.size}`;
      return { status: 'differs', offset: undefined, detail, ...counts };
    },
  };
}

function oneByOne<T>(pages: AsyncGenerator<readonly T[]>): () => Promise<T | undefined> {
  let page: readonly T[] = [];
  let at = 0;
  return async () => {
    while (at >= page.length) {
      const more = await pages.next();
      if (more.done) return undefined;
      page = more.value;
      at = 0;
    }
    return page[at++];
  };
}
