import type { StreamKey } from '../core/record.ts';
import { streamKeyText } from '../core/record.ts';
import { type MetaLeaf, type MetaLine, metaValue } from './meta.ts';

/** A record whose bytes were lawfully removed: its leaf hash stays in its row. */
export interface ErasedRecord {
  /** `stream/partition/epoch`. */
  readonly tree: string;
  readonly offset: bigint;
  /** Index of its leaf. */
  readonly index: number;
  readonly leaf: Buffer;
  /** On what ground, in words: `GDPR Art. 17(1)(a), request 2026-114`. */
  readonly basis: string;
  readonly approvers: readonly string[];
}

/** The lines of an `erasure` leaf. `by` = the account that ran the command. */
export function erasureLines(
  key: StreamKey,
  { offset, index, leaf, basis, approvers }: Omit<ErasedRecord, 'tree'>,
  by: string,
): MetaLine[] {
  return [
    ['tree', streamKeyText(key)],
    ['offset', `${offset}`],
    ['index', `${index}`],
    ['leaf', leaf.toString('hex')],
    ['basis', basis],
    ...approvers.map((name): MetaLine => ['approver', name]),
    ['by', by],
  ];
}

/** Reads an `erasure` leaf; undefined when it is not a whole one. */
export function parseErasure(leaf: MetaLeaf): ErasedRecord | undefined {
  if (leaf.kind !== 'erasure') return undefined;
  const value = (name: string) => metaValue(leaf, name) ?? '';
  const isWhole =
    /^\d{1,20}$/.test(value('offset')) &&
    /^\d{1,15}$/.test(value('index')) &&
    /^[0-9a-f]{64}$/.test(value('leaf')) &&
    value('tree') !== '';
  if (!isWhole) return undefined;
  return {
    tree: value('tree'),
    offset: BigInt(value('offset')),
    index: Number(value('index')),
    leaf: Buffer.from(value('leaf'), 'hex'),
    basis: value('basis'),
    approvers: leaf.lines.filter(([name]) => name === 'approver').map(([, name]) => name),
  };
}
