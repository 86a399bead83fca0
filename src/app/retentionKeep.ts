import { KeywitnessError } from '../core/errors.ts';

/** For how long records are kept, as a person writes it: `12m`, `400d`, `6y`. */
export interface Keep {
  readonly text: string;
  /** What was ingested before this may go. */
  cutoff(now: number): number;
}

const dayMs = 86_400_000;

/** @throws KW_USAGE */
export function parseKeep(text: string): Keep {
  const m = /^([1-9]\d{0,4})([dmy])$/.exec(text);
  if (m === null) {
    throw new KeywitnessError(
      'KW_USAGE',
      `\`${text}\` is no period: give days, months or years, such as 400d, 12m or 6y.`,
    );
  }
  const count = Number(m[1]);
  if (m[2] === 'd') return { text, cutoff: (now) => now - count * dayMs };
  const months = m[2] === 'y' ? 12 * count : count;
  return { text, cutoff: (now) => monthsBefore(now, months) };
}

/** The same day and time so many months earlier; the 31st of a shorter month is its last day. */
function monthsBefore(now: number, months: number): number {
  const at = new Date(now);
  const first = Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - months, 1);
  const lastDay = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - months + 1, 0)).getUTCDate();
  return first + (Math.min(at.getUTCDate(), lastDay) - 1) * dayMs + (now % dayMs);
}

/** Is the whole month (YYYYMM, UTC) before the cutoff? The current one never is. */
export function isOver(month: string, cutoff: number): boolean {
  return Date.UTC(Number(month.slice(0, 4)), Number(month.slice(4)), 1) <= cutoff;
}
