/** A source's time, in nanoseconds, and how fine the source wrote it. */
export interface SourceTime {
  readonly ns: bigint;
  readonly quality: 'ns' | 'us' | 'ms' | 's';
}

/** 2000-01-01: no audit log we read is older; a clock that was never set says 1970. */
export const timeMinMs = Date.UTC(2000, 0, 1);
/** The store's DateTime64(9) ends on 2262-04-11. */
export const timeMaxMs = Date.UTC(2262, 3, 11);
/** How far ahead of its transport an event's own clock may be. */
export const aheadMsMax = 24 * 60 * 60 * 1000;

const shape =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,12}))?(?:[Zz]|([+-])(\d\d):?(\d\d))$/;

/** RFC 3339; undefined when it is no such text or no such date. */
export function parseTime(text: string): SourceTime | undefined {
  const m = shape.exec(text);
  if (m === null) return undefined;
  const [year, month, day, hour, minute] = [
    Number(m[1]),
    Number(m[2]),
    Number(m[3]),
    Number(m[4]),
    Number(m[5]),
  ];
  // A leap second counts as the second before: the store has none.
  const second = Math.min(Number(m[6]), 59);
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || Number(m[6]) > 60)
    return undefined;
  const sign = m[8] === '-' ? -1 : 1;
  const zoneMinutes = m[8] === undefined ? 0 : sign * (Number(m[9]) * 60 + Number(m[10]));
  const ms = Date.UTC(year, month - 1, day, hour, minute - zoneMinutes, second);
  const digits = m[7] ?? '';
  const fraction = digits === '' ? 0 : Number(digits.slice(0, 9).padEnd(9, '0'));
  return { ns: BigInt(ms) * 1_000_000n + BigInt(fraction), quality: qualityOf(digits.length) };
}

function qualityOf(digits: number): SourceTime['quality'] {
  if (digits > 6) return 'ns';
  if (digits > 3) return 'us';
  return digits > 0 ? 'ms' : 's';
}

/** Milliseconds of a time that only decorates (session start); 0 = unknown or absurd. */
export function timeMs(text: unknown): number {
  if (typeof text !== 'string') return 0;
  const time = parseTime(text);
  if (time === undefined) return 0;
  const ms = Number(time.ns / 1_000_000n);
  return ms < timeMinMs || ms > timeMaxMs ? 0 : ms;
}
