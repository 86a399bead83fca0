import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseExactly } from '../../src/sources/reading/exact.ts';
import { parseText } from '../../src/sources/reading/parse.ts';
import { parseTime } from '../../src/sources/reading/time.ts';

const hasOddities = (text: string) => /__proto__|\\u0000|\\ud[89a-f]|\d{16}/i.test(text);

test('the exact parser agrees with JSON.parse on every ordinary text', () => {
  fc.assert(
    fc.property(fc.json({ depthSize: 'large' }), fc.nat(3), (text, indent) => {
      fc.pre(!hasOddities(text));
      const spaced = JSON.stringify(JSON.parse(text), null, indent);
      expect(parseExactly(spaced)).toEqual({ isOk: true, value: JSON.parse(text) });
    }),
    { numRuns: 2000 },
  );
});

test('the exact parser refuses what JSON.parse refuses', () => {
  fc.assert(
    fc.property(
      fc.json(),
      fc.nat(),
      fc.constantFrom('', ',', '"', '}', ']', ':', '0', '-', '\\', '\n', '\u0001'),
      (text, at, put) => {
        fc.pre(!hasOddities(text));
        const place = at % (text.length + 1);
        const broken = text.slice(0, place) + put + text.slice(place + 1);
        fc.pre(!hasOddities(broken));
        let isJson = true;
        try {
          JSON.parse(broken);
        } catch {
          isJson = false;
        }
        const read = parseExactly(broken);
        // It stops at the first thing that is wrong: what follows a repeated key is not looked at.
        fc.pre(read.isOk || read.reason !== 'duplicate_key');
        expect(read.isOk).toBe(isJson);
      },
    ),
    { numRuns: 3000 },
  );
});

test('a key said twice never passes the cheap test unnoticed: colons are at least as many as keys', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 3 }), fc.constantFrom('', ' ', '\t', '\n\r'), (text, blanks) => {
      const value = JSON.parse(text) as unknown;
      const spaced = JSON.stringify({ a: value, b: 1 }).replace(/"b":/g, `"a"${blanks}:`);
      const read = parseText(spaced);
      fc.pre(read.isOk && read.value.isUnchecked);
      if (!read.isOk) return;
      expect(read.value.keyColons).toBeGreaterThan(keysOf(read.value.value));
    }),
  );
});

function keysOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return own + Object.values(value).reduce<number>((sum, v) => sum + keysOf(v), 0);
}

test('a time is what Date says, to the nanosecond, whatever the zone', () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date(0), max: new Date(Date.UTC(2200, 0)), noInvalidDate: true }),
      fc.nat(999_999),
      fc.integer({ min: -14 * 60, max: 14 * 60 }),
      (date, nanos, zone) => {
        const local = new Date(date.getTime() + zone * 60_000).toISOString().slice(0, -1);
        const sign = zone < 0 ? '-' : '+';
        const two = (n: number) => String(Math.floor(n)).padStart(2, '0');
        const text = `${local}${String(nanos).padStart(6, '0')}${sign}${two(Math.abs(zone) / 60)}:${two(Math.abs(zone) % 60)}`;
        expect(parseTime(text)?.ns).toBe(BigInt(date.getTime()) * 1_000_000n + BigInt(nanos));
      },
    ),
  );
  expect(parseTime('2026-13-01T00:00:00Z')).toBeUndefined();
  expect(parseTime('2026-01-01T24:00:00Z')).toBeUndefined();
  expect(parseTime('2026-01-01')).toBeUndefined();
});
