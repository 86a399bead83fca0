import { describe, expect, it } from 'vitest';
import { timeWatch } from '../../src/ledger/audit/metaTimes.ts';
import { type MetaLeaf, timeOfLeaf } from '../../src/ledger/meta.ts';

const minute = 60_000;
const start = Date.parse('2026-10-01T00:00:00Z');
const leaf = (time: number, lines: MetaLeaf['lines'] = []): MetaLeaf => ({ kind: 'heartbeat', time, lines });

/** What is said of leaves at these minutes, anchored so. */
function said(leaves: readonly MetaLeaf[], outside: readonly { size: number; time: number }[] = []) {
  const watch = timeWatch(outside);
  for (const [index, l] of leaves.entries()) watch.see(index, l);
  return { places: watch.findings.map((f) => Number(f.offset)), notes: watch.notes };
}

describe('times of the meta-log', () => {
  it('may stand still and go on, however long the log was silent', () => {
    expect(said([0, 0, 1, 90_000, 90_001].map((m) => leaf(start + m * minute)))).toEqual({
      places: [],
      notes: [],
    });
  });

  it('may go back where the leaf that the ledger writes then says so, and it is listed', () => {
    const before = leaf(start + 60 * minute);
    const { time, noted } = timeOfLeaf('heartbeat', start, before);
    const { places, notes } = said([before, leaf(time, noted), leaf(start + minute)]);
    expect(places).toEqual([]);
    expect(notes).toEqual(['the clock went back from 2026-10-01T01:00:00.000Z to 2026-10-01T00:00:00.000Z']);
  });

  it('are back-dated where they go back without a word, or with a word about another leaf', () => {
    const before = leaf(start + 60 * minute);
    expect(said([before, leaf(start)]).places).toEqual([1]);
    const other = leaf(start, [['clock', new Date(start + 61 * minute).toISOString()]]);
    expect(said([before, other]).places).toEqual([1]);
  });

  it('are back-dated where less of the log was anchored long before, whatever the leaves say of each other', () => {
    const leaves = [0, 1, 2, 3].map((m) => leaf(start + m * minute));
    expect(said(leaves, [{ size: 2, time: start + 12 * minute }]).places).toEqual([]);
    expect(said(leaves, [{ size: 2, time: start + 60 * minute }]).places).toEqual([2, 3]);
  });

  it('are not held against an anchor from before a clock was set back', () => {
    const late = leaf(start + 60 * minute);
    const { time, noted } = timeOfLeaf('heartbeat', start, late);
    const leaves = [late, leaf(time, noted), leaf(start + minute)];
    expect(said(leaves, [{ size: 1, time: start + 60 * minute }]).places).toEqual([]);
  });

  it('are not later than the anchor line that ends with them', () => {
    const leaves = [leaf(start), leaf(start + 60 * minute)];
    expect(said(leaves, [{ size: 2, time: start + 55 * minute }]).places).toEqual([]);
    expect(said(leaves, [{ size: 2, time: start + 5 * minute }]).places).toEqual([1]);
  });

  it('of a key leaf, which has no room for a word, never go back', () => {
    expect(timeOfLeaf('key', start, leaf(start + minute))).toEqual({ time: start + minute, noted: [] });
  });
});
