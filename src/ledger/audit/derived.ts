import type { KwRecord, StreamKey } from '../../core/record.ts';
import { streamKeyText } from '../../core/record.ts';
import { type RegisteredSource, type SourceRegistry, sourceNamed } from '../../sources/registry.ts';
import { defaultStreamSettings, type StreamSettings } from '../../sources/source.ts';
import { understand } from '../../sources/understand.ts';
import type { EventDifference, ExpectedEvent, SetAsideFound } from '../../store/auditRows.ts';
import type { BoundFrom } from '../settings.ts';
import type { Finding } from './findings.ts';

/** How the records of one tree are read, by leaf index, as the `settings` leaves of the time say. */
export interface Reading {
  readonly source: RegisteredSource | undefined;
  readonly settings: StreamSettings;
}

/** The reading in force at a leaf index; undefined when no leaf says, or its source is no more. */
export function readingsOf(
  bindings: readonly BoundFrom[],
  registry: SourceRegistry,
): (index: number) => Reading | undefined {
  const readings = bindings.map((b) => ({ from: b.from, reading: readingOf(b, registry) }));
  return (index) => readings.findLast((r) => r.from <= index)?.reading;
}

function readingOf(binding: BoundFrom, registry: SourceRegistry): Reading | undefined {
  const known = registry.some(
    (s) => s.name === binding.source || s.aliases?.includes(binding.source) === true,
  );
  if (binding.source !== '' && !known) return undefined;
  return {
    source: binding.source === '' ? undefined : sourceNamed(registry, binding.source),
    settings: { ...defaultStreamSettings, ...binding.settings },
  };
}

/** What the derived tables must hold for a stretch of records. */
export interface Expected {
  readonly events: ExpectedEvent[];
  readonly setAside: Map<string, string>;
}

export function emptyExpected(): Expected {
  return { events: [], setAside: new Map() };
}

export function expectRecord(
  into: Expected,
  record: KwRecord,
  reading: Reading,
  registry: SourceRegistry,
): void {
  for (const [idx, part] of understand(record, reading.source, reading.settings, registry).entries()) {
    const { offset } = record;
    if (part.kind === 'ok') into.events.push({ offset, idx, event: part.value.event });
    else into.setAside.set(`${offset}/${idx}`, asideText(part.kind, part.reason, part.detail ?? ''));
  }
}

function asideText(outcome: string, reason: string, detail: string): string {
  return JSON.stringify([outcome, reason, detail]);
}

/** Compares `set_aside` with what it must hold: one row for each part that is no event. */
export function compareSetAside(
  expected: ReadonlyMap<string, string>,
  found: readonly SetAsideFound[],
): EventDifference[] {
  const out: EventDifference[] = [];
  const seen = new Set<string>();
  for (const row of found) {
    const at = `${row.offset}/${row.idx}`;
    const wanted = expected.get(at);
    const place = { offset: row.offset, idx: row.idx };
    if (wanted === undefined || seen.has(at)) out.push({ kind: 'extra', ...place, columns: [] });
    else if (wanted !== asideText(row.outcome, row.reason, row.detail)) {
      out.push({ kind: 'columns', ...place, columns: ['set_aside'] });
    }
    seen.add(at);
  }
  for (const at of expected.keys()) {
    if (seen.has(at)) continue;
    const [offset, idx] = at.split('/') as [string, string];
    out.push({ kind: 'missing', offset: BigInt(offset), idx: Number(idx), columns: [] });
  }
  return out;
}

/** Differences as findings. `mark`: nothing above this offset has been derived yet. */
export function derivedFindings(
  key: StreamKey,
  differences: readonly EventDifference[],
  isTouched: (offset: bigint) => boolean,
  mark: bigint,
): Finding[] {
  const tree = streamKeyText(key);
  const hasOlder = differences.some((d) => d.kind === 'older-adapter');
  const out: Finding[] = [];
  for (const d of differences) {
    // Of a record whose bytes were changed the columns say nothing more.
    if (isTouched(d.offset)) continue;
    const at = { tree, offset: d.offset, idx: d.idx };
    if (d.kind === 'older-adapter' || (hasOlder && d.kind !== 'columns')) {
      out.push({ class: 'not-rebuilt', ...at, detail: 'derived by an older adapter: not compared' });
    } else if (d.kind === 'columns') {
      out.push({
        class: 'column-modified',
        ...at,
        detail: `not what the bytes say: ${d.columns.join(', ')}`,
      });
    } else if (d.kind === 'extra') {
      out.push({ class: 'event-inserted', ...at, detail: 'a derived row that no record accounts for' });
    } else if (d.offset > mark) {
      out.push({
        class: 'not-derived',
        ...at,
        detail: 'a crash came before its derived rows; the next start mends it',
      });
    } else {
      out.push({ class: 'event-deleted', ...at, detail: 'a part of this record has no derived row' });
    }
  }
  return out;
}
