import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KwRecord } from '../../src/core/record.ts';
import { worstVerdict } from '../../src/ledger/audit/findings.ts';
import type { Pin } from '../../src/ledger/audit/pins.ts';
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
    pins.push({ size: frontier.size, root, isInStore: true, isOutside: true, conflict: undefined });
  }
  return pins;
}

function audit(rows: readonly Row[], pins: readonly Pin[], transport: Transport) {
  const tree = createTreeAudit(key, transport, pins);
  for (const { record, leaf } of rows) tree.add({ record, leaf, ingestedAt: 0, isAsWritten: true });
  return tree.end(false).findings;
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
  it('is intact when nothing was changed, holes in the offsets or not', () => {
    fc.assert(
      fc.property(scene, (s) => {
        const rows = rowsOf(s.holes, s.transport);
        expect(audit(rows, pinsAt(rows, s.sizes), s.transport)).toEqual([]);
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
    it(`is never intact with ${name}, wherever the checkpoints stand`, () => {
      fc.assert(
        fc.property(scene, (s) => {
          const rows = rowsOf(s.holes, s.transport);
          const pins = pinsAt(rows, s.sizes);
          const at = s.pick % rows.length;
          const findings = audit(change(rows, at, s.transport), pins, s.transport);
          expect(['tampered', 'truncated']).toContain(worstVerdict(findings));
        }),
      );
    });
  }

  it('names the offset of changed bytes whatever else stands in the tree', () => {
    fc.assert(
      fc.property(scene, (s) => {
        const rows = rowsOf(s.holes, s.transport);
        const at = s.pick % rows.length;
        const findings = audit(rows.with(at, changed(rows, at)), pinsAt(rows, s.sizes), s.transport);
        expect(findings).toMatchObject([{ class: 'modified', offset: rows[at]?.record.offset }]);
      }),
    );
  });

  it('names changed bytes and doubled records also after the newest checkpoint', () => {
    const rows = rowsOf(new Array(40).fill(1), 'kafka');
    const pins = pinsAt(rows.slice(0, 20), []);
    expect(audit(rows.with(30, changed(rows, 30)), pins, 'kafka')).toMatchObject([
      { class: 'modified', offset: 30n },
    ]);
    expect(audit(rows.toSpliced(30, 0, rows[30] as Row), pins, 'kafka')).toMatchObject([
      { class: 'inserted', offset: 30n },
    ]);
  });

  it('names a record slipped into a lawful hole of a topic, by leaving each out in turn', () => {
    const rows = rowsOf(new Array(40).fill(2), 'kafka');
    const pins = pinsAt(rows, [20]);
    const intruder = rebuilt({ ...changed(rows, 25).record, offset: 51n }, 'kafka');
    expect(audit(rows.toSpliced(26, 0, intruder), pins, 'kafka')).toMatchObject([
      { class: 'inserted', offset: 51n },
    ]);
  });

  it('names the hole a deleted record leaves in a topic without holes', () => {
    const rows = rowsOf(new Array(40).fill(1), 'kafka');
    expect(audit(rows.toSpliced(25, 1), pinsAt(rows, [20]), 'kafka')).toMatchObject([
      { class: 'deleted', offset: 25n },
    ]);
  });

  it('says truncated, not deleted, when the end is gone', () => {
    const rows = rowsOf(new Array(40).fill(1), 'kafka');
    expect(audit(rows.slice(0, 33), pinsAt(rows, [20]), 'kafka')).toMatchObject([
      { class: 'truncated', offset: 32n },
    ]);
  });
});

function changed(rows: readonly Row[], at: number): Row {
  const { record, leaf } = rows[at] as Row;
  return { record: { ...record, value: Buffer.from('{"event":"forged"}') }, leaf };
}
