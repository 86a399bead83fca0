import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blankEvent, type StoredEvent } from '../../src/core/event.ts';
import type { Header, KwRecord } from '../../src/core/record.ts';
import type { Engine } from '../../src/store/client.ts';
import { openEmbedded } from '../../src/store/client.ts';
import type { RecordRow } from '../../src/store/tables.ts';

export interface TestStore {
  readonly engine: Engine;
  readonly directory: string;
  close(): Promise<void>;
}

/** A real embedded engine in a directory of its own. One a process: call it once a test file. */
export async function openTestStore(): Promise<TestStore> {
  const directory = mkdtempSync(join(tmpdir(), 'keywitness-store-'));
  const engine = await openEmbedded(join(directory, 'store'));
  return {
    engine,
    directory,
    async close() {
      await engine.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export function record(
  offset: bigint,
  value: Buffer | string | null,
  more: Partial<KwRecord> = {},
): KwRecord {
  return {
    stream: 'test.audit',
    partition: 0,
    epoch: 0,
    offset,
    timestamp: 1_782_864_000_000,
    key: null,
    headers: [] as Header[],
    value: typeof value === 'string' ? Buffer.from(value) : value,
    ...more,
  };
}

export function recordRow(r: KwRecord, leafByte = Number(r.offset % 251n) + 1): RecordRow {
  return { record: r, leaf: Buffer.alloc(32, leafByte), ingestedAt: 1_782_864_000_123, writer: 0n };
}

export function storedEvent(offset: bigint, more: Partial<StoredEvent> = {}): StoredEvent {
  return {
    ...blankEvent(),
    time: 1_782_864_000_000_000_000n,
    source: 'vault',
    stream: 'test.audit',
    partition: 0,
    epoch: 0,
    offset,
    idx: 0,
    ingested_at: 1_782_864_000_123,
    env: '',
    actor_env: '',
    owner: '',
    team: '',
    secret: '',
    identity: '',
    identity_kind: '',
    network: '',
    geo_country: '',
    asn: 0,
    marks: [],
    catalog_version: 0,
    hits: [],
    rules_version: 0,
    writer: 0n,
    ...more,
  };
}
