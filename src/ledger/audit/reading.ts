import type { Outcome } from '../../core/outcome.ts';
import type { KwRecord } from '../../core/record.ts';
import { type RegisteredSource, type SourceRegistry, sourceNamed } from '../../sources/registry.ts';
import { defaultStreamSettings, type Normalised, type StreamSettings } from '../../sources/source.ts';
import { understand } from '../../sources/understand.ts';
import { type DerivedTable, writeAsideRow, writeEventRow } from '../../store/derivedRows.ts';
import type { RowBinaryWriter } from '../../store/rowBinary.ts';
import type { BoundFrom } from '../settings.ts';

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

/** What the derived tables must hold for one part of a record. */
export type Part = Outcome<Normalised>;

/** One row for each part, at its idx. */
export function partsOf(
  record: KwRecord,
  { source, settings }: Reading,
  registry: SourceRegistry,
): readonly Part[] {
  return understand(record, source, settings, registry);
}

export function tableOf(part: Part): DerivedTable {
  return part.kind === 'ok' ? 'events' : 'set_aside';
}

/** The part's row as the store must have it. */
export function writePart(out: RowBinaryWriter, offset: bigint, idx: number, part: Part): void {
  if (part.kind === 'ok') writeEventRow(out, { offset, idx, event: part.value.event });
  else {
    const { kind, reason, detail = '' } = part;
    writeAsideRow(out, { offset, idx, outcome: kind, reason, detail });
  }
}
