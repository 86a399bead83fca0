import type { ComponentChildren, JSX } from 'preact';
import type { Column, Row, Section } from '../section.ts';
import { cellWords, countText, plain, shellCommand } from './format.ts';

/** Longer tables are for the files: nobody reads row 201 on paper. */
const rowsShownMax = 200;

const badVerdicts = new Set(['overdue', 'tampered', 'denied', 'truncated']);
const goodVerdicts = new Set(['in time', 'intact', 'agree', 'expired']);

/** A section: words, table, and the command that gives its numbers. */
export function SectionView({
  section,
  number,
  children,
}: {
  section: Section;
  number: number;
  children?: ComponentChildren;
}): JSX.Element {
  return (
    <section id={section.id} aria-labelledby={`${section.id}-title`}>
      <h2 id={`${section.id}-title`}>
        {number}. {section.title}
      </h2>
      {section.lead.map((words) => (
        <p class="lead">{prose(words)}</p>
      ))}
      {children}
      <SectionTable section={section} />
    </section>
  );
}

/** Words of ours: what stands between backticks is code. */
function prose(words: string): ComponentChildren {
  return words.split('`').map((part, i) => (i % 2 === 1 ? <code>{plain(part)}</code> : plain(part)));
}

function SectionTable({ section }: { section: Section }): JSX.Element {
  const { rows } = section;
  return (
    <>
      {rows.length === 0 ? (
        <p class="nothing">Nothing in this period.</p>
      ) : (
        <Table section={section} rows={rows.slice(0, rowsShownMax)} />
      )}
      <p class="more">
        {rows.length > rowsShownMax
          ? `The first ${rowsShownMax} of ${countText(rows.length)} lines; all of them are in `
          : `${countText(rows.length)} ${rows.length === 1 ? 'line' : 'lines'}; also in `}
        <a href={`${section.id}.csv`}>{section.id}.csv</a>.
      </p>
      <Query id={section.id} sql={section.sql} words="How to get these numbers yourself" />
      {section.eventsSql !== undefined && (
        <Query
          id={`${section.id}-events`}
          sql={section.eventsSql}
          words="How to see the events behind one line"
        />
      )}
    </>
  );
}

function Table({ section, rows }: { section: Section; rows: readonly Row[] }): JSX.Element {
  const columns = section.columns.filter((c) => !c.isFileOnly);
  return (
    <section class="wide" tabindex={0} aria-label={`Table: ${section.title}`}>
      <table>
        <thead>
          <tr>
            {columns.map((c) => (
              <th scope="col" class={c.kind}>
                {c.label}
                {c.kind === 'time' ? ' (UTC)' : ''}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {columns.map((c) => (
                <CellView column={c} row={row} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function CellView({ column, row }: { column: Column; row: Row }): JSX.Element {
  const words = cellWords(row[column.key], column.kind);
  const under = (column.under ?? []).map((key) => cellWords(row[key], 'list')).filter((w) => w !== '');
  if (column.kind === 'verdict') return <td class={`verdict ${verdictClass(words)}`}>{words}</td>;
  if (column.kind === 'count' && words === '0') return <td class="count zero">0</td>;
  if (column.under === undefined) return <td class={column.kind}>{breakable(words, column.kind)}</td>;
  return (
    <td class={column.kind}>
      {words === '' ? <i>nobody named</i> : breakable(words, column.kind)}
      {under.length > 0 && under.join() !== words && <small>{under.join(' · ')}</small>}
    </td>
  );
}

/** Ids break after their separators, times between day and hour, never in mid-word. */
function breakable(words: string, kind: Column['kind']): ComponentChildren {
  if (kind === 'time' && words !== '') return words.split(' ').flatMap((part) => [<span>{part}</span>, ' ']);
  if (kind !== 'id' && kind !== 'event') return words;
  const parts = words.split(/(?<=[/:@])/);
  return parts.length === 1 ? words : parts.flatMap((p) => [p, <wbr />]);
}

function verdictClass(words: string): string {
  if (badVerdicts.has(words)) return 'bad';
  return goodVerdicts.has(words) ? 'good' : 'open';
}

/** The statement beside its numbers: folded on a screen; on paper a reference to the list at the end. */
export function Query({ sql, words, id }: { sql: string; words: string; id: string }): JSX.Element {
  return (
    <>
      <details class="query">
        <summary>{words}</summary>
        <pre>
          <code>{shellCommand(sql)}</code>
        </pre>
      </details>
      <p class="paper">Statement “{id}”, at the end.</p>
    </>
  );
}

/** On paper only: every statement once, at the end. */
export function Statements({
  statements,
}: {
  statements: readonly (readonly [id: string, sql: string])[];
}): JSX.Element {
  return (
    <section class="statements">
      <h2>Statements</h2>
      <p>
        Each one gives the numbers of its section again: <code>keywitness query "STATEMENT"</code>. Their text
        is in queries.sql too.
      </p>
      {statements.map(([id, sql]) => (
        <>
          <h3>{id}</h3>
          <pre>
            <code>{sql}</code>
          </pre>
        </>
      ))}
    </section>
  );
}
