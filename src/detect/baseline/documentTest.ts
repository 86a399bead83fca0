import { blankEvent } from '../../core/event.ts';
import { type Level, levelRank, type Signal } from '../../core/signal.ts';
import type { BaselineDocument, BaselineTest } from './document.ts';
import { createBaselines, type KindRegistry } from './engine.ts';
import type { BaselineEvent } from './event.ts';
import { durationMs } from './parameters.ts';

/** What a test of a document found instead of what it expects; empty = it holds. */
export function runDocumentTest(
  document: BaselineDocument,
  test: BaselineTest,
  kinds: KindRegistry,
): string[] {
  const events = test.events.flatMap(expand).sort((a, b) => a.timeMs - b.timeMs);
  const baselines = createBaselines([document], kinds);
  const numbered = events.map((event, i) => ({ ...event, ref: `test/0/0/${i}/0`, request_id: `r${i}` }));
  const signals = numbered.flatMap((e) => baselines.push(e));
  const lastMs = numbered.at(-1)?.timeMs ?? 0;
  signals.push(...baselines.advance(test.until === undefined ? lastMs : Date.parse(test.until)));
  const said = loudest(signals);
  const expected = new Map(test.expect.map((e) => [e.group, e.level]));
  const out: string[] = [];
  for (const [group, level] of expected) {
    const found = said.get(group);
    if (found !== level) out.push(`${group}: expected ${level}, got ${found ?? 'nothing'}`);
  }
  for (const [group, level] of said)
    if (!expected.has(group)) out.push(`${group}: expected nothing, got ${level}`);
  return out;
}

/** The loudest word about each group. */
function loudest(signals: readonly Signal[]): Map<string, Level> {
  const out = new Map<string, Level>();
  for (const { group, level } of signals) {
    const before = out.get(group);
    if (before === undefined || levelRank(level) > levelRank(before)) out.set(group, level);
  }
  return out;
}

/** `{at, every, times, …fields}` as that many events. */
function expand({ at, every, times, ...fields }: BaselineTest['events'][number]): BaselineEvent[] {
  const startMs = Date.parse(at);
  const stepMs = every === undefined ? 0 : durationMs(every);
  return Array.from({ length: times ?? 1 }, (_, i) => ({
    ...blankEvent(),
    env: 'unknown',
    actor_env: 'unknown',
    team: '',
    secret: '',
    identity: '',
    identity_kind: 'unknown',
    network: '',
    geo_country: '',
    asn: 0,
    marks: [],
    ref: '',
    timeMs: startMs + i * stepMs,
    ...fields,
  }));
}
