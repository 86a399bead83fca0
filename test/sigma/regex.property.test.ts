import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold } from '../../src/detect/sigma/fold.ts';
import { compileRegex } from '../../src/detect/sigma/regex.ts';

const piece = fc.constantFrom(
  ...[
    'a',
    'b',
    'ab',
    'K',
    '.',
    '\\.',
    '\\w',
    '[ab]',
    '[^a]',
    '[]a]',
    '[[]',
    '(ab)',
    '(a|b)',
    '(?i)',
    'a*',
    'b+',
  ],
  ...[
    'a?',
    'b{2}',
    'a{0,1}',
    '(ab)*',
    '^',
    '$',
    '|',
    '\\d',
    '\\x61',
    '{',
    '}',
    ')',
    '(',
    '[[:alpha:]]',
    '(?:b)',
  ],
);
const pattern = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'B', 'K', '.', '1', 'x', '{', ']'), maxLength: 8 });

describe('what the index takes from a regular expression', () => {
  it('stands in every text that matches', () => {
    let sure = 0;
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 20, maxLength: 20 }), (source, texts) => {
        const regex = compileRegex(source, new Set());
        if (typeof regex === 'string') return;
        if (regex.sure !== '') sure += 1;
        for (const t of texts) if (regex.test(t)) expect(fold(t)).toContain(regex.sure);
      }),
      { numRuns: 10_000 },
    );
    expect(sure).toBeGreaterThan(500);
  }, 60_000);

  it('takes a hostile pattern in linear time', () => {
    const regex = compileRegex('^(a+)+$', new Set());
    if (typeof regex === 'string') throw new Error(regex);
    const started = performance.now();
    expect(regex.test(`${'a'.repeat(50_000)}b`)).toBe(false);
    // A backtracking engine needs 2^50000 steps; the bound is only far from that.
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
