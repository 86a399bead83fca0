import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { verifyStore } from '../../src/ledger/audit/verify.ts';
import {
  apply,
  growing,
  ingest,
  leafOf,
  lines,
  newWorld,
  openStore,
  removeWorld,
  time,
  treeHash,
} from './retentionWorld.ts';

afterAll(removeWorld);

/** The newest checkpoint of the meta-log that the anchor holds. */
function newestNote(dir: string): string {
  const line = readFileSync(join(dir, 'data.anchor'), 'utf8')
    .split('\n')
    .findLast((l) => / keywitness\/[0-9a-f]+\/meta /.test(l));
  const [, , origin, size, root, signature] = line?.split(' ') ?? [];
  return `${origin}\n${size}\n${root}\n\n— ${origin} ${signature}\n`;
}

async function verifySince(dir: string, since: string) {
  const engine = await openStore(dir);
  try {
    const [dataDir, anchorFile] = [join(dir, 'data'), join(dir, 'data.anchor')];
    return await verifyStore({ engine, dataDir, anchorFile, now: time.now, since, isIncremental: true });
  } finally {
    await engine.close();
  }
}

it('an incremental verify goes on over what went by law, before the kept checkpoint or after it', async () => {
  const dir = await newWorld();
  const before = newestNote(dir);
  await apply(dir);
  const went = await verifySince(dir, before);
  expect(went).toMatchObject({ exit: 4, verdict: 'expired' });
  expect(went.findings.map((f) => f.class)).toEqual(['expired-lawful', 'expired-lawful']);
  // Nothing grew: the roots are those that were pinned, whatever is left of the records.
  expect(went.trees.map((t) => [t.stream, t.records, t.expired, t.derivedFrom])).toEqual([
    ['audit.ndjson', 200, 300, 500],
    ['old.ndjson', 0, 70, 70],
  ]);
  const after = newestNote(dir);
  const grown = lines.slice(700, 900);
  await ingest(dir, 'old.ndjson', grown, '2026-10-02T00:00:00Z');
  for (const note of [before, after]) {
    const report = await verifySince(dir, note);
    expect(report).toMatchObject({ exit: 4, verdict: 'expired' });
    const old = report.trees.find((t) => t.stream === 'old.ndjson');
    expect(old).toMatchObject({ records: 130, expired: 70, derivedFrom: 70, events: 130 });
    const leaves = grown.map((_, i) => leafOf('old.ndjson', grown, i));
    expect(old?.root).toBe(treeHash(leaves).toString('base64'));
  }
  const audit = treeHash(growing.map((_, i) => leafOf('audit.ndjson', growing, i))).toString('base64');
  expect((await verifySince(dir, after)).trees[0]?.root).toBe(audit);
}, 120_000);
