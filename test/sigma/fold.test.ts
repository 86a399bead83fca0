import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold } from '../../src/detect/sigma/fold.ts';
import { matches } from './support.ts';

describe('case folding', () => {
  it('folds every character of the BMP to one that Unicode simple folding calls the same', () => {
    // With the flags `iu` the engine compares by CaseFolding.txt, simple: an independent word on it.
    const wrong: string[] = [];
    for (let code = 0; code < 0x10000; code += 1) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const char = String.fromCharCode(code);
      const folded = fold(char);
      if (folded === char) continue;
      if (!new RegExp(`^${folded.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$`, 'iu').test(char))
        wrong.push(char);
    }
    expect(wrong).toEqual([]);
  });

  it('folds a text as its characters: a prefix folds like the whole', () => {
    const text = fc.string({ unit: fc.constantFrom(...'aAıİiIßẞſsSKkΣσςé😀ǅ') });
    fc.assert(
      fc.property(text, text, (a, b) => fold(a + b) === fold(a) + fold(b)),
      { numRuns: 5_000 },
    );
  });

  it('changes no length, so that ? stays one character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => [...fold(text)].length === [...text].length),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ['K', 'K', true], // the Kelvin sign
    ['ſ', 's', true],
    ['Σ', 'ς', true],
    ['ẞ', 'ß', true],
    ['ß', 'ss', false],
    ['İ', 'i', false],
    ['ı', 'i', false],
    ['É', 'é', true],
  ])('%s is %s: %s', (a, b, verdict) => {
    expect(matches({ x: a }, { x: b })).toBe(verdict);
  });
});
