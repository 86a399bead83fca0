import type { JSX } from 'preact';
import type { Row, Section } from '../section.ts';
import { countText } from './format.ts';

interface Highlight {
  readonly section: string;
  readonly words: readonly (string | number)[];
}

/** What a reviewer should look at first: lines of the sections below, counted. Nothing here is a number of its own. */
export function Highlights({ sections }: { sections: readonly Section[] }): JSX.Element {
  return (
    <>
      <h3>To look at</h3>
      <ul class="highlights">
        {highlightsOf(sections).map(({ section, words }) => (
          <li>
            {words.map((w) => (typeof w === 'number' ? <b>{countText(w)}</b> : w))}:{' '}
            <a href={`#${section}`}>{sections.find((s) => s.id === section)?.title}</a>
          </li>
        ))}
      </ul>
    </>
  );
}

function highlightsOf(sections: readonly Section[]): Highlight[] {
  const rows = (id: string) => sections.find((s) => s.id === id)?.rows ?? [];
  const count = (id: string, is: (row: Row) => boolean) => rows(id).filter(is).length;
  const sum = (id: string, key: string, is: (row: Row) => boolean = () => true) =>
    rows(id)
      .filter(is)
      .reduce((n, row) => n + Number(row[key]), 0);
  const isNew = (row: Row) => row.learning === false;
  const hasRead = (row: Row) => Number(row.reads) > 0;
  // biome-ignore format: one highlight a line
  return [
    { section: 'rotation', words: [count('rotation', (r) => r.verdict === 'overdue'), ' of ', rows('rotation').length, ' secrets with a rotation policy are overdue, ', count('rotation', (r) => r.verdict === 'overdue' && r.crown_jewel === true), ' of them crown jewels; for ', count('rotation', (r) => r.verdict === 'undecided'), ' the log is too short to tell'] },
    { section: 'dormant', words: [rows('dormant').length, ' dormant identities, ', count('dormant', (r) => r.last_active === ''), ' of them without any act in the log'] },
    { section: 'cross-environment', words: [count('cross-environment', hasRead), ' pairs in which a non-production identity was given a production secret (', sum('cross-environment', 'reads'), ' reads), ', count('cross-environment', (r) => !hasRead(r) && Number(r.denied) > 0), ' in which it was only refused'] },
    { section: 'first-reads', words: [count('first-reads', isNew), ' pairs of identity and secret that are new, ', count('first-reads', (r) => isNew(r) && (r.environments as readonly string[]).includes('production')), ' in production, ', count('first-reads', (r) => isNew(r) && r.crown_jewel === true), ' on crown jewels'] },
    { section: 'privileged', words: [sum('privileged', 'acts', (r) => r.why === 'root'), ' acts of root, ', sum('privileged', 'acts', (r) => r.why === 'break-glass'), ' of break-glass identities, ', sum('privileged', 'acts', (r) => r.why === 'audit trail' || r.why === 'seal'), ' on seals and the audit trail'] },
    { section: 'denied', words: [rows('denied').length, ' combinations of identity, object and action that were denied or failed'] },
    { section: 'nothing-there', words: [rows('nothing-there').length, ' names that were asked for and returned nothing'] },
  ];
}
