import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blankEvent, type StoredEvent } from '../../src/core/event.ts';
import { parsePeriod } from '../../src/core/quarter.ts';
import type { ReviewInput } from '../../src/report/input.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';
import { writeEvents, writeRecords, writeSetAside } from '../../src/store/writer.ts';

export const ann = 'vault:main/entity/ann';
export const bob = 'vault:main/entity/bob';
export const ci = 'vault:main/entity/ci';
export const eve = 'vault:main/entity/eve';
export const root = 'vault:main/token/root';
export const payKey = 'vault:main/prod/pay/key';
export const devDb = 'vault:main/dev/app/db';
export const missing = 'vault:main/prod/pay/kez';
export const refusedOnly = 'vault:main/prod/hr/salaries';
export const transitKey = 'vault:main/transit/keys/k1';
export const ghost = 'vault:main/prod/ghost';

const facts: Record<string, Partial<StoredEvent>> = {
  [ann]: { actor_name: 'ann@corp.example', identity_kind: 'human', team: 'payments', actor_env: 'unknown' },
  [bob]: { actor_name: 'bob@corp.example', identity_kind: 'human', team: 'data', actor_env: 'unknown' },
  [ci]: { actor_name: 'approle', actor_role: 'shop-ci', identity_kind: 'ci', actor_env: 'development' },
  [eve]: {
    actor_name: 'eve',
    identity_kind: 'human',
    marks: ['break_glass', 'crown_jewel'],
    actor_env: 'unknown',
  },
  [root]: { actor_name: 'root', actor_kind: 'root', identity_kind: 'root', actor_env: 'unknown' },
  [payKey]: {
    object_kind: 'secret',
    env: 'production',
    owner: 'payments',
    marks: ['crown_jewel', 'data:cardholder'],
  },
  [devDb]: { object_kind: 'secret', env: 'development', owner: 'shop' },
  [missing]: { object_kind: 'secret', env: 'production', owner: 'payments' },
  [refusedOnly]: { object_kind: 'secret', env: 'production', owner: 'people' },
  [transitKey]: { object_kind: 'key', env: 'production', owner: 'platform' },
};

type Line = readonly [
  time: string,
  identity: string,
  action: StoredEvent['action'],
  object: string,
  more?: Partial<StoredEvent>,
];
const denied = { outcome: 'denied', outcome_code: '403' } as const;
const noData = { outcome: 'error', outcome_code: '404', flags: ['no_data'] } as Partial<StoredEvent>;

/** Q3 in Berlin is [2026-06-30T22:00Z, 2026-09-30T22:00Z). Numbers in the tests were counted by hand from here. */
// biome-ignore format: one event a line
const lines: readonly Line[] = [
  ['2026-04-10T09:00:00Z', bob, 'login', 'vault:main/auth/userpass/login/bob', { object_kind: 'identity', auth_method: 'userpass' }],
  ['2026-04-10T09:00:05Z', bob, 'read', devDb],
  ['2026-05-02T08:00:00Z', ann, 'read', devDb],
  ['2026-05-02T08:30:00Z', ann, 'update', devDb],
  ['2026-06-30T21:59:59.999Z', ann, 'read', payKey],                                     // last of Q2
  ['2026-06-30T22:00:00Z', ann, 'read', payKey, { dup_key: 'edge', src_ip: '10.0.0.7', network: 'office' }], // first of Q3
  ['2026-06-30T22:00:00.003Z', ann, 'read', payKey, { dup_key: 'edge', stream: 's2', src_ip: '10.0.0.7' }], // second device
  ['2026-06-30T22:00:00Z', ann, 'read', payKey, { dup_key: 'edge', phase: 'attempt', outcome: 'unknown' }],
  ['2026-07-05T07:00:00Z', ann, 'login', 'vault:main/auth/userpass/login/ann', { object_kind: 'identity', auth_method: 'userpass' }],
  ['2026-07-06T07:00:00Z', ann, 'read', devDb, { src_ip: '10.0.0.8' }],
  ['2026-07-06T07:00:01Z', ann, 'read', devDb, { src_ip: '2001:db8::1' }],
  ['2026-07-07T07:00:00Z', ann, 'list', 'vault:main/prod/pay', { object_kind: 'secret' }],
  ['2026-07-08T07:00:00Z', ann, 'read', missing, noData],
  ['2026-07-08T07:00:05Z', ann, 'read', missing, noData],
  ['2026-07-09T02:00:00Z', ci, 'login', 'vault:main/auth/jwt/login', { object_kind: 'identity', auth_method: 'jwt' }],
  ['2026-07-09T02:00:01Z', ci, 'read', payKey],
  ['2026-07-10T02:00:01Z', ci, 'read', payKey, denied],
  ['2026-08-01T02:00:01Z', ci, 'read', refusedOnly, denied],
  ['2026-08-02T12:00:00Z', '', 'read', devDb],
  ['2026-08-03T12:00:00Z', '', 'login', 'vault:main/auth/userpass/login/zed', { object_kind: 'identity', ...denied }],
  ['2026-08-04T12:00:00Z', ann, 'issue', 'vault:main/token/hmac-1', { object_kind: 'token' }],
  ['2026-08-05T12:00:00Z', ann, 'use', transitKey],
  ['2026-08-06T10:00:00Z', ann, 'update', payKey],
  ['2026-08-07T10:00:00Z', ann, 'read', devDb, { outcome: 'error', outcome_code: '500', outcome_reason: 'internal error' }],
  ['2026-08-20T10:00:00Z', bob, 'read', payKey, denied],
  ['2026-09-01T10:00:00Z', root, 'config-audit', 'vault:main/sys/audit/file', { object_kind: 'audit_device' }],
  ['2026-09-02T10:00:00Z', root, 'read', payKey],
  ['2026-09-03T10:00:00Z', ann, 'read', payKey, { dup_key: 'orphan', phase: 'attempt', outcome: 'unknown' }],
  ['2026-09-04T10:00:00Z', ann, 'use', transitKey, { phase: 'derived' }],
  ['2026-09-10T10:00:00Z', eve, 'read', payKey],
  ['2026-09-11T10:00:00Z', ann, 'delete', devDb],
  ['2026-09-30T21:59:59.999Z', ann, 'read', devDb],                                      // last of Q3
  ['2026-09-30T22:00:00Z', ann, 'read', devDb],                                          // first of Q4
  ['2026-09-05T10:00:00Z', ann, 'read', payKey, { dup_key: 'late' }],                    // arrived after the checkpoint
];

/** Offset 20 of `s1` is missing; the last line of the world lies above the checkpoint. */
const gapAt = 20;

export function worldEvents(): StoredEvent[] {
  let offset = -1;
  return lines.map(([time, identity, action, object, more], i) => {
    const isSecond = more?.stream === 's2';
    if (!isSecond) offset += offset + 1 === gapAt ? 2 : 1;
    const [seconds = '', fraction = ''] = time.slice(0, -1).split('.');
    const marks = [...(facts[identity]?.marks ?? []), ...(facts[object]?.marks ?? [])];
    return {
      ...blankEvent(),
      time: BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0')),
      source: 'vault',
      format: 'openbao',
      adapter: 1,
      object_store: 'main',
      dup_key: `d${i}`,
      request_id: `r${i}`,
      action,
      operation: action,
      outcome: 'allowed',
      actor_id: identity,
      object_id: object,
      env: 'unknown',
      actor_env: 'unknown',
      owner: 'unknown',
      team: '',
      secret: object,
      identity,
      identity_kind: 'unknown',
      network: '',
      geo_country: '',
      asn: 0,
      catalog_version: 7,
      hits: [],
      rules_version: 0,
      writer: 0n,
      ...facts[identity],
      ...facts[object],
      marks: [...new Set(marks)],
      stream: 's1',
      partition: 0,
      epoch: 0,
      offset: isSecond ? 0n : BigInt(offset),
      idx: 0,
      ingested_at: 1_790_000_000_000,
      ...more,
    } as StoredEvent;
  });
}

/** A store that holds the world: an event each record, and one record of `s2` that is set aside. */
export async function openWorld(events: readonly StoredEvent[] = worldEvents()): Promise<Engine> {
  const engine = await openEmbedded(mkdtempSync(join(tmpdir(), 'keywitness-review-')));
  await migrate(engine);
  const coordinates = [
    ...events.map(({ stream, partition, epoch, offset }) => ({ stream, partition, epoch, offset })),
    { stream: 's2', partition: 0, epoch: 0, offset: 1n },
  ];
  await writeRecords(
    engine,
    coordinates.map((at) => ({
      record: { ...at, timestamp: 0, key: null, headers: [], value: Buffer.from('{}') },
      leaf: Buffer.alloc(32, Number(at.offset)),
      ingestedAt: 1_790_000_000_000,
      writer: 0n,
    })),
  );
  await writeSetAside(engine, [
    {
      stream: 's2',
      partition: 0,
      epoch: 0,
      offset: 1n,
      idx: 0,
      ingested_at: 1_790_000_000_000,
      outcome: 'quarantine',
      reason: 'invalid_json',
      detail: '',
      writer: 0n,
    },
  ]);
  await writeEvents(engine, events);
  return engine;
}

const policies: Record<string, number> = { [payKey]: 90, [devDb]: 30, [transitKey]: 365, [ghost]: 100 };

/** 34 lines: one of s2, 33 of s1 at offsets 0…33 without 20; the last (33) is above the checkpoint. */
export function worldInput(change: Partial<ReviewInput> = {}): ReviewInput {
  return {
    period: parsePeriod('2026Q3', 'Europe/Berlin'),
    catalog: {
      version: 7,
      hash: 'c0ffee'.padEnd(64, '0'),
      rotateEveryDays: (id) => policies[id] ?? 0,
      namedSecrets: [payKey, ghost],
      identities: [
        { identity: ann, kind: 'human', team: 'payments', until: '' },
        { identity: 'zoe@corp.example', kind: 'human', team: 'data', until: '2026-06-30' },
      ],
    },
    completeness: {
      checkpoint: 'keywitness.example/meta\n3\nAAAA\n\n— keywitness.example sig\n',
      checkpointTime: Date.parse('2026-10-01T06:00:00Z'),
      findings: [],
      exposureMs: 12_500,
      streams: [
        // biome-ignore format: one stream a line
        { stream: 's1', partition: 0, epoch: 0, firstOffset: 0n, lastOffset: 32n, gaps: [[20n, 20n]], records: 32, expired: [], events: 32, setAside: 0, rootHex: 'aa'.repeat(32), checkpointSize: 32, verifyVerdict: 'intact', checkpoint: '' },
        // biome-ignore format: one stream a line
        { stream: 's2', partition: 0, epoch: 0, firstOffset: 0n, lastOffset: 1n, gaps: [], records: 2, expired: [], events: 1, setAside: 1, rootHex: 'bb'.repeat(32), checkpointSize: 2, verifyVerdict: 'intact', checkpoint: '' },
      ],
    },
    productVersion: '0.1.0',
    ...change,
  };
}
