import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { groupSignals } from '../../src/alert/group.ts';
import { detectStored } from '../../src/app/detectStored.ts';
import { justIn } from '../../src/app/justIn.ts';
import { createLiveAlerting, type LiveAlerting } from '../../src/app/liveAlerting.ts';
import { createLiveDetection, type LiveDetection } from '../../src/app/liveDetection.ts';
import { type App, openApp } from '../../src/app.ts';
import type { Clock } from '../../src/core/clock.ts';
import { KeywitnessError } from '../../src/core/errors.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import type { KwRecord } from '../../src/core/record.ts';
import type { Alert } from '../../src/core/signal.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-live-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(stop);

/** As the adapter of Vault says. */
const latenessMs = 5 * 60_000;
const minuteMs = 60_000;
const start = Date.parse('2026-07-01T09:00:00Z');

/** A clock that stands still until it is set. */
let nowMs = 0;
const clock: Clock = {
  now: () => nowMs,
  sleep: (_, signal) =>
    new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true })),
};

/** An intake that cannot read. */
let isBrokerAway = false;

/** One store a process: a service that is started closes the one before, as a restart does. */
let running: { app: App; live: LiveAlerting; detection: LiveDetection } | undefined;

async function stop() {
  await running?.app.close();
  running = undefined;
}

/** Lets a test refuse, or leave without an answer, what the program asks of the store. */
type Fault = (engine: Engine) => Engine;

async function service(name: string, fault: Fault = (engine) => engine) {
  await stop();
  const dataDir = join(folder, name);
  const app = await openApp({
    dataDir,
    anchorFile: `${dataDir}.anchor`,
    clock,
    openStore: async () => fault(await openEmbedded(join(dataDir, 'store'))),
    live: {
      readingOf: () => ({ transport: 'kafka', source: 'vault', settings: defaultStreamSettings }),
      onTrouble: async () => {},
    },
  });
  const detection = createLiveDetection({
    engine: app.engine,
    detector: app.createDetector(),
    clock,
    flushedAt: () => app.sink.flushedAt(),
    isWaiting: () => isBrokerAway,
    latenessMs: () => latenessMs,
  });
  const live = createLiveAlerting(
    detection,
    app.alerting,
    clock,
    () => '',
    ({ events }) => events.some((ref) => app.isLiveEvent(ref)),
    justIn(app.engine, app.sink.flushedAt()),
  );
  await live.start();
  running = { app, live, detection };
  return running;
}

const record = (stream: string, partition: number, offset: number, value: string): KwRecord => ({
  stream,
  partition,
  epoch: 0,
  offset: BigInt(offset),
  timestamp: 0,
  key: null,
  headers: [],
  value: Buffer.from(value),
});

const refused = (id: string, timeMs: number, name = 'ana', nanoseconds = '') =>
  `{"time":"${new Date(timeMs).toISOString().replace('Z', `${nanoseconds}Z`)}","type":"response","auth":{"token_type":"default"},"request":{"id":"${id}","operation":"update","mount_point":"auth/userpass/","mount_type":"userpass","namespace":{"id":"root"},"path":"auth/userpass/login/${name}","remote_address":"198.51.100.77"},"error":"invalid credentials"}`;

/** What people end up with, and what detection over all that is stored says. */
async function outcome() {
  if (running === undefined) throw new Error('nothing runs');
  const { app, detection } = running;
  const alerts = await app.alerting.store.list({ all: true });
  const grouped = groupSignals(await detectStored(app.engine, app.createDetector));
  return {
    live: alerts.map(said).sort(byId),
    stored: grouped.map((g) => said(g.alert)).sort(byId),
    late: detection.late(),
  };
}
const said = ({ id, severity, title, first, last, events, eventsTotal }: Alert) => ({
  id,
  severity,
  title,
  first,
  last,
  events,
  eventsTotal,
});
const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);

/** Time goes on until everything is quiet and the watermark has passed what came. */
async function settle(live: LiveAlerting, lastMs: number) {
  nowMs = lastMs + latenessMs + 2 * minuteMs;
  await live.round();
}

describe('live detection comes to the alerts that detection over all that is stored comes to', () => {
  const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
    .toString('utf8')
    .split('\n')
    .slice(0, 8_000);
  const timeOf = (line: string) => Date.parse((JSON.parse(line) as { time: string }).time);

  for (const { name, chunk, restartsAt } of [
    { name: 'in large chunks', chunk: 700, restartsAt: [] },
    { name: 'in small chunks, started anew twice', chunk: 211, restartsAt: [7, 20] },
  ]) {
    it(`real lines ${name}`, async () => {
      nowMs = timeOf(lines[0] as string);
      let { app, live } = await service(name);
      const next = [0, 0];
      for (let at = 0, n = 0; at < lines.length; at += chunk, n++) {
        if (restartsAt.includes(n)) ({ app, live } = await service(name));
        const part = lines.slice(at, at + chunk);
        nowMs = Math.max(nowMs, ...part.map(timeOf));
        const records = part.map((line) => {
          // A call's two lines stay together.
          const partition = line.charCodeAt(line.indexOf('"id":"') + 7) % 2;
          const offset = next[partition] ?? 0;
          next[partition] = offset + 1;
          return record('main.audit', partition, offset, line);
        });
        await app.sink.take(records);
        await live.round();
      }
      await settle(live, nowMs);
      const { live: told, stored, late } = await outcome();
      expect(late).toBe(0);
      expect(stored.length).toBeGreaterThan(2);
      expect(told).toEqual(stored);
    }, 120_000);
  }

  it('ten failures in one millisecond, the tenth at offset 10', async () => {
    nowMs = start;
    const { app, live } = await service('millisecond');
    await app.sink.take([record('main.a', 0, 0, refused('x', start - minuteMs, 'ben'))]);
    await app.sink.take(
      Array.from({ length: 12 }, (_, i) => record('main.a', 0, i + 1, refused(`r${i}`, start))),
    );
    await live.round();
    await settle(live, start);
    const { live: told, stored } = await outcome();
    expect(stored).toHaveLength(1);
    expect(told).toEqual(stored);
  });

  it('nanoseconds decide within a millisecond, whatever partition they came by', async () => {
    nowMs = start;
    const { app, live } = await service('nanoseconds');
    const ofPartition = (partition: number, digits: (i: number) => number) =>
      Array.from({ length: 6 }, (_, i) =>
        record('main.a', partition, i, refused(`p${partition}r${i}`, start, 'ana', String(100 + digits(i)))),
      );
    await app.sink.take(ofPartition(0, (i) => 2 * i));
    await live.round();
    await app.sink.take(ofPartition(1, (i) => 2 * i + 1));
    await live.round();
    await settle(live, start);
    const { live: told, stored } = await outcome();
    expect(stored).toHaveLength(1);
    expect(told).toEqual(stored);
  });

  it('two audit devices that tell of the same calls: each call counts once', async () => {
    nowMs = start;
    const { app, live } = await service('devices');
    const six = Array.from({ length: 6 }, (_, i) => refused(`r${i}`, start + i * 1000));
    for (const topic of ['main.file', 'main.socket']) {
      await app.sink.take(six.map((line, i) => record(topic, 0, i, line)));
      await live.round();
    }
    await settle(live, start + 6000);
    // Ten are an alert; these are six.
    expect(await outcome()).toMatchObject({ live: [], stored: [] });
  });

  it('a partition that lags behind another is waited for, also when the service is started anew meanwhile', async () => {
    nowMs = start;
    let { app, live } = await service('lag');
    await app.sink.take([
      ...Array.from({ length: 5 }, (_, i) =>
        record('main.a', 0, i, refused(`early${i}`, start - 50 * minuteMs + i)),
      ),
      record('main.a', 1, 0, refused('now', start, 'ben')),
    ]);
    await live.round();
    nowMs += 1_000;
    ({ app, live } = await service('lag'));
    await app.sink.take(
      Array.from({ length: 5 }, (_, i) =>
        record('main.a', 0, 5 + i, refused(`later${i}`, start - 49 * minuteMs + i)),
      ),
    );
    await live.round();
    await settle(live, start);
    const { live: told, stored, late } = await outcome();
    expect(late).toBe(0);
    expect(stored).toHaveLength(1);
    expect(told).toEqual(stored);
  });

  it('a service that was started anew and hears nothing still closes what was open', async () => {
    nowMs = start;
    const { app } = await service('quiet');
    await app.sink.take(
      Array.from({ length: 10 }, (_, i) => record('main.a', 0, i, refused(`r${i}`, start + i))),
    );
    const { live } = await service('quiet');
    await live.round();
    await settle(live, start);
    const { live: told, stored } = await outcome();
    expect(stored).toHaveLength(1);
    expect(told).toEqual(stored);
  });

  it('a broker that is away for an hour makes its backlog late for nobody', async () => {
    nowMs = start;
    const { app, live } = await service('away');
    const failures = (from: number) =>
      Array.from({ length: 5 }, (_, i) =>
        record('main.a', 0, from + i, refused(`r${from + i}`, start + from + i)),
      );
    await app.sink.take(failures(0));
    await live.round();
    isBrokerAway = true;
    nowMs += 60 * minuteMs;
    await live.round();
    isBrokerAway = false;
    await app.sink.take(failures(5));
    await live.round();
    expect((await outcome()).late).toBe(0);
    await settle(live, nowMs);
    expect((await outcome()).live).toHaveLength(1);
  });

  it('an event that claims to be of tomorrow does not make today late', async () => {
    nowMs = start;
    const { app, live } = await service('tomorrow');
    const tomorrow = refused('ahead', start + 23 * 60 * minuteMs, 'ben');
    await app.sink.take([record('main.a', 0, 0, tomorrow)]);
    await live.round();
    nowMs += minuteMs;
    await app.sink.take(
      Array.from({ length: 10 }, (_, i) => record('main.a', 0, 1 + i, refused(`r${i}`, start + i))),
    );
    await live.round();
    expect((await outcome()).late).toBe(0);
    await settle(live, start + minuteMs);
    expect((await outcome()).live).toHaveLength(1);
  });
});

const delivered = async (app: App) =>
  Number(
    (await app.engine.rows("SELECT uniqExact(key) AS n FROM kw.deliveries WHERE state = 'delivered'"))[0]?.n,
  );
const guesses = (offset: number, timeMs: number, name = 'ana') =>
  Array.from({ length: 10 }, (_, i) =>
    record('main.a', 0, offset + i, refused(`${name}${timeMs}r${i}`, timeMs + i, name)),
  );

describe('people are told of every alert, once', () => {
  for (const { name, fault } of faults()) {
    it(`also when ${name}`, async () => {
      nowMs = start;
      const { app, live } = await service(name.replaceAll(' ', '-'), fault);
      await app.sink.take(guesses(0, start));
      await live.round();
      nowMs = start + latenessMs + 2 * minuteMs;
      await expect(live.round()).rejects.toThrow('KW_STORE');
      await live.round();
      expect(await delivered(app)).toBe(1);
    });
  }

  it('also when it was killed between a backlog of days and the next round', async () => {
    nowMs = start;
    const days = 24 * 60 * minuteMs;
    const { app } = await service('backlog');
    await app.sink.take([
      ...guesses(0, start - 4 * days),
      record('main.a', 0, 10, refused('newest', start - minuteMs, 'ben')),
    ]);
    // Nothing was looked at yet, and the next start comes hours later.
    nowMs += 300 * minuteMs;
    const again = await service('backlog');
    await settle(again.live, nowMs);
    expect(await delivered(again.app)).toBe(1);
    // What is long stored stays history, whatever the rules of a later start make of it.
    await again.app.engine.command('ALTER TABLE kw.alerts DELETE WHERE 1 SETTINGS mutations_sync = 2');
    await again.app.engine.command('ALTER TABLE kw.deliveries DELETE WHERE 1 SETTINGS mutations_sync = 2');
    nowMs += 120 * minuteMs;
    await again.app.sink.take([record('main.a', 0, 11, refused('later', nowMs, 'ben'))]);
    const third = await service('backlog');
    await settle(third.live, nowMs);
    expect(await delivered(third.app)).toBe(0);
  });

  it('of a loss before reading goes on: it is stored when the promise says so', async () => {
    nowMs = start;
    const { app, live } = await service('loss');
    let isStored = false;
    const key = { stream: 'main.a', partition: 0, epoch: 0 };
    const stored = live.trouble({ kind: 'gap', key, sentence: 'Offsets 1 to 2 were gone.' }).then(() => {
      isStored = true;
    });
    await new Promise(setImmediate);
    expect(isStored).toBe(false);
    await live.round();
    await stored;
    expect((await app.alerting.store.list({ all: true })).map((a) => a.title)).toEqual([
      'Records were lost before they were read',
    ]);
  });

  it('but of what came by files only when asked', async () => {
    nowMs = start;
    const { app } = await service('files');
    // One file of long ago and one of today: neither was to be sent.
    for (const [file, timeMs] of [
      ['old.ndjson', start - 700 * 24 * 60 * minuteMs],
      ['new.ndjson', start - 10 * minuteMs],
    ] as const) {
      const path = join(folder, file);
      writeFileSync(
        path,
        `${guesses(0, timeMs)
          .map((r) => r.value)
          .join('\n')}\n`,
      );
      await app.ingestFile(path, { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
    }
    expect(await app.detect()).toHaveLength(2);
    const again = await service('files');
    await again.live.round();
    await settle(again.live, start);
    expect(await delivered(again.app)).toBe(0);
    await again.app.sink.take(guesses(0, nowMs, 'ben'));
    await again.live.round();
    await settle(again.live, nowMs);
    expect(await delivered(again.app)).toBe(1);
    expect(await again.app.alerting.store.list({ all: true })).toHaveLength(3);
  });
});

function faults(): { name: string; fault: Fault }[] {
  const once = () => {
    let calls = 0;
    return () => ++calls === 1;
  };
  const noAnswer = () => new KeywitnessError('KW_STORE', 'no answer');
  const [deliveries, alerts, answer] = [once(), once(), once()];
  let isSaved = false;
  return [
    {
      name: 'the delivery log refuses',
      fault: (engine) => ({
        ...engine,
        async insert(table, columns, rows, token) {
          if (table === 'kw.deliveries' && deliveries()) throw noAnswer();
          await engine.insert(table, columns, rows, token);
        },
      }),
    },
    {
      name: 'the alerts are not taken',
      fault: (engine) => ({
        ...engine,
        async insert(table, columns, rows, token) {
          if (table === 'kw.alerts' && alerts()) throw noAnswer();
          await engine.insert(table, columns, rows, token);
        },
      }),
    },
    {
      name: 'the alerts are taken and the answer is lost',
      fault: (engine) => ({
        ...engine,
        async insert(table, columns, rows, token) {
          await engine.insert(table, columns, rows, token);
          isSaved ||= table === 'kw.alerts';
        },
        async rows(sql, params) {
          if (isSaved && answer()) throw noAnswer();
          return engine.rows(sql, params);
        },
      }),
    },
  ];
}
