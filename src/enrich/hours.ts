import type { LocalTime } from './zone.ts';

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const dayMinutes = 1440;

export type HoursTest = (at: LocalTime) => boolean;

/**
 * `Mon-Fri 08:00-19:00, Sat 09:00-12:00` as a test on local time; the end is outside. Hours that run past
 * midnight (`Mon-Thu 22:00-06:00`) belong to the day on which they begin.
 */
export function compileHours(text: string): HoursTest {
  const open = new Uint8Array(7 * dayMinutes);
  for (const span of text.split(', ')) {
    const m = /^(\w{3})(?:-(\w{3}))? (\d{2}):(\d{2})-(\d{2}):(\d{2})$/.exec(span);
    if (!m) throw new TypeError(`hours not understood: ${span}`);
    const first = weekdays.indexOf(m[1] as string);
    const last = m[2] === undefined ? first : weekdays.indexOf(m[2]);
    const from = Number(m[3]) * 60 + Number(m[4]);
    const to = Number(m[5]) * 60 + Number(m[6]);
    const length = to > from ? to - from : to + dayMinutes - from;
    for (let day = first; ; day = (day + 1) % 7) {
      for (let i = 0; i < length; i++) open[(day * dayMinutes + from + i) % open.length] = 1;
      if (day === last) break;
    }
  }
  return (at) => open[at.weekday * dayMinutes + at.minuteOfDay] === 1;
}
