/**
 * Local time without Intl per event (which costs microseconds): the offset of a zone is asked for once per
 * half hour and kept. Every transition in the zone database since 1970 falls on a half hour of UTC.
 */
const halfHourMs = 1_800_000;
const dayMs = 86_400_000;
/** A year of half hours: replay of a quarter stays inside, and memory stays bounded for ever. */
const offsetsMax = 17_568;

export interface LocalTime {
  /** Days since 1970-01-01 in local time. */
  readonly day: number;
  /** 0 = Sunday. */
  readonly weekday: number;
  readonly minuteOfDay: number;
}

export type ZoneClock = (ms: number) => LocalTime;

export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** A function from milliseconds to local time in an IANA zone. */
export function zoneClock(zone: string): ZoneClock {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const offsets = new Map<number, number>();
  let lastSlot = Number.NaN;
  let lastOffset = 0;
  return (ms) => {
    const slot = Math.floor(ms / halfHourMs);
    if (slot !== lastSlot) {
      let offset = offsets.get(slot);
      if (offset === undefined) {
        if (offsets.size >= offsetsMax) offsets.clear();
        offset = offsetAt(format, slot * halfHourMs);
        offsets.set(slot, offset);
      }
      lastSlot = slot;
      lastOffset = offset;
    }
    return localTime(ms + lastOffset);
  };
}

function localTime(localMs: number): LocalTime {
  const day = Math.floor(localMs / dayMs);
  return {
    day,
    weekday: (((day + 4) % 7) + 7) % 7,
    minuteOfDay: Math.floor((localMs - day * dayMs) / 60_000),
  };
}

function offsetAt(format: Intl.DateTimeFormat, ms: number): number {
  const part: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(ms)) part[type] = Number(value);
  const local = Date.UTC(
    part.year ?? 1970,
    (part.month ?? 1) - 1,
    part.day ?? 1,
    part.hour ?? 0,
    part.minute ?? 0,
    part.second ?? 0,
  );
  return local - ms;
}

/** `2026-08-31` as days since 1970-01-01: comparable with LocalTime.day. */
export function dayOf(date: string): number {
  return Math.floor(Date.parse(`${date}T00:00:00Z`) / dayMs);
}
