import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { hourTail } from '../../src/detect/baseline/hourOfWeek.ts';
import { negativeBinomialTail } from '../../src/detect/baseline/negativeBinomial.ts';

const table = readFileSync(`${packageRoot}test/fixtures/baseline/negative-binomial.csv`, 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(',').map(Number) as [k: number, mean: number, size: number, tail: number]);

describe('the tail of the negative binomial', () => {
  it(`is right on ${table.length} cases summed in 400 digits, down to 1e-300`, () => {
    let worst = 0;
    for (const [k, mean, size, tail] of table) {
      worst = Math.max(worst, Math.abs(negativeBinomialTail(k, mean, size) / tail - 1));
    }
    // Six digits are far more than a threshold needs; one minus a cdf has none left at 1e-17.
    expect(worst).toBeLessThan(1e-6);
    expect(Math.min(...table.map((r) => r[3]))).toBeLessThan(1e-250);
  });

  it('falls with k, rises with the mean, and is a chance', () => {
    const mean = fc.double({ min: 1e-6, max: 1e4, noNaN: true });
    const size = fc.double({ min: 0.05, max: 100, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), mean, size, (k, m, r) => {
        const p = negativeBinomialTail(k, m, r);
        expect(p).toBeGreaterThanOrEqual(0);
        expect(p).toBeLessThanOrEqual(1 + 1e-12);
        expect(negativeBinomialTail(k + 1, m, r)).toBeLessThanOrEqual(p * (1 + 1e-9));
        expect(negativeBinomialTail(k, m * 2, r)).toBeGreaterThanOrEqual(p * (1 - 1e-9));
      }),
    );
  });

  it('has its ends: nothing is sure, and something where nothing is expected is impossible', () => {
    expect(negativeBinomialTail(0, 3, 1)).toBe(1);
    expect(negativeBinomialTail(1, 0, 1)).toBe(0);
  });

  it('three acts where 0.2 are expected are rare, not a miracle: z would say 6', () => {
    // Nearly Poisson: 1 - e^-0.2 (1 + 0.2 + 0.02) = 0.00115.
    expect(negativeBinomialTail(3, 0.2, 1e6)).toBeCloseTo(0.00115, 5);
  });
});

describe('an hour', () => {
  it('is as rare as it is active at all, times its volume when it is', () => {
    const expectation = { active: 0.01, volume: 3, size: 1 };
    expect(hourTail(0, expectation)).toBe(1);
    expect(hourTail(1, expectation)).toBe(0.01);
    // Beyond the first act a geometric with mean 2: P(at least j more) = (2/3)^j.
    expect(hourTail(4, expectation)).toBeCloseTo(0.01 * (2 / 3) ** 3, 12);
  });
});
