import type { JSX } from 'preact';
import type { Row } from '../section.ts';
import { countText, plain, shareText } from './format.ts';

/** Colours that stay apart for the colour-blind and in grey print. */
const blue = '#1f5c99';
const light = '#a9bccd';
const red = '#a3161c';
const amber = '#c98a1b';

const width = 560;

interface Bar {
  readonly label: string;
  readonly parts: readonly { readonly value: number; readonly colour: string }[];
  readonly title: string;
}

/** Upright bars over a few labels: weeks, age groups. */
function Bars({
  bars,
  label,
  format,
}: {
  bars: readonly Bar[];
  label: string;
  format: (n: number) => string;
}): JSX.Element {
  const [left, top, bottom, height] = [46, 12, 34, 210];
  const totals = bars.map((b) => b.parts.reduce((n, p) => n + p.value, 0));
  const max = niceMax(Math.max(...totals, 0));
  const y = (value: number) => top + (height - top - bottom) * (1 - value / max);
  const step = (width - left) / Math.max(bars.length, 1);
  const every = Math.ceil(bars.length / 9);
  return (
    <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {[0, max / 2, max].map((tick) => (
        <>
          <line class="grid" x1={left} x2={width} y1={round(y(tick))} y2={round(y(tick))} />
          <text class="soft" x={left - 6} y={round(y(tick) + 4)} text-anchor="end">
            {format(tick)}
          </text>
        </>
      ))}
      {bars.map((bar, i) => {
        let from = 0;
        return (
          <g>
            <title>{bar.title}</title>
            {bar.parts.map(({ value, colour }) => {
              from += value;
              return (
                <rect
                  x={round(left + i * step + step * 0.15)}
                  width={round(step * 0.7)}
                  y={round(y(from))}
                  height={round(y(from - value) - y(from))}
                  fill={colour}
                />
              );
            })}
            {i % every === 0 && (
              <text
                class="soft"
                x={round(left + (i + 0.5) * step)}
                y={height - bottom + 15}
                text-anchor="middle"
              >
                {bar.label}
              </text>
            )}
          </g>
        );
      })}
      <line class="axis" x1={left} x2={width} y1={round(y(0))} y2={round(y(0))} />
    </svg>
  );
}

export function AccessOverTime({ weeks }: { weeks: readonly Row[] }): JSX.Element {
  const bars = weeks.map((w) => ({
    label: String(w.begins).slice(5),
    title: `week of ${w.begins}: ${w.reads} reads`,
    parts: [{ value: Number(w.reads), colour: blue }],
  }));
  return (
    <figure>
      <figcaption>
        Access over time<small>Secret values returned, by week (Mondays). Numbers: “Access by week”.</small>
      </figcaption>
      <Bars bars={bars} label={`Reads by week: ${bars.map((b) => b.title).join('; ')}`} format={countText} />
    </figure>
  );
}

export function DeniedShare({ weeks }: { weeks: readonly Row[] }): JSX.Element {
  const bars = weeks.map((w) => ({
    label: String(w.begins).slice(5),
    title: `week of ${w.begins}: ${w.denied} of ${w.acts} acts denied (${shareText(Number(w.denied_share))})`,
    parts: [{ value: Number(w.denied_share), colour: red }],
  }));
  return (
    <figure>
      <figcaption>
        Denied share<small>Denied acts as a share of all acts, by week. Numbers: “Access by week”.</small>
      </figcaption>
      <Bars
        bars={bars}
        label={`Denied share by week: ${bars.map((b) => b.title).join('; ')}`}
        format={shareText}
      />
    </figure>
  );
}

const ageGroups = [30, 60, 90, 180, 365] as const;

/** How old the values of secrets with a policy are, and which of them are overdue. */
export function RotationAge({ rows }: { rows: readonly Row[] }): JSX.Element {
  const bars = [...ageGroups, Number.POSITIVE_INFINITY].map((to, i) => {
    const from = i === 0 ? -1 : (ageGroups[i - 1] as number);
    const group = rows.filter((r) => Number(r.age_days) > from && Number(r.age_days) <= to);
    const count = (verdict: string) => group.filter((r) => r.verdict === verdict).length;
    const label = to === Number.POSITIVE_INFINITY ? `> ${from} d` : `≤ ${to} d`;
    const [inTime, undecided, overdue] = [count('in time'), count('undecided'), count('overdue')];
    return {
      label,
      title: `${label}: ${inTime} in time, ${undecided} undecided, ${overdue} overdue`,
      parts: [
        { value: inTime, colour: blue },
        { value: undecided, colour: amber },
        { value: overdue, colour: red },
      ],
    };
  });
  return (
    <figure>
      <figcaption>
        Rotation age
        <small>
          Secrets with a policy, by age at the end of the period: <Key colour={blue} /> in time{' '}
          <Key colour={amber} /> undecided <Key colour={red} /> overdue. Numbers: “Secrets not rotated within
          policy”.
        </small>
      </figcaption>
      <Bars bars={bars} label={`Rotation age: ${bars.map((b) => b.title).join('; ')}`} format={countText} />
    </figure>
  );
}

/** The most read secrets, this period and the one before. */
export function MostRead({
  rows,
  before,
  hasBefore,
}: {
  rows: readonly Row[];
  before: string;
  hasBefore: boolean;
}): JSX.Element {
  const [rowHeight, left] = [34, 4];
  const max = Math.max(1, ...rows.map((r) => Math.max(Number(r.reads), Number(r.reads_before))));
  const x = (value: number) => ((width - 60) * value) / max;
  const said = rows.map(
    (r) => `${plain(String(r.secret))}: ${r.reads}${hasBefore ? `, before ${r.reads_before}` : ''}`,
  );
  return (
    <figure class="tall">
      <figcaption>
        Most read secrets
        <small>
          Values returned: <Key colour={blue} /> this period
          {hasBefore ? (
            <>
              {' '}
              <Key colour={light} /> {before}
            </>
          ) : (
            `; the log has nothing of ${before} to compare with`
          )}
          .
        </small>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${rows.length * rowHeight + 4}`}
        role="img"
        aria-label={`Most read secrets: ${said.join('; ')}`}
      >
        {rows.map((r, i) => (
          <g>
            <title>{said[i]}</title>
            <text x={left} y={i * rowHeight + 12}>
              {shortened(plain(String(r.secret)))}
            </text>
            <rect
              x={left}
              y={i * rowHeight + 17}
              width={round(x(Number(r.reads)))}
              height={hasBefore ? 6 : 10}
              fill={blue}
            />
            {hasBefore && (
              <rect
                x={left}
                y={i * rowHeight + 24}
                width={round(x(Number(r.reads_before)))}
                height={5}
                fill={light}
              />
            )}
            <text class="soft" x={round(left + x(Number(r.reads)) + 6)} y={i * rowHeight + 26}>
              {countText(Number(r.reads))}
            </text>
          </g>
        ))}
      </svg>
    </figure>
  );
}

function Key({ colour }: { colour: string }): JSX.Element {
  return (
    <svg viewBox="0 0 10 10" style="display:inline-block;width:.75em;height:.75em" aria-hidden="true">
      <rect width="10" height="10" fill={colour} />
    </svg>
  );
}

/** The end of an id tells more than its middle. */
function shortened(text: string): string {
  return text.length <= 84 ? text : `${text.slice(0, 30)}…${text.slice(-52)}`;
}

function niceMax(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 4, 5, 10].find((f) => value <= f * power) ?? 10;
  return factor * power;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
