import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CreatedReview, createReview } from '../../src/report/review.ts';
import type { Row } from '../../src/report/section.ts';
import type { Engine } from '../../src/store/client.ts';
import { readOnlyQuery } from '../../src/store/readOnly.ts';
import {
  ann,
  bob,
  ci,
  devDb,
  eve,
  ghost,
  missing,
  openWorld,
  payKey,
  refusedOnly,
  root,
  transitKey,
  worldInput,
} from './world.ts';

let engine: Engine;
let made: CreatedReview;
const outDir = mkdtempSync(join(tmpdir(), 'keywitness-reviews-'));

beforeAll(async () => {
  engine = await openWorld();
  made = await createReview(engine, { ...worldInput(), outDir });
});
afterAll(() => engine.close());

function rows(id: string): readonly Row[] {
  return made.review.sections.find((s) => s.id === id)?.rows ?? [];
}
function row(id: string, key: string, value: string): Row {
  return rows(id).find((r) => r[key] === value) ?? {};
}

describe('counts, counted by hand from the world of 34 lines', () => {
  it('an act counts once: not its request half, its copy, what it caused, or what arrived later', () => {
    expect(made.review.figures.row).toEqual({
      value_returned: 9,
      secrets: 3,
      identities: 5,
      pairs: 7,
      acts: 23,
      browsed_acts: 1,
      no_data_acts: 2,
      denied: 4,
      errors: 1,
      logins: 2,
      logins_failed: 1,
      values_unnamed: 1,
      unanswered: 1,
    });
  });

  it('by user: values returned apart from listings, from nothing there, and from denied', () => {
    expect(rows('by-user').map((r) => [r.identity, r.reads])).toEqual([
      [ann, 5],
      ['', 1],
      [ci, 1],
      [eve, 1],
      [root, 1],
      [bob, 0],
    ]);
    expect(row('by-user', 'identity', ann)).toMatchObject({
      names: ['ann@corp.example'],
      kinds: ['human'],
      teams: ['payments'],
      secrets: 3,
      writes: 2,
      listings: 1,
      nothing_found: 2,
      denied: 0,
      errors: 1,
      logins: 1,
      methods: ['userpass'],
      networks: ['office'],
      first_seen: '2026-06-30T22:00:00Z',
      last_seen: '2026-09-30T21:59:59Z',
      addresses: ['10.0.0.7', '10.0.0.8', '2001:db8::1'],
      addresses_total: 3,
    });
    expect(row('by-user', 'identity', '')).toMatchObject({ reads: 1, denied: 1, logins: 0 });
  });

  it('by secret: distinct readers, and a name that never returned anything is no secret', () => {
    expect(
      rows('by-secret').map((r) => [r.secret, r.readers, r.reads, r.writes, r.removals, r.denied]),
    ).toEqual([
      [devDb, 2, 4, 0, 1, 0],
      [payKey, 4, 4, 1, 0, 2],
      [transitKey, 1, 1, 0, 0, 0],
      [refusedOnly, 0, 0, 0, 0, 1],
    ]);
    expect(row('by-secret', 'secret', payKey)).toMatchObject({
      crown_jewel: true,
      owners: ['payments'],
      environments: ['production'],
      data_classes: ['cardholder'],
      last_read: '2026-09-10T10:00:00Z',
      last_changed: '2026-08-06T10:00:00Z',
    });
    expect(rows('nothing-there')).toMatchObject([
      { secret: missing, requests: 2, identities: 1, who: [ann] },
    ]);
  });

  it('by week and month of the zone, and both add up to the summary', () => {
    // 2026-06-30T22:00Z is Wednesday 1 July in Berlin: its week began on 29 June.
    expect(rows('by-time').map((r) => [r.begins, r.reads])).toEqual([
      ['2026-06-29', 1],
      ['2026-07-06', 3],
      ['2026-07-27', 1],
      ['2026-08-03', 1],
      ['2026-08-17', 0],
      ['2026-08-31', 1],
      ['2026-09-07', 1],
      ['2026-09-28', 1],
    ]);
    expect(rows('by-month').map((r) => [r.begins, r.reads, r.acts])).toEqual([
      ['2026-07', 4, 10],
      ['2026-08', 2, 8],
      ['2026-09', 3, 5],
    ]);
  });

  it('dormant: known or once seen, nothing but refusals in 90 days', () => {
    expect(rows('dormant')).toMatchObject([
      { identity: 'zoe@corp.example', in_catalog: true, left: '2026-06-30', last_active: '', idle_days: '' },
      {
        identity: bob,
        in_catalog: false,
        last_active: '2026-04-10T09:00:05Z',
        idle_days: '173',
        denied_in_window: 1,
      },
    ]);
  });

  it('rotation: exact where a change is in the log, at least where not, undecided where that proves nothing', () => {
    expect(
      rows('rotation').map((r) => [r.secret, r.verdict, r.age_days, r.age_is, r.rotate_every_days]),
    ).toEqual([
      [devDb, 'overdue', 151, 'exact', 30],
      [ghost, 'overdue', 173, 'at least', 100],
      [transitKey, 'undecided', 173, 'at least', 365],
      [payKey, 'in time', 55, 'exact', 90],
    ]);
    expect(row('rotation', 'secret', payKey)).toMatchObject({
      changed_by: ann,
      changes: 1,
      last_changed: '2026-08-06T10:00:00Z',
    });
  });

  it('first reads: events before the period decide', () => {
    expect(rows('first-reads').map((r) => [r.identity, r.secret, r.learning])).toEqual([
      [ci, payKey, false],
      ['', devDb, false],
      [ann, transitKey, false],
      [root, payKey, false],
      [eve, payKey, false],
    ]);
  });

  it('production secrets and non-production identities, given and refused', () => {
    expect(rows('cross-environment').map((r) => [r.identity, r.secret, r.reads, r.denied])).toEqual([
      [ci, payKey, 1, 1],
      [ci, refusedOnly, 0, 1],
    ]);
  });

  it('denied and failed, root and break-glass', () => {
    expect(rows('denied').map((r) => [r.identity, r.object, r.outcome])).toEqual([
      ['', 'vault:main/auth/userpass/login/zed', 'denied'],
      [ann, devDb, 'error'],
      [bob, payKey, 'denied'],
      [ci, refusedOnly, 'denied'],
      [ci, payKey, 'denied'],
    ]);
    expect(rows('privileged').map((r) => [r.why, r.identity, r.acts])).toEqual([
      ['root', root, 2],
      ['break-glass', eve, 1],
    ]);
  });

  it('completeness: store and ledger beside each other', () => {
    expect(
      rows('completeness').map((r) => [
        r.stream,
        r.records,
        r.events,
        r.set_aside,
        r.missing,
        r.unaccounted,
        r.disagreement,
      ]),
    ).toEqual([
      ['s1', 32, 32, 0, '1', 0, 'agree'],
      ['s2', 2, 1, 1, '0', 0, 'agree'],
    ]);
  });

  it('the exposure window is a number, for people and for programs', () => {
    expect(readFileSync(join(made.folder, 'review.html'), 'utf8')).toContain('<dt>Exposure</dt><dd>12.5 s: ');
    const json = JSON.parse(readFileSync(join(made.folder, 'review.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(json.exposure_seconds).toBe(12.5);
  });
});

describe('every number comes with the statement that gives it', () => {
  it('each printed statement is one read-only query, and run again it gives the rows that were printed', async () => {
    const ask = async (sql: string) => {
      const out = await readOnlyQuery(engine, sql, { format: 'JSONEachRow', isRawAllowed: false });
      return out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    };
    expect(await ask(made.review.figures.sql)).toEqual([made.review.figures.row]);
    expect(await ask(made.review.mostRead.sql)).toEqual(made.review.mostRead.rows);
    for (const section of made.review.sections) {
      const again = await ask(section.sql);
      expect(again.length, section.id).toBe(section.rows.length);
      const flags = section.columns.filter((c) => c.kind === 'flag').map((c) => c.key);
      for (const [i, raw] of again.entries()) {
        for (const flag of flags) raw[flag] = Number(raw[flag]) === 1;
        expect(section.rows[i], section.id).toMatchObject(raw);
      }
    }
  });

  it('the page holds each statement as a command', () => {
    const html = readFileSync(join(made.folder, 'review.html'), 'utf8');
    const commands = html.match(/<code>keywitness query &quot;/g) ?? [];
    expect(commands.length).toBeGreaterThanOrEqual(2 + made.review.sections.length);
  });
});

describe('the files', () => {
  it('are the same bytes when made again, also when later events have arrived', async () => {
    const again = await createReview(engine, {
      ...worldInput(),
      outDir: mkdtempSync(join(tmpdir(), 'keywitness-again-')),
    });
    expect(again.files).toEqual(made.files);
  });

  it('are those of the manifest, with their hashes', () => {
    const manifest = JSON.parse(readFileSync(join(made.folder, 'manifest.json'), 'utf8')) as {
      files: { name: string; sha256: string }[];
    };
    expect([...manifest.files.map((f) => f.name), 'manifest.json'].sort()).toEqual(
      readdirSync(made.folder).sort(),
    );
    for (const { name, sha256 } of manifest.files) {
      expect(
        createHash('sha256')
          .update(readFileSync(join(made.folder, name)))
          .digest('hex'),
        name,
      ).toBe(sha256);
    }
    expect(manifest.files.map((f) => f.name)).toEqual(
      expect.arrayContaining([
        'by-user.csv',
        'by-secret.csv',
        'by-time.csv',
        'dormant.csv',
        'rotation.csv',
        'first-reads.csv',
        'completeness.csv',
        'review.html',
        'review.json',
        'queries.sql',
      ]),
    );
  });

  it('say nothing of where and when they were made', () => {
    for (const name of readdirSync(made.folder)) {
      const text = readFileSync(join(made.folder, name), 'utf8');
      expect(text.includes(outDir), name).toBe(false);
      expect(text.includes(new Date().toISOString().slice(0, 10)), name).toBe(false);
    }
  });
});
