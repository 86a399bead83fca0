import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StreamTrouble } from '../src/app/sink.ts';
import { type App, openApp } from '../src/app.ts';
import { systemClock } from '../src/core/clock.ts';
import type { KwRecord } from '../src/core/record.ts';
import { verifyStore } from '../src/ledger/audit/verify.ts';
import { defaultStreamSettings } from '../src/sources/source.ts';
import { openEmbedded } from '../src/store/client.ts';
import { recordAt } from '../src/store/positions.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-bad-'));
const dataDir = join(folder, 'data');
const anchorFile = `${dataDir}.anchor`;
let app: App;
const troubles: StreamTrouble[] = [];

beforeAll(async () => {
  app = await openApp({
    dataDir,
    anchorFile,
    clock: systemClock,
    openStore: () => openEmbedded(join(dataDir, 'store')),
    live: {
      readingOf: () => ({ transport: 'kafka', source: '', settings: defaultStreamSettings }),
      onTrouble: async (trouble) => void troubles.push(trouble),
    },
  });
});
afterAll(async () => {
  await app.close();
  rmSync(folder, { recursive: true, force: true });
});

const call = (path: string, more = '') =>
  `{"time":"2026-02-03T09:00:00Z","type":"response","auth":{"entity_id":"e1","display_name":"ann","policies":["p"]},"request":{"id":"${path}","operation":"read","path":"${path}","mount_type":"kv","mount_point":"kv/"${more}},"response":{"data":{"data":{"a":"hmac-sha256:00"}}}}`;

/** What a broker can hand over, and what becomes of it: events, or the reason it is set aside. */
const cases: readonly (readonly [name: string, value: Buffer | string | null, becomes: string])[] = [
  ['an event', call('kv/data/good'), 'event'],
  ['a tombstone', null, 'drop tombstone'],
  ['an empty value', '', 'drop empty'],
  ['no JSON', 'hello', 'quarantine no_json'],
  ['broken JSON', '{"type":', 'quarantine invalid_json'],
  ['an unknown source', '{"hello":"world"}', 'quarantine unknown_source'],
  ['a field of another type', call('kv/data/x').replace('"request":{', '"request":{"operation":7,'), 'quarantine duplicate_key'],
  ['a schema violation', call('kv/data/y').replace('"operation":"read"', '"operation":7'), 'quarantine schema'],
  ['20 MB', `${call('kv/data/big').slice(0, -1)},"pad":"${'x'.repeat(20 * 1024 * 1024)}"}`, 'quarantine part_too_large'],
  ['a depth of 10,000', `${'['.repeat(10_000)}${']'.repeat(10_000)}`, 'quarantine too_deep'],
  ['__proto__', call('kv/data/proto', ',"__proto__":{"isAdmin":true}'), 'quarantine proto_key'],
  ['invalid UTF-8', Buffer.concat([Buffer.from(call('kv/data/utf')), Buffer.from([0xff, 0xfe])]), 'quarantine invalid_utf8'],
  ['a NUL', call('kv/data/nul\\u0000'), 'quarantine nul'],
  ['a lone surrogate', call('kv/data/half\\ud800'), 'quarantine lone_surrogate'],
  ['an integer above 2^53', call('kv/data/int', ',"data":{"n":9007199254740993}'), 'event'],
  ['a time in the year 1960', call('kv/data/old').replace('2026-02-03', '1960-02-03'), 'event'],
  ['an envelope of two, one bad', '{"Records":[{"eventVersion":"1.08","eventTime":"2026-02-03T09:00:00Z","eventSource":"kms.amazonaws.com","eventName":"ListKeys","eventID":"1","userIdentity":{"type":"Root","arn":"arn:aws:iam::1:root"}},7]}', 'event + quarantine schema'],
  ['an empty envelope', '{"Records":[]}', 'drop empty_envelope'],
]; // biome-ignore format: one case a row

const records = cases.map(
  ([, value], i): KwRecord => ({
    stream: 'c.bad',
    partition: 0,
    epoch: 0,
    offset: BigInt(i),
    timestamp: Date.parse('2026-02-03T09:00:01Z'),
    key: null,
    headers: [],
    value: value === null ? null : Buffer.from(value as string),
  }),
);

describe('whatever a record holds, it is stored byte for byte and accounted for', () => {
  beforeAll(() => app.sink.deliver(records));

  it.each(cases.map(([name, , becomes], i) => ({ name, becomes, i })))(
    '$name: $becomes',
    async ({ becomes, i }) => {
      const at = `stream = 'c.bad' AND offset = ${i}`;
      const events = await app.engine.rows(`SELECT idx FROM kw.events WHERE ${at}`);
      const aside = await app.engine.rows(`SELECT outcome, reason FROM kw.set_aside WHERE ${at}`);
      const found = [...events.map(() => 'event'), ...aside.map((r) => `${r.outcome} ${r.reason}`)].join(
        ' + ',
      );
      expect(found).toBe(becomes);
      const stored = await recordAt(app.engine, { stream: 'c.bad', partition: 0, epoch: 0 }, BigInt(i));
      // Compared as bytes: a matcher would print 20 MB when they differ.
      expect(
        Buffer.compare(stored?.record.value ?? Buffer.alloc(0), records[i]?.value ?? Buffer.alloc(0)),
      ).toBe(0);
      expect(stored?.record.value === null).toBe(records[i]?.value === null);
    },
  );

  it('keeps the two invariants: as many records as came, and one row for each part', async () => {
    const [row] = await app.engine.rows(`
      SELECT (SELECT count() FROM kw.records) AS records,
        (SELECT count() FROM (SELECT offset, idx FROM kw.events UNION ALL SELECT offset, idx FROM kw.set_aside)) AS parts,
        (SELECT uniqExact(offset, idx) FROM (SELECT offset, idx FROM kw.events UNION ALL SELECT offset, idx FROM kw.set_aside)) AS distinct_parts`);
    expect(row).toEqual({ records: cases.length, parts: cases.length + 1, distinct_parts: cases.length + 1 });
  });

  it('tells people of what it could not read, since an act may hide in it', () => {
    const unread = cases.filter(([, , becomes]) => becomes.includes('quarantine')).length;
    expect(troubles).toMatchObject([{ kind: 'quarantine', key: { stream: 'c.bad' } }]);
    expect(troubles[0]?.sentence).toMatch(new RegExp(`^${unread} parts`));
  });

  it('is intact to verify', async () => {
    await app.checkpoint();
    const report = await verifyStore({ engine: app.engine, dataDir, anchorFile, now: Date.now() });
    expect(report.findings).toEqual([]);
  });
});

/** Values no reader may ever meet outside the stored bytes, planted wherever a careless caller puts them. */
const canaries = {
  path: 'hvs.CAESICanaryCanaryCanaryCanaryCanaryCanary00',
  key: 'postgres://app:canary-Passw0rd@db.internal:5432/main',
  userName: 'AKIAIOSFODNN7CANARYX',
  raw: 'canary-raw-data-value-4711',
  error: 'ghp_canarycanarycanarycanarycanarycanary',
};

describe('no secret value of a record leaves the store', () => {
  it('neither in alerts, messages, reviews nor derived rows', async () => {
    const lines = [
      call(`kv/data/${canaries.path}`),
      call('kv/data/keys').replace('{"a":', `{"${canaries.key}":`),
      `{"time":"2026-02-03T09:00:02Z","type":"response","auth":{},"request":{"id":"u","operation":"update","mount_type":"userpass","path":"auth/userpass/login/${canaries.userName}","remote_address":"192.0.2.9"},"error":"permission denied"}`,
      call('kv/data/raw')
        .replace('"hmac-sha256:00"', `"${canaries.raw}"`)
        .replace('"entity_id"', '"client_token":"s.rawtokenrawtokenrawtoken","entity_id"'),
      call('kv/data/err').replace('"response":', `"error":"upstream said ${canaries.error}","response":`),
    ];
    const file = join(folder, 'canary.ndjson');
    writeFileSync(file, `${lines.join('\n')}\n`);
    await app.ingestFile(file, { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
    const alerts = await app.detect();
    expect(alerts.flatMap((a) => a.parts.map((p) => p.title))).toContain('Secret in Clear in an Audit Event');
    await app.alerting.tell(alerts);
    await app.checkpoint();
    await app.review('2026Q1');

    const written = [...textsBelow(join(dataDir, 'outbox')), ...textsBelow(join(dataDir, 'reviews'))];
    expect(written.length).toBeGreaterThan(2);
    for (const table of ['events', 'set_aside', 'sessions', 'hits', 'alerts', 'deliveries', 'meta']) {
      written.push(JSON.stringify(await app.engine.rows(`SELECT * FROM kw.${table}`)));
    }
    for (const [place, canary] of Object.entries(canaries)) {
      expect(
        written.filter((text) => text.includes(canary)),
        place,
      ).toEqual([]);
    }
    // The bytes themselves are evidence and stay.
    const [stored] = await app.engine.rows(
      `SELECT countIf(position(value, '${canaries.path}') > 0) AS n FROM kw.records`,
    );
    expect(stored).toEqual({ n: 1 });
  });
});

function textsBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile())
    .map((f) => readFileSync(join(f.parentPath, f.name), 'utf8').replace(/=\r?\n/g, ''));
}
