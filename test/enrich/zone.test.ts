import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileHours } from '../../src/enrich/hours.ts';
import { dayOf, isZone, zoneClock } from '../../src/enrich/zone.ts';

const zones = [
  'Europe/Paris',
  'America/New_York',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'Pacific/Chatham',
  'UTC',
];

describe('local time', () => {
  it('equals what Intl says for any instant and zone', () => {
    const instant = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2035, 0, 1) });
    fc.assert(
      fc.property(fc.constantFrom(...zones), instant, (zone, ms) => {
        const at = zoneClock(zone)(ms);
        const text = new Intl.DateTimeFormat('sv-SE', {
          timeZone: zone,
          dateStyle: 'short',
          timeStyle: 'short',
        }).format(ms);
        const date = new Date(at.day * 86_400_000);
        const clock = `${String(Math.floor(at.minuteOfDay / 60)).padStart(2, '0')}:${String(at.minuteOfDay % 60).padStart(2, '0')}`;
        expect(`${date.toISOString().slice(0, 10)} ${clock}`).toBe(text);
        expect(at.weekday).toBe(date.getUTCDay());
      }),
      { numRuns: 500 },
    );
  });

  it('turns at the minute the clocks change', () => {
    const paris = zoneClock('Europe/Paris');
    expect(paris(Date.parse('2026-03-29T00:59:00Z')).minuteOfDay).toBe(1 * 60 + 59);
    expect(paris(Date.parse('2026-03-29T01:00:00Z')).minuteOfDay).toBe(3 * 60);
    expect(dayOf('2026-03-29')).toBe(paris(Date.parse('2026-03-29T12:00:00Z')).day);
  });

  it('knows which zones exist', () => {
    expect(isZone('Europe/Berlin')).toBe(true);
    expect(isZone('Europe/Berlinn')).toBe(false);
  });
});

describe('hours', () => {
  const utc = zoneClock('UTC');
  const at = (iso: string) => utc(Date.parse(iso));
  it('opens on the first minute and closes before the last', () => {
    const isOpen = compileHours('Mon-Fri 08:00-19:00');
    expect(isOpen(at('2026-09-07T08:00:00Z'))).toBe(true);
    expect(isOpen(at('2026-09-07T07:59:59Z'))).toBe(false);
    expect(isOpen(at('2026-09-07T18:59:59Z'))).toBe(true);
    expect(isOpen(at('2026-09-07T19:00:00Z'))).toBe(false);
    expect(isOpen(at('2026-09-05T12:00:00Z'))).toBe(false);
  });
  it('runs past midnight and past the end of the week', () => {
    const isOpen = compileHours('Sat-Sun 22:00-06:00, Wed 12:00-13:00');
    expect(isOpen(at('2026-09-06T02:00:00Z'))).toBe(true);
    expect(isOpen(at('2026-09-07T05:59:00Z'))).toBe(true);
    expect(isOpen(at('2026-09-08T02:00:00Z'))).toBe(false);
    expect(isOpen(at('2026-09-09T12:30:00Z'))).toBe(true);
  });
});
