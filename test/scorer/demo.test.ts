import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { groupSignals } from '../../src/alert/group.ts';
import { ruleMatcher } from '../../src/app/ruleMatcher.ts';
import type { StoredEvent } from '../../src/core/event.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import type { Signal } from '../../src/core/signal.ts';
import { loadBaselineFactory } from '../../src/detect/baseline/engine.ts';
import { createDetector } from '../../src/detect/detector.ts';
import type { ObservedEvent } from '../../src/detect/observed.ts';
import { loadRuleFolders, shippedRules } from '../../src/detect/ruleFolder.ts';
import { type Catalog, emptyCatalog, loadCatalog } from '../../src/enrich/catalog.ts';
import { createEnricher } from '../../src/enrich/enrich.ts';
import { loadSources } from '../../src/sources/registry.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { understand } from '../../src/sources/understand.ts';
import { score, scoreText, type TruthCase } from './scoring.ts';

const days = 92;
const endMs = Date.parse('2026-10-01T00:00:00Z');
const registry = await loadSources();
const rules = loadRuleFolders([shippedRules]);
const createBaselines = await loadBaselineFactory();
const lines = gunzipSync(readFileSync(`${packageRoot}src/demo/openbao-audit-2026q3.ndjson.gz`))
  .toString('utf8')
  .trimEnd()
  .split('\n');
const truth = readFileSync(`${packageRoot}test/fixtures/openbao/truth.ndjson`, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as TruthCase);

/** The demo's quarter through the line without a store: understood, enriched, matched, each act once, in order. */
function observe(catalog: Catalog): ObservedEvent[] {
  const enrich = createEnricher(catalog);
  const match = ruleMatcher(rules);
  const known = new Set<string>();
  const out: ObservedEvent[] = [];
  for (const [i, line] of lines.entries()) {
    const record = {
      stream: 's',
      partition: 0,
      epoch: 0,
      offset: BigInt(i),
      timestamp: 0,
      key: null,
      headers: [],
    };
    const outcomes = understand(
      { ...record, value: Buffer.from(line) },
      undefined,
      defaultStreamSettings,
      registry,
    );
    for (const outcome of outcomes) {
      if (outcome.kind !== 'ok') continue;
      const event = { ...outcome.value.event, ...enrich(outcome.value.event) } as StoredEvent;
      if (event.phase !== 'final' || known.has(event.dup_key)) continue;
      known.add(event.dup_key);
      const timeMs = Number(event.time / 1_000_000n);
      const ruleHits = match(event, outcome.value.redacted);
      out.push({ ...event, ref: `s/0/0/${i}/0`, timeMs, nanos: Number(event.time % 1_000_000n), ruleHits });
    }
  }
  return out.sort((a, b) => a.timeMs - b.timeMs);
}

function signalsOf(events: readonly ObservedEvent[]): Signal[] {
  const detector = createDetector(rules, createBaselines());
  const signals = events.flatMap((event) => [...detector.inline(event), ...detector.push(event)]);
  return [...signals, ...detector.advance(endMs)];
}

function scoreOf(signals: readonly Signal[]) {
  const alerts = groupSignals(signals).map((g) => g.alert);
  const result = score(alerts, truth, days);
  process.stdout.write(`${scoreText(result)}\n`);
  return result;
}

describe.each([
  ['with its catalog', loadCatalog(`${packageRoot}src/demo/catalog.yaml`)],
  ['without a catalog', emptyCatalog],
])('the quarter with planted attacks, %s', (_name, catalog) => {
  const signals = signalsOf(observe(catalog));

  it('at least 10 of 19 attacks are found, at no more than 2 false alerts and 5 low ones a day', () => {
    const result = scoreOf(signals);
    expect(result.found.length).toBeGreaterThanOrEqual(10);
    expect(result.falsePerDay).toBeLessThanOrEqual(2);
    expect(result.lowPerDay).toBeLessThanOrEqual(5);
  });

  it('the baselines alone keep to half a false alert a day, and find what no rule names', () => {
    const result = scoreOf(signals.filter((s) => s.kind === 'baseline'));
    expect(result.falsePerDay).toBeLessThanOrEqual(0.5);
    const found = result.found.map((f) => f.kind);
    for (const kind of ['slow-mass-read', 'stolen-service-token', 'service-went-silent', 'fast-mass-read']) {
      expect(found).toContain(kind);
    }
  });
});
