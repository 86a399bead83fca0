import { type StreamKey, streamKeyText } from '../core/record.ts';
import type { Engine } from './client.ts';
import { knownStreams } from './positions.ts';
import type { StreamRow } from './tables.ts';
import { writeStream } from './writer.ts';

/** The streams this store knows, newest settings last: what names an epoch and how its records are read. */
export interface StreamBook {
  /** The binding in force for a tree; undefined before its first record. */
  of(key: StreamKey): StreamRow | undefined;
  /** All rows of one stream name, oldest first. */
  named(stream: string): readonly StreamRow[];
  /** The newest row of every tree. */
  all(): readonly StreamRow[];
  /** Adds or changes a binding; equal bindings add nothing. Returns true when something was written. */
  bind(row: StreamRow): Promise<boolean>;
  /** Learns what other instances bound. */
  refresh(): Promise<void>;
}

export async function openStreamBook(engine: Engine): Promise<StreamBook> {
  let rows: StreamRow[] = [];
  let newest = new Map<string, StreamRow>();
  const refresh = async () => {
    rows = await knownStreams(engine);
    newest = new Map(rows.map((r) => [streamKeyText(r), r]));
  };
  await refresh();
  return {
    refresh,
    of: (key) => newest.get(streamKeyText(key)),
    named: (stream) => rows.filter((r) => r.stream === stream),
    all: () => [...newest.values()],
    async bind(row) {
      const known = newest.get(streamKeyText(row));
      if (known !== undefined && isSame(known, row)) return false;
      await writeStream(engine, row);
      rows.push(row);
      newest.set(streamKeyText(row), row);
      return true;
    },
  };
}

function isSame(a: StreamRow, b: StreamRow): boolean {
  return (
    a.transport === b.transport &&
    a.fingerprint === b.fingerprint &&
    a.source === b.source &&
    a.settings === b.settings &&
    a.as_of === b.as_of
  );
}
