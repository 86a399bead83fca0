import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareTree, type KeptLeaf } from '../../src/app/replayCompare.ts';
import { replayLeaf } from '../../src/app/replayLeaf.ts';
import type { TopicRecord } from '../../src/intake/kafkaReplay.ts';
import { independentRoot } from '../support/independentRoot.ts';

const key = { stream: 'main.vault-audit', partition: 3, epoch: 0 };
const bytes = (hex: string) => Buffer.from(hex, 'hex');

describe('the leaf of a record in the topic', () => {
  // The vectors of docs/ledger.md, which were computed with Python's hashlib.
  test('is that of the vectors', () => {
    const first: TopicRecord = {
      offset: 41n,
      timestamp: 1_767_225_600_000n,
      key: Buffer.from('core'),
      headers: [
        [Buffer.from('trace'), bytes('00ff')],
        [Buffer.from('trace'), Buffer.alloc(0)],
      ],
      value: Buffer.from('{"type":"request"}'),
    };
    expect(replayLeaf(key, first).toString('hex')).toBe(
      '7903388c84a8f553415919f0db829860add804a19e2716bfc919b4df561ea033',
    );
    const second = { offset: 42n, timestamp: 1_767_225_600_001n, key: null, headers: [], value: null };
    expect(replayLeaf(key, second).toString('hex')).toBe(
      '42b9ac55f2b262e4f8700c3eca9a129794a59ceb20834789d2af7137367f31e0',
    );
  });
});

const record = (offset: bigint, text = `v${offset}`): TopicRecord => ({
  offset,
  timestamp: 1n,
  key: null,
  headers: [],
  value: Buffer.from(text),
});
const kept = (r: TopicRecord): KeptLeaf => ({ offset: r.offset, leaf: replayLeaf(key, r) });

async function* pages(leaves: readonly KeptLeaf[], size: number): AsyncGenerator<readonly KeptLeaf[]> {
  for (let i = 0; i < leaves.length; i += size) yield leaves.slice(i, i + size);
}

interface World {
  topic: readonly TopicRecord[];
  stored: readonly KeptLeaf[];
  low?: bigint;
  mayLack?: boolean;
  signed?: { size: number; root: Buffer };
  last?: bigint;
}

async function compare({ topic, stored, low = 0n, mayLack = false, signed, last }: World) {
  const comparison = compareTree({
    key,
    stored: pages(stored, 3),
    last: last ?? stored.at(-1)?.offset ?? -1n,
    isKept: (offset) => offset < low,
    mayLack,
    signed,
  });
  const end = last ?? stored.at(-1)?.offset ?? -1n;
  const given = topic.filter((r) => r.offset >= low && r.offset <= end);
  for (let i = 0; i < given.length; i += 4) await comparison.take(given.slice(i, i + 4));
  return comparison.end();
}

/** Offsets with holes, as control records leave them. */
const offsets = fc
  .uniqueArray(fc.bigInt({ min: 0n, max: 200n }), { minLength: 3, maxLength: 40 })
  .map((list) => list.sort((a, b) => (a < b ? -1 : 1)));

describe('a topic beside the store', () => {
  test('that hold the same give the same root, whatever the topic deleted meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(offsets, fc.nat(), async (list, at) => {
        const records = list.map((o) => record(o));
        const stored = records.map(kept);
        const low = list[at % list.length] as bigint;
        const root = independentRoot(stored.map((s) => s.leaf));
        const size = 1 + (at % stored.length);
        const signed = { size, root: independentRoot(stored.slice(0, size).map((s) => s.leaf)) };
        const result = await compare({ topic: records, stored, low, signed });
        expect(result).toMatchObject({ status: 'same', offset: undefined, detail: '' });
        expect(result.root.equals(root)).toBe(true);
        expect([result.kept, result.replayed]).toEqual([
          list.filter((o) => o < low).length,
          list.filter((o) => o >= low).length,
        ]);
      }),
    );
  });

  test('one record changed, lost, doubled or invented in the store is named by its offset', async () => {
    await fc.assert(
      fc.asyncProperty(
        offsets,
        fc.nat(),
        fc.constantFrom('differs', 'lost', 'doubled', 'invented'),
        async (list, pick, what) => {
          const records = list.map((o) => record(o * 2n));
          const stored = records.map(kept);
          // Behind the last there is nothing to compare with.
          const at = pick % (stored.length - 1);
          const offset = records[at]?.offset as bigint;
          if (what === 'differs') stored[at] = kept(record(offset, 'doctored'));
          if (what === 'lost') stored.splice(at, 1);
          if (what === 'doubled') stored.splice(at, 0, stored[at] as KeptLeaf);
          if (what === 'invented') stored.splice(at + 1, 0, kept(record(offset + 1n)));
          const result = await compare({ topic: records, stored });
          const status = what === 'doubled' || what === 'invented' ? 'extra' : what;
          expect([result.status, result.offset]).toEqual([
            status,
            what === 'invented' ? offset + 1n : offset,
          ]);
        },
      ),
    );
  });

  test('of a compacted topic the store may hold more, and not other records', async () => {
    const stored = [0n, 1n, 2n, 3n].map((o) => kept(record(o)));
    const topic = [record(1n), record(3n)];
    const result = await compare({ topic, stored, mayLack: true });
    expect([result.status, result.kept, result.replayed]).toEqual(['same', 2, 2]);
    expect(result.root.equals(independentRoot(stored.map((s) => s.leaf)))).toBe(true);
    const other = await compare({ topic: [record(1n), record(3n, 'x')], stored, mayLack: true });
    expect([other.status, other.offset]).toEqual(['differs', 3n]);
  });

  test('a topic that ends before the store: from there on the store has more', async () => {
    const stored = [0n, 1n, 2n].map((o) => kept(record(o)));
    const result = await compare({ topic: [record(0n)], stored });
    expect([result.status, result.offset]).toEqual(['extra', 1n]);
  });

  test('what came to the store after we began is not looked at', async () => {
    const stored = [0n, 1n, 2n].map((o) => kept(record(o)));
    const result = await compare({ topic: [record(0n), record(1n)], stored, last: 1n });
    expect([result.status, result.replayed]).toEqual(['same', 2]);
  });

  test('agreeing with each other and not with what was signed is told', async () => {
    const records = [0n, 1n, 2n].map((o) => record(o));
    const stored = records.map(kept);
    const other = await compare({ topic: records, stored, signed: { size: 2, root: Buffer.alloc(32) } });
    expect([other.status, other.offset]).toEqual(['differs', undefined]);
    const more = await compare({ topic: records, stored, signed: { size: 4, root: Buffer.alloc(32) } });
    expect([more.status, more.offset]).toEqual(['lost', 3n]);
  });
});
