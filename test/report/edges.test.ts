import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StoredEvent } from '../../src/core/event.ts';
import { parsePeriod } from '../../src/core/quarter.ts';
import type { StreamCompleteness } from '../../src/report/input.ts';
import { type CreatedReview, createReview } from '../../src/report/review.ts';
import type { Engine } from '../../src/store/client.ts';
import {
  ann,
  bob,
  devDb,
  openWorld,
  payKey,
  refusedOnly,
  transitKey,
  worldEvents,
  worldInput,
} from './world.ts';

let engine: Engine;

beforeAll(async () => {
  engine = await openWorld();
});
afterAll(() => engine.close());

/** A review of another world in a store of its own; the first store must be closed before (one per process). */
async function openWorldApart(events: readonly StoredEvent[]): Promise<CreatedReview> {
  await engine.close();
  engine = await openWorld(events);
  try {
    return await createReview(engine, {
      ...worldInput(),
      outDir: mkdtempSync(join(tmpdir(), 'keywitness-apart-')),
    });
  } finally {
    await engine.close();
    engine = await openWorld();
  }
}

describe('what the reader is told first', () => {
  const page = async (
    streams: ReturnType<typeof worldInput>['completeness']['streams'],
    findings: string[] = [],
  ) => {
    const input = worldInput();
    const { folder, review } = await createReview(engine, {
      ...input,
      completeness: { ...input.completeness, streams, findings },
      outDir: mkdtempSync(join(tmpdir(), 'keywitness-trust-')),
    });
    return { html: readFileSync(join(folder, 'review.html'), 'utf8'), review };
  };
  const [s1, s2] = worldInput().completeness.streams as [StreamCompleteness, StreamCompleteness];

  it('that streams are complete and verified, only when each is', async () => {
    expect((await page([s2])).html).toContain('All 1 streams are complete and verified');
    // s1 misses offset 20.
    expect((await page([s1, s2])).html).toContain('1 of 2 streams are not proved complete');
    expect((await page([{ ...s2, verifyVerdict: 'unknown' }])).html).toContain('not proved complete');
  });

  it('not to rely on a log that was tampered with, and where', async () => {
    const { html } = await page(
      [{ ...s2, verifyVerdict: 'tampered' }],
      ['s2/0/0, offset 1: modified: leaf differs'],
    );
    expect(html).toContain('Do not rely on this review');
    expect(html).toContain('s2/0/0, offset 1: modified');
  });

  it('where ledger and store disagree, in numbers', async () => {
    const { review, html } = await page([{ ...s2, records: 3, checkpointSize: 3 }]);
    const said = review.sections.find((s) => s.id === 'completeness')?.rows[0]?.disagreement;
    expect(said).toBe('records: store 2, ledger 3');
    expect(html).toContain('not proved complete');
  });
});

describe('a long table', () => {
  it('shows 200 lines, says how many there are, and the file has them all', async () => {
    const [first] = worldEvents();
    const at = BigInt(Date.parse('2026-07-20T08:00:00Z')) * 1_000_000n;
    const many = Array.from(
      { length: 250 },
      (_, i) =>
        ({
          ...first,
          time: at,
          action: 'read',
          identity: `vault:main/entity/u${i}`,
          secret: payKey,
          object_kind: 'secret',
          dup_key: `many${i}`,
          offset: 0n,
          idx: i,
        }) as StoredEvent,
    );
    const { folder } = await openWorldApart(many);
    const html = readFileSync(join(folder, 'review.html'), 'utf8');
    expect(html).toContain('The first 200 of 250 lines; all of them are in ');
    expect(readFileSync(join(folder, 'by-user.csv'), 'utf8').trim().split('\r\n').length).toBe(251);
  });
});

describe('a batch read', () => {
  it('is one act and a read of each secret in it', async () => {
    const [first, ...rest] = worldEvents();
    const at = BigInt(Date.parse('2026-07-20T08:00:00Z')) * 1_000_000n;
    const batch = {
      ...first,
      time: at,
      action: 'read',
      identity: ann,
      dup_key: 'batch',
      offset: 0n,
      objects: [payKey, 'aws:sm:1:eu:b'],
      objects_total: 2,
      object_kind: 'secret',
    };
    const other = await openWorldApart([batch as StoredEvent, ...rest]);
    const bySecret = other.review.sections.find((s) => s.id === 'by-secret')?.rows ?? [];
    expect(other.review.figures.row).toMatchObject({ acts: 24, value_returned: 10, secrets: 4 });
    expect(bySecret.find((r) => r.secret === payKey)).toMatchObject({ reads: 5 });
    expect(bySecret.find((r) => r.secret === 'aws:sm:1:eu:b')).toMatchObject({ reads: 1, readers: 1 });
    expect(
      other.review.sections.find((s) => s.id === 'by-user')?.rows.find((r) => r.identity === ann),
    ).toMatchObject({ reads: 6, secrets: 4 });
    expect(other.review.sections.find((s) => s.id === 'systems')?.rows).toMatchObject([
      { acts: 24, events: 25 },
    ]);
  });
});

describe('where the log is short', () => {
  it('pairs of the first two weeks are learning, not news, and stand last', async () => {
    const input = worldInput({ period: parsePeriod('2026Q2', 'Europe/Berlin') });
    const { review } = await createReview(engine, {
      ...input,
      outDir: mkdtempSync(join(tmpdir(), 'keywitness-q2-')),
    });
    const pairs = review.sections
      .find((s) => s.id === 'first-reads')
      ?.rows.map((r) => [r.identity, r.secret, r.learning]);
    // The log begins 2026-04-10T09:00Z; bob's read five seconds later is learning, ann's in May and June are not.
    expect(pairs).toEqual([
      [ann, devDb, false],
      [ann, payKey, false],
      [bob, devDb, true],
    ]);
  });

  it('silence after its end proves nothing: idle days and ages stop there', async () => {
    // In Q4 the world has one act, at its first instant: 2026-09-30T22:00Z.
    const base = worldInput({ period: parsePeriod('2026Q4', 'Europe/Berlin') });
    const streams = base.completeness.streams.map((s) => (s.stream === 's1' ? { ...s, lastOffset: 32n } : s));
    const { review } = await createReview(engine, {
      ...base,
      completeness: { ...base.completeness, streams },
      outDir: mkdtempSync(join(tmpdir(), 'keywitness-q4-')),
    });
    expect(review.warnings).toEqual([expect.stringContaining('The log ends 2026-09-30T22:00:00Z')]);
    const dormant = review.sections.find((s) => s.id === 'dormant')?.rows.map((r) => r.identity);
    expect(dormant).toEqual(['zoe@corp.example', bob]);
    expect(
      review.sections.find((s) => s.id === 'rotation')?.rows.find((r) => r.secret === payKey),
    ).toMatchObject({ age_days: 55 });
  });

  it('an empty store gives a review that says so', async () => {
    const input = worldInput();
    const { review, folder } = await createReview(engine, {
      ...input,
      completeness: { checkpoint: '', checkpointTime: 0, findings: [], exposureMs: 0, streams: [] },
      outDir: mkdtempSync(join(tmpdir(), 'keywitness-empty-')),
    });
    expect(review.figures.row).toMatchObject({ value_returned: 0, acts: 0, unanswered: 0 });
    expect(readFileSync(join(folder, 'review.html'), 'utf8')).toContain('there is nothing to review');
  });

  it('a viewer of production sees production only, in the numbers and in their statements', async () => {
    const input = worldInput({ viewer: { sees: 'production' } });
    const { review } = await createReview(engine, {
      ...input,
      outDir: mkdtempSync(join(tmpdir(), 'keywitness-prod-')),
    });
    expect(review.sections.find((s) => s.id === 'by-secret')?.rows.map((r) => r.secret)).toEqual([
      payKey,
      transitKey,
      refusedOnly,
    ]);
    expect(review.figures.sql).toContain("'production' = 'production' AND env = 'production'");
  });
});
