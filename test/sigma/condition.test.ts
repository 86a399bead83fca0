import { describe, expect, it } from 'vitest';
import { loaded, ruleText } from './support.ts';

/** The selections hold for an event that has their letter. */
function holds(condition: unknown, ...letters: string[]): boolean {
  const selections = Object.fromEntries(
    ['sel_a', 'sel_b', 'other', '_hidden'].map((name) => [name, { [name]: 'yes' }]),
  );
  const event = Object.fromEntries(letters.map((name) => [name, 'yes']));
  const set = loaded(ruleText({ ...selections, condition }));
  return set.match({ logsource: { product: 'p' }, native: event }).length === 1;
}

describe('a condition', () => {
  it.each([
    ['sel_a or sel_b and other', ['sel_a'], true],
    ['sel_a or sel_b and other', ['sel_b'], false],
    ['(sel_a or sel_b) and other', ['sel_a'], false],
    ['not sel_a and sel_b', ['sel_b'], true],
    ['not (sel_a and sel_b)', ['sel_a'], true],
    ['not not sel_a', ['sel_a'], true],
    ['1 of sel_*', ['sel_b'], true],
    ['any of sel_*', ['sel_b'], true],
    ['all of sel_*', ['sel_b'], false],
    ['all of sel_*', ['sel_a', 'sel_b'], true],
    ['not 1 of sel_* and other', ['other'], true],
    ['not all of sel_* and other', ['other', 'sel_a'], true],
    ['1 of them', ['other'], true],
    ['1 of them', ['_hidden'], false],
    ['all of them', ['sel_a', 'sel_b', 'other'], true],
    ['1 of *', ['_hidden'], false],
    ['1 of _*', ['_hidden'], true],
    ['1 of sel_a', ['sel_a'], true],
    ['1 of sel', ['sel_a'], undefined],
    ['_hidden', ['_hidden'], true],
    ['sel_a AND NOT sel_b', ['sel_a'], true],
    [['sel_a', 'sel_b'], ['sel_b'], true],
    [['sel_a and other', 'sel_b'], ['other'], false],
  ])('%j with %j', (condition, letters, verdict) => {
    if (verdict === undefined) expect(() => holds(condition, ...letters)).toThrow(/matches no selection/);
    else expect(holds(condition, ...letters)).toBe(verdict);
  });
});
