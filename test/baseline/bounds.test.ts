import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { loadBaselines } from '../../src/detect/baseline/document.ts';
import { createBaselines, loadKinds } from '../../src/detect/baseline/engine.ts';
import type { BaselineEvent } from '../../src/detect/baseline/event.ts';
import { eventOf } from './events.ts';

const kinds = await loadKinds();
const documents = loadBaselines(undefined, [...kinds.keys()]);
const dayMs = 86_400_000;
const startMs = Date.parse('2031-03-03T00:00:00Z');

let count = 0;
function read(timeMs: number, identity: string, secret: string): BaselineEvent {
  const ref = `s/0/0/${count++}/0`;
  const who = { identity, identity_kind: 'service', network: 'pods', session_id: identity };
  return eventOf(timeMs, { ...who, secret, ref });
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

describe('what baselines remember', () => {
  it('does not grow with identities that came once and are forgotten', () => {
    const baselines = createBaselines(documents, kinds);
    const heap: number[] = [];
    for (let day = 0; day < 200; day++) {
      for (let i = 0; i < 100; i++) {
        const at = startMs + day * dayMs + i * 600_000;
        baselines.push(read(at, `run-${day}-${i}`, `app/${i % 20}`));
      }
      if (day === 99 || day === 199) heap.push(heapUsed());
    }
    const [half = 0, whole = 0] = heap;
    expect(whole / half).toBeLessThan(1.2);
  }, 60_000);

  it('lets one identity read thirty thousand new secrets in a day without standing still', () => {
    const baselines = createBaselines(documents, kinds);
    for (let day = 0; day < 30; day++) {
      for (const who of ['a', 'b', 'c'])
        baselines.push(read(startMs + day * dayMs + 3_600_000, who, `${who}/1`));
    }
    const began = performance.now();
    let signals = 0;
    for (let i = 0; i < 30_000; i++) {
      signals += baselines.push(read(startMs + 30 * dayMs + i * 1000, 'a', `all/${i}`)).length;
    }
    expect(signals).toBeGreaterThan(0);
    // Less than a second here; a minute when each first looks at all before it.
    expect(performance.now() - began).toBeLessThan(10_000);
  }, 120_000);
});

describe('an address range', () => {
  it('is one /48 however its addresses are written', () => {
    const [document] = documents.filter((d) => d.id === 'new-place');
    if (!document) throw new Error('no new-place');
    const baselines = createBaselines([document], kinds);
    const from = (at: number, src_ip: string) =>
      baselines.push(
        eventOf(at, { identity: 'svc', identity_kind: 'service', src_ip, ref: `s/0/0/${at}/0` }),
      );
    for (let day = 0; day < 40; day++) from(startMs + day * dayMs, '2001:db8::1');
    const later = startMs + 40 * dayMs;
    expect(from(later, '2001:db8:0:5::7')).toEqual([]);
    expect(from(later + 1, '2001:db8:0:5:6:7:8:9')).toEqual([]);
    expect(from(later + 2, '2001:db8:1::1')).toHaveLength(1);
  });
});
