import { describe, expect, it } from 'vitest';
import { isoIn, parsePeriod, startOfDay } from '../../src/core/quarter.ts';

const at = (text: string) => Date.parse(text);

describe('a period is half-open and begins at midnight of its zone', () => {
  it('2026Q3 in UTC', () => {
    const p = parsePeriod('2026Q3');
    expect([p.name, p.from, p.to]).toEqual(['2026Q3', at('2026-07-01T00:00Z'), at('2026-10-01T00:00Z')]);
    expect(p.before).toEqual({ name: '2026Q2', from: at('2026-04-01T00:00Z'), to: at('2026-07-01T00:00Z') });
  });
  it('a quarter that begins in winter time and ends in summer time has two offsets', () => {
    const p = parsePeriod('2026q1', 'Europe/Berlin');
    expect([p.name, p.from, p.to]).toEqual(['2026Q1', at('2025-12-31T23:00Z'), at('2026-03-31T22:00Z')]);
    expect(p.before).toEqual({ name: '2025Q4', from: at('2025-09-30T22:00Z'), to: at('2025-12-31T23:00Z') });
  });
  it('halves and years', () => {
    const h = parsePeriod('2026H2', 'America/New_York');
    expect([h.from, h.to, h.before.name]).toEqual([
      at('2026-07-01T04:00Z'),
      at('2027-01-01T05:00Z'),
      '2026H1',
    ]);
    const y = parsePeriod('2026', 'Asia/Kathmandu');
    expect([y.from, y.to, y.before.name]).toEqual([at('2025-12-31T18:15Z'), at('2026-12-31T18:15Z'), '2025']);
  });
  it('two dates, the last not included, and the stretch before of the same length', () => {
    const p = parsePeriod('2026-07-01..2026-07-08', 'Europe/Berlin');
    expect([p.from, p.to]).toEqual([at('2026-06-30T22:00Z'), at('2026-07-07T22:00Z')]);
    expect([p.before.from, p.before.to]).toEqual([at('2026-06-23T22:00Z'), at('2026-06-30T22:00Z')]);
  });
  it('two instants', () => {
    const p = parsePeriod('2026-07-01T06:00Z..2026-07-01T10:00+02:00');
    expect([p.from, p.to]).toEqual([at('2026-07-01T06:00Z'), at('2026-07-01T08:00Z')]);
  });
});

describe('days that clocks make odd', () => {
  it('where midnight is skipped the day begins at 01:00 (Cairo, 2026-04-24)', () => {
    expect(startOfDay(2026, 4, 24, 'Africa/Cairo')).toBe(at('2026-04-23T22:00Z'));
  });
  it('where midnight comes twice the first one counts (Havana, 2026-11-01)', () => {
    expect(startOfDay(2026, 11, 1, 'America/Havana')).toBe(at('2026-11-01T04:00Z'));
  });
  it('where the clock falls back to the day before, midnight is after that (Cairo, 2026-10-30)', () => {
    expect(startOfDay(2026, 10, 30, 'Africa/Cairo')).toBe(at('2026-10-29T22:00Z'));
  });
  it('a day that does not exist begins with the next one (Apia, 2011-12-30)', () => {
    expect(startOfDay(2011, 12, 30, 'Pacific/Apia')).toBe(at('2011-12-30T10:00Z'));
  });
});

it('prints an instant in a zone with its offset', () => {
  expect(isoIn(at('2026-06-30T22:00Z'), 'Europe/Berlin')).toBe('2026-07-01T00:00:00+02:00');
  expect(isoIn(at('2026-01-01T00:00Z'), 'America/St_Johns')).toBe('2025-12-31T20:30:00-03:30');
  expect(isoIn(at('2026-01-01T00:00Z'), 'UTC')).toBe('2026-01-01T00:00:00Z');
});

it.each([
  '2026Q5',
  '2026Q0',
  '2026H3',
  '26Q1',
  'Q3',
  '',
  '..',
  '2026-02-30..2026-03-01',
  '2026-07-02..2026-07-01',
  '2026-07-01..2026-07-01',
  '2026-07-01T06:00..2026-07-02T06:00',
  '0000',
  '9999Q1',
  '2026-07-01..x',
])('refuses %j', (text) => {
  expect(() => parsePeriod(text)).toThrow(/KW_USAGE/);
});

it('refuses a zone that does not exist', () => {
  expect(() => parsePeriod('2026Q3', 'Europe/Atlantis')).toThrow(/no time zone/);
});
