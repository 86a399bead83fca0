import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { areTwoApprovers } from '../../src/ledger/approvers.ts';
import { erasureLines, parseErasure } from '../../src/ledger/erasure.ts';
import { type HoldAct, holdLines, holdsInForce, parseHold } from '../../src/ledger/hold.ts';
import { type MetaLine, metaTexts, parseMeta } from '../../src/ledger/meta.ts';
import { parseRetention, retentionLines } from '../../src/ledger/retention.ts';

const time = Date.parse('2026-10-01T00:00:00Z');
const key = { stream: 'main.vault-audit', partition: 3, epoch: 1 };
const leafOf = (kind: 'retention' | 'hold' | 'erasure', lines: readonly MetaLine[]) => {
  const texts = metaTexts({ kind, time, lines });
  expect(texts).toHaveLength(1);
  const leaf = parseMeta(texts[0] as Buffer);
  if (leaf === undefined) throw new Error('not a leaf');
  return { text: String(texts[0]), leaf };
};

describe('the leaves of retention, holds and erasure', () => {
  it('say in plain lines what was dropped, of which tree, on whose word', () => {
    const range = {
      tree: 'main.vault-audit/3/1',
      month: '202509',
      from: 7,
      count: 2,
      first: 41n,
      last: 9_007_199_254_740_993n,
      root: Buffer.alloc(32, 1),
      policy: 'keep 12m',
      approvers: ['Ada', 'Grace'],
      holds: 1,
    };
    const { text, leaf } = leafOf('retention', retentionLines(range, 'ops'));
    expect(text).toBe(
      'keywitness-meta/v1\nkind retention\ntime 2026-10-01T00:00:00.000Z\nmonth 202509\ntree main.vault-audit/3/1\n' +
        'from 7\ncount 2\nfirst 41\nlast 9007199254740993\nroot AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n' +
        'policy keep 12m\napprover Ada\napprover Grace\nholds 1\nby ops\n',
    );
    expect(parseRetention(leaf)).toEqual(range);
  });

  it('say which record was erased and why', () => {
    const erased = {
      offset: 41n,
      index: 7,
      leaf: Buffer.alloc(32, 0xab),
      basis: 'GDPR 17',
      approvers: ['Ada', 'Grace'],
    };
    const { text, leaf } = leafOf('erasure', erasureLines(key, erased, 'ops'));
    expect(text).toBe(
      'keywitness-meta/v1\nkind erasure\ntime 2026-10-01T00:00:00.000Z\ntree main.vault-audit/3/1\noffset 41\nindex 7\n' +
        `leaf ${'ab'.repeat(32)}\nbasis GDPR 17\napprover Ada\napprover Grace\nby ops\n`,
    );
    expect(parseErasure(leaf)).toEqual({ tree: 'main.vault-audit/3/1', ...erased });
  });

  it('say what a hold keeps, whatever stands in its words', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 40 }).filter((t) => Buffer.from(t).toString() === t);
    const times = fc.integer({ min: 0, max: 4_000_000_000_000 });
    const scopes = fc.record(
      { stream: texts, secret: texts, identity: texts, from: times, to: times },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(scopes, texts, (scope, reason) => {
        const act = { id: 'case-7', act: 'add' as const, scope, by: 'Ada', reason };
        expect(parseHold(leafOf('hold', holdLines(act)).leaf)).toEqual({ ...act, at: time });
      }),
    );
  });

  it('leave in force what was added and not released', () => {
    const act = (id: string, what: HoldAct['act']): HoldAct => ({
      id,
      act: what,
      scope: {},
      by: 'Ada',
      reason: '',
      at: time,
    });
    const acts = [act('a', 'add'), act('b', 'add'), act('a', 'release'), act('c', 'release')];
    expect(holdsInForce(acts).map((h) => h.id)).toEqual(['b']);
    expect(holdsInForce([...acts, act('a', 'add')]).map((h) => h.id)).toEqual(['b', 'a']);
  });

  it('need two people: the same name written in another way is one', () => {
    expect(areTwoApprovers(['Ada', 'Grace'])).toBe(true);
    const one = [[], ['Ada'], ['Ada', ''], ['Ada', ' '], ['Ada', 'ada'], ['Ada', ' Ada '], ['Ａda', 'Ada']];
    for (const names of one) expect(areTwoApprovers(names)).toBe(false);
    // Nobody sees a difference: zero width space and joiner, soft hyphen, variation selector, control; Cyrillic, Greek.
    const unseen = [
      'A\u200bda',
      'A\ufeffda',
      'Ada\u2800',
      'Ad\u200da',
      'A\u00adda',
      'Ada\ufe0f',
      'Ad\u0007a',
      '\u0410d\u0430',
      '\u0391d\u03b1',
    ];
    for (const name of unseen) expect(areTwoApprovers(['Ada', name])).toBe(false);
    expect(areTwoApprovers(['\u200b', 'Ada'])).toBe(false);
    expect(areTwoApprovers(['José', 'Jose'])).toBe(true);
    expect(areTwoApprovers(['Анна', 'Борис'])).toBe(true);
    expect(areTwoApprovers(['Ada', 'Grace', 'Ada'])).toBe(false);
  });
});
