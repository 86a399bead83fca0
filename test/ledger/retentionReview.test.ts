import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createAccessReview } from '../../src/app/accessReview.ts';
import { eraseRecords } from '../../src/app/erasure.ts';
import { emptyCatalog } from '../../src/enrich/catalog.ts';
import {
  apply,
  audit,
  growing,
  newWorld,
  offsetOf,
  openStore,
  removeWorld,
  time,
  withLedger,
} from './retentionWorld.ts';

afterAll(removeWorld);

describe('an access review after retention and erasure', () => {
  it('says what expired and what was erased, and that nothing else is missing', async () => {
    const dir = await newWorld();
    const dataDir = join(dir, 'data');
    await withLedger(dir, (parts) =>
      eraseRecords(parts, {
        records: [{ ...audit, offset: offsetOf(growing, 310) }],
        basis: 'GDPR 17',
        approvers: ['Ada', 'Grace'],
        by: 'ops',
        dataDir,
      }),
    );
    await apply(dir);
    const engine = await openStore(dir);
    const review = async (period: string) => {
      const options = {
        engine,
        dataDir,
        anchorFile: join(dir, 'data.anchor'),
        catalog: emptyCatalog,
        period,
      };
      return (await createAccessReview({ ...options, now: time.now })).review;
    };
    const { sections, warnings, findings } = await review('2025-09-01..2026-09-30');
    const later = await review('2026-07-01..2026-09-30');
    await engine.close();
    expect(sections.find((s) => s.id === 'completeness')?.rows).toMatchObject([
      {
        stream: 'audit.ndjson',
        verdict: 'expired',
        records: 200,
        expired: 300,
        erased: 1,
        events: 199,
        unaccounted: 0,
        tree_size: 500,
        disagreement: 'agree',
      },
      {
        stream: 'old.ndjson',
        verdict: 'expired',
        records: 0,
        expired: 70,
        tree_size: 70,
        disagreement: 'agree',
      },
    ]);
    expect(warnings.filter((w) => w.includes('expired'))).toEqual([
      'The log of this period is partly expired: 370 records that came in during 202509 were dropped by law, and their acts are in none of the numbers.',
    ]);
    // Lawful gaps are no reason not to rely on the rest.
    expect(findings).toEqual([]);
    // What came in before the period began cannot be of the period.
    expect(later.warnings.filter((w) => w.includes('expired'))).toEqual([]);
  }, 120_000);
});
