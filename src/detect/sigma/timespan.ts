const unitMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  // The Gregorian year's 365.2425 days, and a twelfth of it.
  M: 2_629_746_000,
  y: 31_556_952_000,
};

/** `15m` in milliseconds; undefined when it is no timespan. */
export function timespanMs(text: string): number | undefined {
  const match = /^(\d{1,9})([smhdwMy])$/.exec(text);
  const ms = match ? Number(match[1]) * (unitMs[match[2] as string] as number) : 0;
  return ms > 0 ? ms : undefined;
}
