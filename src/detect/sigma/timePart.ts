export const timeParts = ['minute', 'hour', 'day', 'week', 'month', 'year'] as const;
export type TimePart = (typeof timeParts)[number];

/** Numbers above these are milliseconds, microseconds, nanoseconds: seconds reach 1e11 in the year 5138. */
const epochSecondsMax = 1e11;
const epochMillisMax = 1e14;
const epochMicrosMax = 1e17;

const written =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::\d{2}(?:[.,]\d+)?)?)?\s*(?:Z|[+-]\d{2}:?\d{2})?$/i;

/**
 * The part of a date as it is written: "not designed to handle timezone or format conversions" (modifiers appendix),
 * so 23:30+02:00 has the hour 23. Epoch numbers are read as UTC. Undefined when the value is no date.
 */
export function timePart(value: string | number | bigint, part: TimePart): number | undefined {
  const text = String(value);
  if (typeof value !== 'string' || /^\d{9,20}(?:\.\d+)?$/.test(text)) return fromEpoch(Number(text), part);
  const match = written.exec(text);
  if (!match) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (month < 1 || month > 12 || day < 1 || day > 31) return undefined;
  if (part === 'year') return year;
  if (part === 'month') return month;
  if (part === 'day') return day;
  if (part === 'week') return isoWeek(Date.UTC(year, month - 1, day));
  if (match[4] === undefined) return undefined;
  return Number(part === 'hour' ? match[4] : match[5]);
}

function fromEpoch(value: number, part: TimePart): number | undefined {
  if (!Number.isFinite(value) || value < 0) return undefined;
  let ms = value;
  if (value <= epochSecondsMax) ms = value * 1e3;
  else if (value > epochMicrosMax) ms = value / 1e6;
  else if (value > epochMillisMax) ms = value / 1e3;
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return undefined;
  const parts: Record<TimePart, number> = {
    minute: date.getUTCMinutes(),
    hour: date.getUTCHours(),
    day: date.getUTCDate(),
    week: isoWeek(ms),
    month: date.getUTCMonth() + 1,
    year: date.getUTCFullYear(),
  };
  return parts[part];
}

const dayMs = 86_400_000;

/** ISO 8601 week: the week of its Thursday. Some years have a week 53, whatever the appendix says of 52. */
function isoWeek(ms: number): number {
  const date = new Date(ms);
  const weekday = (date.getUTCDay() + 6) % 7;
  const thursday = Math.floor(ms / dayMs) * dayMs + (3 - weekday) * dayMs;
  const yearStart = Date.UTC(new Date(thursday).getUTCFullYear(), 0, 1);
  return 1 + Math.floor((thursday - yearStart) / (7 * dayMs));
}
