import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { AuditEvent } from '../../src/core/event.ts';
import { eventJson } from '../../src/core/event.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import type { KwRecord } from '../../src/core/record.ts';
import type { RegisteredSource, SourceRegistry } from '../../src/sources/registry.ts';
import { defaultStreamSettings, type Normalised, type StreamSettings } from '../../src/sources/source.ts';
import { understand } from '../../src/sources/understand.ts';

export const fixtures = join(packageRoot, 'test', 'fixtures', 'sources');

export function recordOf(value: string | Buffer | null, timestamp = 0): KwRecord {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return { stream: 's', partition: 0, epoch: 0, offset: 0n, timestamp, key: null, headers: [], value: bytes };
}

/** An outcome as the fixtures write it. */
export function shown(outcome: Outcome<Normalised>): object {
  if (outcome.kind === 'ok') return JSON.parse(JSON.stringify(eventJson(outcome.value.event))) as object;
  return { set_aside: outcome.kind, reason: outcome.reason };
}

export function linesOf(path: string): string[] {
  const bytes = readFileSync(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return text.split('\n').filter((line) => line !== '');
}

export function eventsOf(
  lines: readonly string[],
  source: RegisteredSource,
  registry: SourceRegistry,
  settings: Partial<StreamSettings> = {},
): AuditEvent[] {
  return lines.flatMap((line) =>
    understand(recordOf(line), source, { ...defaultStreamSettings, ...settings }, registry).map((outcome) => {
      if (outcome.kind !== 'ok')
        throw new Error(`${outcome.kind}: ${outcome.reason} ${outcome.detail ?? ''}`);
      return outcome.value.event;
    }),
  );
}
