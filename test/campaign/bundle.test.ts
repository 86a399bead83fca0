import { describe, expect, it } from 'vitest';
import { attackBundles } from './bundle.ts';
import { attacks } from './bundleAttacks.ts';

describe('the tamper campaign on bundles, in short', () => {
  it('every attack is detected and placed, and nothing else is, by both verifiers', () => {
    const { classes, clean, falseAlarms, byScript, wrong } = attackBundles(1, 5, () => undefined);
    expect(wrong).toEqual([]);
    expect([...classes.keys()].sort()).toEqual(Object.keys(attacks).sort());
    expect(classes.size).toBeGreaterThanOrEqual(12);
    for (const [name, { cases, detected, located }] of classes) {
      expect([detected, located], name).toEqual([cases, cases]);
    }
    expect([clean, falseAlarms]).toEqual([10, 0]);
    expect(byScript).toBeGreaterThan(2);
  });
});
