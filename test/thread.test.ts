import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApp } from '../src/app.ts';
import { systemClock } from '../src/core/clock.ts';
import type { Alert } from '../src/core/signal.ts';
import { defaultStreamSettings } from '../src/sources/source.ts';
import { openEmbedded } from '../src/store/client.ts';

const fixtures = join(import.meta.dirname, 'fixtures/thread');
const folder = mkdtempSync(join(tmpdir(), 'keywitness-thread-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Sixteen calls of a real OpenBao server, two lines each: a root token is generated, looks itself up, reads eight
 * secrets, makes a token and revokes itself. The numbers below were counted in the file by hand.
 */
const file = join(fixtures, 'openbao-root-token.ndjson');

describe('one thread: a line of a vault’s audit log becomes evidence, an alert, a mail and a row of the review', () => {
  let alerts: readonly Alert[];
  let found: Record<string, unknown>[];
  beforeAll(async () => {
    await play();
    ({ alerts, found } = await play());
  });

  it('stores each line once, although the file was taken in twice', () => {
    expect(found).toEqual([{ records: 32, calls: 16 }]);
  });

  it('tells of the root token in one alert that names every call it made', () => {
    expect(alerts).toHaveLength(1);
    expect(alerts[0]).toMatchObject({ severity: 'high', identityName: 'root', srcIps: ['198.51.100.10'] });
    expect(alerts[0]?.requests).toHaveLength(11);
    expect(alerts[0]?.first).toBe('2026-08-18T02:12:23.636Z');
  });

  it('writes one mail that says who, what and since when', async () => {
    const mails = readdirSync(join(folder, 'data/outbox')).filter((f) => f.endsWith('.eml'));
    expect(mails).toHaveLength(1);
    const mail = await simpleParser(readFileSync(join(folder, 'data/outbox', mails[0] ?? '')));
    expect(mail.subject).toBe('[HIGH] Vault root token used: root (11)');
    expect(mail.text).toContain('vault:main/prod/payments/settlement/hsm-master');
    expect(mail.text).toContain('2026-08-18 02:12');
  });

  it('has a row in the quarter’s access review: root read eight secrets', () => {
    const rows = readFileSync(join(folder, 'data/reviews/2026Q3/by-user.csv'), 'utf8').trim().split('\r\n');
    const header = rows[0]?.split(',') ?? [];
    const root = rows.find((r) => r.startsWith('vault:main/token/root,'))?.split(',') ?? [];
    const cell = (name: string) => root[header.indexOf(name)];
    expect({ reads: cell('reads'), secrets: cell('secrets') }).toEqual({ reads: '8', secrets: '8' });
  });
});

async function play() {
  const dataDir = join(folder, 'data');
  const app = await openApp({
    dataDir,
    anchorFile: `${dataDir}.anchor`,
    ruleFolders: [join(fixtures, 'rules')],
    clock: systemClock,
    openStore: () => openEmbedded(join(dataDir, 'store')),
  });
  try {
    await app.ingestFile(file, { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
    const alerts = await app.detect();
    await app.alerting.tell(alerts);
    await app.checkpoint();
    await app.review('2026Q3');
    const found = await app.engine.rows(
      "SELECT (SELECT count() FROM kw.records) AS records, (SELECT count() FROM kw.events WHERE phase = 'final') AS calls",
    );
    return { alerts, found };
  } finally {
    await app.close();
  }
}
