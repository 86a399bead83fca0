import { KeywitnessError } from './errors.ts';

/** A half-open stretch of time [from, to) as people name it: a quarter, half, year or two dates in a zone. */
export interface Period {
  /** As asked for, in one spelling: `2026Q3`, `2026H2`, `2026`, `2026-07-01..2026-08-15`. */
  readonly name: string;
  readonly zone: string;
  /** Milliseconds since the epoch. */
  readonly from: number;
  /** Not part of the period. */
  readonly to: number;
  /** The stretch before it, of the same kind: what changes are told against. */
  readonly before: { readonly name: string; readonly from: number; readonly to: number };
}

const dayMs = 86_400_000;

/** Outside of these the store's time type or the zone database has no sure answer. */
const yearMin = 1971;
const yearMax = 2199;

/** Reads `2026Q3`, `2026H2`, `2026` or `FROM..TO` (dates, or ISO 8601 with Z or an offset). @throws KW_USAGE */
export function parsePeriod(text: string, zone = 'UTC'): Period {
  assertZone(zone);
  const named = /^(\d{4})(?:([QqHh])(\d))?$/.exec(text.trim());
  if (named) return namedPeriod(text, Number(named[1]), named[2]?.toUpperCase(), Number(named[3]), zone);
  const range = /^(.+?)\.\.(.+)$/.exec(text.trim());
  if (!range) throw wrong(text, 'It is 2026Q3, 2026H2, 2026 or FROM..TO.');
  const fromText = (range[1] as string).trim();
  const toText = (range[2] as string).trim();
  const from = instantOf(fromText, zone, text);
  const to = instantOf(toText, zone, text);
  if (to <= from) throw wrong(text, 'The end is not after the start.');
  const before = isoIn(from - (to - from), 'UTC');
  return {
    name: `${fromText}..${toText}`,
    zone,
    from,
    to,
    before: { name: `${before}..${isoIn(from, 'UTC')}`, from: from - (to - from), to: from },
  };
}

function namedPeriod(
  text: string,
  year: number,
  kind: string | undefined,
  part: number,
  zone: string,
): Period {
  if (year < yearMin || year > yearMax) throw wrong(text, `Years go from ${yearMin} to ${yearMax}.`);
  const parts = kind === 'Q' ? 4 : kind === 'H' ? 2 : 1;
  const index = kind === undefined ? 0 : part - 1;
  if (index < 0 || index >= parts)
    throw wrong(text, kind === 'Q' ? 'Quarters are Q1 to Q4.' : 'Halves are H1 and H2.');
  const months = 12 / parts;
  const ordinal = year * parts + index;
  const start = (n: number) =>
    startOfDay(Math.floor(n / parts), (((n % parts) + parts) % parts) * months + 1, 1, zone);
  const label = (n: number) => {
    const y = Math.floor(n / parts);
    return kind === undefined ? String(y) : `${y}${kind}${n - y * parts + 1}`;
  };
  const from = start(ordinal);
  return {
    name: label(ordinal),
    zone,
    from,
    to: start(ordinal + 1),
    before: { name: label(ordinal - 1), from: start(ordinal - 1), to: from },
  };
}

function instantOf(text: string, zone: string, whole: string): number {
  const date = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (date) {
    const [year, month, day] = [Number(date[1]), Number(date[2]), Number(date[3])];
    const utc = new Date(Date.UTC(year, month - 1, day));
    // Date.UTC rolls 2026-02-30 over to March; a review must not.
    if (utc.getUTCMonth() !== month - 1 || utc.getUTCDate() !== day)
      throw wrong(whole, `There is no ${text}.`);
    if (year < yearMin || year > yearMax) throw wrong(whole, `Years go from ${yearMin} to ${yearMax}.`);
    return startOfDay(year, month, day, zone);
  }
  const ms = /^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:?\d{2})$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw wrong(whole, `${text} is neither a date nor ISO 8601 with Z or an offset.`);
  return ms;
}

/**
 * The first instant of a local day. Clocks that jump at midnight skip 00:00 (the day begins at 01:00) or show it
 * twice (the first counts), so both offsets around it are tried.
 */
export function startOfDay(year: number, month: number, day: number, zone: string): number {
  const guess = Date.UTC(year, month - 1, day);
  const candidates = [guess - dayMs, guess + dayMs]
    .map((ms) => guess - offsetMs(ms, zone))
    .sort((a, b) => a - b);
  return candidates.find((ms) => ms + offsetMs(ms, zone) >= guess) ?? (candidates[1] as number);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Local time minus UTC, at an instant. */
function offsetMs(ms: number, zone: string): number {
  let format = formats.get(zone);
  if (!format) {
    // biome-ignore format: one field a line would hide the shape
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric',
      hour: 'numeric', minute: 'numeric', second: 'numeric',
    });
    formats.set(zone, format);
  }
  const part: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(ms)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1000) * 1000;
}

/** ISO 8601 with the zone's offset, to the second: `2026-07-01T00:00:00+02:00`, `…Z` for UTC. */
export function isoIn(ms: number, zone: string): string {
  const offset = offsetMs(ms, zone);
  const local = new Date(ms + offset).toISOString().slice(0, 19);
  if (zone === 'UTC') return `${local}Z`;
  const minutes = Math.abs(Math.round(offset / 60_000));
  const two = (n: number) => String(n).padStart(2, '0');
  return `${local}${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

function assertZone(zone: string): void {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone });
  } catch (cause) {
    throw new KeywitnessError('KW_USAGE', `There is no time zone ${zone}.`, { cause });
  }
}

function wrong(text: string, why: string): KeywitnessError {
  return new KeywitnessError('KW_USAGE', `The period ${text} cannot be read. ${why}`);
}
