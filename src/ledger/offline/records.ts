import { strictBase64 } from '../note.ts';
import { readLines, recordLineBytesMax } from './files.ts';
import type { Report } from './finding.ts';

/** The records of a stream in a bundle, asked for in rising order of index. */
export interface RecordCursor {
  /** The record's value, null = a null value; undefined = there is no line for it. */
  take(index: number): Buffer | null | undefined;
  /** Nothing may follow the last leaf. */
  end(): void;
  close(): void;
}

interface RecordLine {
  readonly index: number;
  readonly raw: Buffer | null;
}

/** Reads records.ndjson line by line. A line that is out of its order is reported and passed over. */
export function openRecords(path: string, tree: string, report: Report): RecordCursor {
  const lines = readLines(path, recordLineBytesMax);
  let number = 0;
  let newest = -1;
  const bad = (cls: 'modified' | 'inserted' | 'reordered' | 'truncated', detail: string, index?: number) => {
    const place = index === undefined ? `${tree} records.ndjson:${number}` : `${tree} leaf ${index}`;
    report({ class: cls, place, ...(index === undefined ? {} : { index }), detail });
  };
  const next = (): RecordLine | undefined => {
    // No for-of: leaving it would end the reading.
    for (let step = lines.next(); step.done !== true; step = lines.next()) {
      const line = step.value;
      number += 1;
      const record = line.bytes && parseRecord(line.bytes);
      if (record !== undefined && line.isWhole) return record;
      if (line.bytes === undefined) bad('modified', 'a line is longer than 96 MiB');
      else if (line.isWhole) bad('modified', 'a line is no record');
      else bad('truncated', 'the file ends within a line');
    }
    return undefined;
  };
  const pass = ({ index }: RecordLine) => {
    if (index === newest) bad('inserted', 'a record stands there twice', index);
    else bad('reordered', 'a record stands behind a later one', index);
  };
  let waiting = next();
  return {
    take(index) {
      while (waiting !== undefined && waiting.index < index) {
        pass(waiting);
        waiting = next();
      }
      if (waiting?.index !== index) return undefined;
      const { raw } = waiting;
      newest = index;
      waiting = next();
      return raw;
    },
    end() {
      for (; waiting !== undefined; waiting = next()) {
        if (waiting.index <= newest) pass(waiting);
        else bad('inserted', 'a record that no leaf was made from', waiting.index);
      }
    },
    close: () => void lines.return(undefined),
  };
}

function parseRecord(line: Buffer): RecordLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line.toString());
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { index, raw } = value as Record<string, unknown>;
  if (typeof index !== 'number' || !Number.isSafeInteger(index) || index < 0) return undefined;
  const bytes = raw === null ? null : typeof raw === 'string' ? strictBase64(raw) : undefined;
  return bytes === undefined ? undefined : { index, raw: bytes };
}
