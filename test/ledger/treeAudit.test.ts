import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KwRecord } from '../../src/core/record.ts';
import { type Finding, worstVerdict } from '../../src/ledger/audit/findings.ts';
import type { Pin } from '../../src/ledger/audit/pins.ts';
import { beginning, type Place, type TreeRow } from '../../src/ledger/audit/rows.ts';
import { createTreeAudit } from '../../src/ledger/audit/tree.ts';
import { leafHash, type Transport } from '../../src/ledger/leaf.ts';
import { appendLeaf, emptyFrontier, frontierRoot } from '../../src/ledger/tree.ts';

const key = { stream: 'main.audit', partition: 0, epoch: 0 };
interface Row {
  record: KwRecord;
  leaf: Buffer;
}

/** Records whose offsets leave lawful holes, as compaction and transactions do in Kafka. */
const steps = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 60 });
function rowsOf(holes: readonly number[], transport: Transport): Row[] {
  let offset = 0n;
  return holes.map((step, i) => {
    const value = Buffer.from(`{"event":${i}}`);
    const record = { ...key, offset, timestamp: 0, key: null, headers: [], value };
    offset += transport === 'kafka' ? BigInt(step) : BigInt(value.length + 1);
    return { record, leaf: leafHash(record, transport) };
  });
}

function pinsAt(rows: readonly Row[], sizes: readonly number[]): Pin[] {
  const frontier = emptyFrontier();
  const pins: Pin[] = [];
  for (const { leaf } of rows) {
    appendLeaf(frontier, leaf);
    if (!sizes.includes(frontier.size) && frontier.size !== rows.length) continue;
    const root = frontierRoot(frontier);
    pins.push({ size: frontier.size, roots: [{ root, isInStore: true, isOutside: true }] });
  }
  return pins;
}

/** `signed`: the rows as they were when they were signed; tiles keep their leaves. */
async function audit(
  rows: readonly Row[],
  pins: readonly Pin[],
  transport: Transport,
  signed: readonly Row[] = [],
): Promise<readonly Finding[]> {
  const treeRows = rows
    .map(({ record, leaf }): TreeRow => {
      const bytes = leafHash(record, transport);
      const derived = bytes.equals(leaf) ? undefined : bytes;
      const { offset } = record;
      const length = record.value?.length ?? 0;
      return { offset, length, leaf, derived, gone: undefined, isErased: false, record: () => record };
    })
    .sort((a, b) => Number(a.offset - b.offset));
  const behind = ({ offset }: Place) => treeRows.filter((row) => row.offset > offset);
  const tree = createTreeAudit({
    tree: 'main.audit/0/0',
    transport,
    pins,
    source: {
      async *rows(after) {
        yield* behind(after);
      },
      leaves: async (from, to) => signed.slice(from, to).map((r) => r.leaf),
    },
    stored: rows.length,
  });
  for (let place: Place = beginning; ; ) {
    const end = (await tree.page(behind(place))) ?? (await tree.end(false));
    if ('findings' in end) return end.findings;
    place = end;
  }
}

const transport = fc.constantFrom<Transport>('kafka', 'file');
const scene = fc.record({
  holes: steps,
  sizes: fc.array(fc.nat(60), { maxLength: 5 }),
  pick: fc.nat(),
  transport,
});
const rebuilt = (record: KwRecord, t: Transport): Row => ({ record, leaf: leafHash(record, t) });

describe('a tree derived again', () => {
  it('is intact when nothing was changed, holes in the offsets or not', async () => {
    await fc.assert(
      fc.asyncProperty(scene, async (s) => {
        const rows = rowsOf(s.holes, s.transport);
        expect(await audit(rows, pinsAt(rows, s.sizes), s.transport)).toEqual([]);
      }),
    );
  });

  const changes: readonly [string, (rows: Row[], at: number, t: Transport) => Row[]][] = [
    ['bytes changed', (rows, at) => rows.with(at, changed(rows, at))],
    ['bytes and leaf changed', (rows, at, t) => rows.with(at, rebuilt(changed(rows, at).record, t))],
    ['a record deleted', (rows, at) => rows.toSpliced(at, 1)],
    ['the tail cut', (rows, at) => rows.slice(0, at)],
    ['a record doubled', (rows, at) => rows.toSpliced(at, 0, rows[at] as Row)],
    [
      'a record slipped in',
      (rows, at, t) =>
        rows.toSpliced(
          at + 1,
          0,
          rebuilt({ ...changed(rows, at).record, offset: rows[at]?.record.offset ?? 0n }, t),
        ),
    ],
    [
      'two neighbours exchanged with their leaves',
      (rows, at) => {
        const other = at === 0 ? 1 : at - 1;
        const [a, b] = [rows[at] as Row, rows[other] as Row];
        return rows
          .with(at, { record: { ...b.record, offset: a.record.offset }, leaf: b.leaf })
          .with(other, { record: { ...a.record, offset: b.record.offset }, leaf: a.leaf });
      },
    ],
  ];
  for (const [name, change] of changes) {
    it(`is never intact with ${name}, wherever the checkpoints stand`, async () => {
      await fc.assert(
        fc.asyncProperty(scene, async (s) => {
          const rows = rowsOf(s.holes, s.transport);
          const pins = pinsAt(rows, s.sizes);
          const at = s.pick % rows.length;
          const findings = await audit(change(rows, at, s.transport), pins, s.transport);
          expect(['tampered', 'truncated']).toContain(worstVerdict(findings));
        }),
      );
    });
  }

  it('names the offset of changed bytes whatever else stands in the tree', async () => {
    await fc.assert(
      fc.asyncProperty(scene, async (s) => {
        const rows = rowsOf(s.holes, s.transport);
        const at = s.pick % rows.length;
        const findings = await audit(rows.with(at, changed(rows, at)), pinsAt(rows, s.sizes), s.transport);
        expect(findings).toMatchObject([{ class: 'modified', offset: rows[at]?.record.offset }]);
      }),
    );
  });

  it('names changed bytes and doubled records also after the newest checkpoint', async () => {
    const rows = rowsOf(new Array(40).fill(1), 'kafka');
    const pins = pinsAt(rows.slice(0, 20), []);
    expect(await audit(rows.with(30, changed(rows, 30)), pins, 'kafka')).toMatchObject([
      { class: 'modified', offset: 30n },
    ]);
    expect(await audit(rows.toSpliced(30, 0, rows[30] as Row), pins, 'kafka')).toMatchObject([
      { class: 'inserted', offset: 30n },
    ]);
  });

  it('names a record slipped into a lawful hole of a topic, by leaving each out in turn', async () => {
    const rows = rowsOf(new Array(40).fill(2), 'kafka');
    const pins = pinsAt(rows, [20]);
    const intruder = rebuilt({ ...changed(rows, 25).record, offset: 51n }, 'kafka');
    expect(await audit(rows.toSpliced(26, 0, intruder), pins, 'kafka')).toMatchObject([
      { class: 'inserted', offset: 51n },
    ]);
  });

  it('names the hole a deleted record leaves in a topic without holes', async () => {
    const rows = rowsOf(new Array(40).fill(1), 'kafka');
    expect(await audit(rows.toSpliced(25, 1), pinsAt(rows, [20]), 'kafka')).toMatchObject([
      { class: 'deleted', offset: 25n },
    ]);
  });

  it('says truncated, not deleted, when the end is gone', async () => {
    const rows = rowsOf(new Array(40).fill(1), 'kafka');
    expect(await audit(rows.slice(0, 33), pinsAt(rows, [20]), 'kafka')).toMatchObject([
      { class: 'truncated', offset: 32n },
    ]);
  });
});

describe('a tree whose tiles still hold what was signed', () => {
  /** Every change, and the class and place that must be named, exactly. */
  const exact: readonly [
    string,
    (rows: Row[], at: number, t: Transport) => Row[],
    string,
    (rows: Row[], at: number) => bigint,
  ][] = [
    [
      'modified',
      (rows, at) => rows.with(at, changed(rows, at)),
      'modified',
      (rows, at) => offsetAt(rows, at),
    ],
    [
      'modified with its leaf',
      (rows, at, t) => rows.with(at, rebuilt(changed(rows, at).record, t)),
      'modified',
      (rows, at) => offsetAt(rows, at),
    ],
    [
      'in its leaf alone',
      (rows, at) => rows.with(at, { record: (rows[at] as Row).record, leaf: Buffer.alloc(32, 7) }),
      'leaf-modified',
      (rows, at) => offsetAt(rows, at),
    ],
    [
      'doubled',
      (rows, at) => rows.toSpliced(at, 0, rows[at] as Row),
      'inserted',
      (rows, at) => offsetAt(rows, at),
    ],
  ];
  for (const [name, change, kind, place] of exact) {
    it(`names one record ${name}, and nothing else`, async () => {
      await fc.assert(
        fc.asyncProperty(scene, async (s) => {
          const rows = rowsOf(s.holes, s.transport);
          const at = s.pick % rows.length;
          const findings = await audit(
            change(rows, at, s.transport),
            pinsAt(rows, s.sizes),
            s.transport,
            rows,
          );
          expect(findings).toMatchObject([{ class: kind, offset: place(rows, at) }]);
        }),
      );
    });
  }

  it('names the place of a deleted record, also where a topic has lawful holes before it', async () => {
    await fc.assert(
      fc.asyncProperty(scene, async (s) => {
        const rows = rowsOf(s.holes, s.transport);
        const at = s.pick % (rows.length - 1);
        const findings = await audit(rows.toSpliced(at, 1), pinsAt(rows, s.sizes), s.transport, rows);
        const before = rows[at - 1]?.record;
        // In a topic with holes nobody knows how wide the hole was: it begins behind the record before.
        const [first, second] = [offsetAt(rows, 0), offsetAt(rows, 1)];
        const atFirst = s.transport === 'file' ? first : second - 1n;
        const behind = s.transport === 'file' ? offsetAt(rows, at) : (before?.offset ?? 0n) + 1n;
        const place = before === undefined ? atFirst : behind;
        expect(findings).toMatchObject([{ class: 'deleted', offset: place }]);
      }),
    );
  });

  it('names the last record that is left when the end is gone, and how many went', async () => {
    await fc.assert(
      fc.asyncProperty(scene, async (s) => {
        const rows = rowsOf(s.holes, s.transport);
        const left = 1 + (s.pick % (rows.length - 1));
        const findings = await audit(rows.slice(0, left), pinsAt(rows, s.sizes), s.transport, rows);
        expect(findings).toMatchObject([{ class: 'truncated', offset: offsetAt(rows, left - 1) }]);
        const gone = rows.length - left;
        if (gone > 1) expect(findings[0]?.detail).toContain(`(${gone} records)`);
      }),
    );
  });

  it('names each of several changes, and holds what stands between them against its pins', async () => {
    const rows = rowsOf(new Array(60).fill(1), 'kafka');
    const pins = pinsAt(rows, [10, 20, 30, 40, 50]);
    const tampered = rows
      .with(5, changed(rows, 5))
      .with(33, rebuilt(changed(rows, 33).record, 'kafka'))
      .toSpliced(55, 1)
      .toSpliced(22, 1);
    expect(await audit(tampered, pins, 'kafka', rows)).toMatchObject([
      { class: 'modified', offset: 5n },
      { class: 'deleted', offset: 22n },
      { class: 'modified', offset: 33n },
      { class: 'deleted', offset: 55n },
    ]);
  });

  it('says that records were exchanged, with their leaves or with leaves made new, near or far', async () => {
    const rows = rowsOf(new Array(60).fill(1), 'kafka');
    const pins = pinsAt(rows, [30]);
    for (const [a, b] of [
      [10, 11],
      [3, 27],
      // A checkpoint lies between the two.
      [29, 30],
    ] as const) {
      const at = (place: number, from: number) => ({ ...(rows[from] as Row).record, offset: BigInt(place) });
      const kept = rows
        .with(a, { record: at(a, b), leaf: (rows[b] as Row).leaf })
        .with(b, { record: at(b, a), leaf: (rows[a] as Row).leaf });
      const made = rows.with(a, rebuilt(at(a, b), 'kafka')).with(b, rebuilt(at(b, a), 'kafka'));
      for (const tampered of [kept, made]) {
        expect(await audit(tampered, pins, 'kafka', rows)).toMatchObject([
          { class: 'reordered', offset: BigInt(a) },
          { class: 'reordered', offset: BigInt(b) },
        ]);
      }
    }
  });
});

const offsetAt = (rows: readonly Row[], at: number) => (rows[at] as Row).record.offset;
function changed(rows: readonly Row[], at: number): Row {
  const { record, leaf } = rows[at] as Row;
  return { record: { ...record, value: Buffer.from('{"event":"forged"}') }, leaf };
}
