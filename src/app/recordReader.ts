import type { Outcome } from '../core/outcome.ts';
import { type KwRecord, type StreamKey, streamKeyText } from '../core/record.ts';
import { leafHasher, type Transport } from '../ledger/leaf.ts';
import { type RegisteredSource, type SourceRegistry, sourceNamed } from '../sources/registry.ts';
import type { Normalised, StreamSettings } from '../sources/source.ts';
import { understand } from '../sources/understand.ts';
import type { StreamBook } from '../store/streamBook.ts';
import type { StreamRow } from '../store/tables.ts';

interface Reading {
  readonly row: StreamRow;
  readonly source: RegisteredSource | undefined;
  readonly settings: StreamSettings;
  readonly leaf: (record: KwRecord) => Buffer;
}

/** How each stream's records are read and hashed, as its binding says; looked up once a stream. */
export function recordReader(
  book: StreamBook,
  registry: SourceRegistry,
): {
  understand: (record: KwRecord) => readonly Outcome<Normalised>[];
  leaf: (record: KwRecord) => Buffer;
} {
  const readings = new Map<string, Reading>();
  const readingOf = (key: StreamKey): Reading => {
    const row = book.of(key);
    if (row === undefined)
      throw new Error(`${streamKeyText(key)} has no binding: bind a stream before its first record`);
    const name = streamKeyText(key);
    let reading = readings.get(name);
    if (reading?.row !== row) {
      reading = {
        row,
        source: row.source === '' ? undefined : sourceNamed(registry, row.source),
        settings: JSON.parse(row.settings) as StreamSettings,
        leaf: leafHasher(key, row.transport as Transport),
      };
      readings.set(name, reading);
    }
    return reading;
  };
  return {
    understand: (record) => {
      const { source, settings } = readingOf(record);
      return understand(record, source, settings, registry);
    },
    leaf: (record) => readingOf(record).leaf(record),
  };
}
