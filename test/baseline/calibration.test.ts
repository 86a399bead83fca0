import { describe, expect, it } from 'vitest';
import { type BaselineDocument, loadBaselines } from '../../src/detect/baseline/document.ts';
import { createBaselines, loadKinds } from '../../src/detect/baseline/engine.ts';
import type { BaselineEvent } from '../../src/detect/baseline/event.ts';
import { eventOf } from './events.ts';
import { poisson, seededRandom } from './random.ts';

const kinds = await loadKinds();
const documents = loadBaselines(undefined, [...kinds.keys()]);
const dayMs = 86_400_000;
const startMs = Date.parse('2031-03-03T00:00:00Z');
const days = 84;

/** A made-up organisation without an attack: services by the clock, people by day with habits and whims. */
function peaceful(seed: number, people: number, services: number): BaselineEvent[] {
  const random = seededRandom(seed);
  const events: BaselineEvent[] = [];
  const add = (timeMs: number, fields: Partial<BaselineEvent>) => {
    const ref = `s/0/0/${events.length}/0`;
    events.push(eventOf(timeMs, { ...fields, ref, request_id: ref }));
  };
  for (let day = 0; day < days; day++) {
    const dayStart = startMs + day * dayMs;
    const isWeekend = [5, 6].includes(day % 7);
    for (let s = 0; s < services; s++) {
      for (const hour of [1, 7, 13, 19]) {
        const secret = `app-${s}/${Math.floor(random() * 4)}`;
        const at = dayStart + (hour + random()) * 3_600_000;
        add(at, {
          identity: `svc-${s}`,
          identity_kind: 'service',
          network: 'pods',
          session_id: `${s}-${day}`,
          secret,
        });
      }
    }
    for (let p = 0; p < people && !isWeekend; p++) {
      if (random() < 0.3) continue;
      for (let i = poisson(4, random); i > 0; i--) {
        // Mostly the secrets of one's own work, sometimes any.
        const secret =
          random() < 0.9 ? `team-${p % 5}/${Math.floor(random() * 12)}` : `any/${Math.floor(random() * 300)}`;
        const network = random() < 0.7 ? 'office' : 'home';
        const at = dayStart + (8 + 9 * random()) * 3_600_000;
        add(at, {
          identity: `person-${p}`,
          identity_kind: 'human',
          team: `team-${p % 5}`,
          network,
          session_id: `p${p}-${day}`,
          secret,
        });
      }
    }
  }
  return events.sort((a, b) => a.timeMs - b.timeMs);
}

function countDays(document: BaselineDocument, events: readonly BaselineEvent[]) {
  const baselines = createBaselines([document], kinds);
  const signals = [...events.flatMap((e) => baselines.push(e)), ...baselines.advance(startMs + days * dayMs)];
  const entityDays = (level: string) =>
    new Set(signals.filter((s) => s.level === level).map((s) => `${s.group} ${Math.floor(s.time / dayMs)}`))
      .size;
  return { medium: entityDays('medium'), low: entityDays('low') };
}

describe('a peaceful organisation that the baselines never saw', () => {
  it.each([
    [1, 25, 40],
    [2, 60, 10],
    [3, 5, 5],
  ])('seed %i, %i people, %i services: each baseline keeps its budget', (seed, people, services) => {
    const events = peaceful(seed, people, services);
    const over: string[] = [];
    for (const document of documents) {
      const { medium, low } = countDays(document, events);
      // Twelve weeks at one in twenty days are four; the counts scatter around that, so twice it and a little.
      if (medium > 2 * 0.05 * days + 2) over.push(`${document.id}: ${medium} medium`);
      if (low > 2 * 0.3 * days) over.push(`${document.id}: ${low} low`);
    }
    expect(over).toEqual([]);
  });
});

describe('an attack on that organisation', () => {
  const attackAt = startMs + 60 * dayMs + 2 * 3_600_000;
  const quiet = peaceful(7, 25, 40);
  const withAttack = (attack: readonly Partial<BaselineEvent>[]) =>
    [
      ...quiet,
      ...attack.map((fields, i) =>
        eventOf(attackAt + i * 20_000, { ref: `a/0/0/${i}/0`, request_id: `a${i}`, ...fields }),
      ),
    ].sort((a, b) => a.timeMs - b.timeMs);
  const rulesThatSpoke = (events: readonly BaselineEvent[], identity: string) => {
    const baselines = createBaselines(documents, kinds);
    const signals = events.flatMap((e) => baselines.push(e));
    return new Set(
      signals
        .filter((s) => s.identity === identity && s.requests.some((r) => r.startsWith('a')))
        .map((s) => s.rule),
    );
  };

  it('a service token on a stranger network reading what the service never reads', () => {
    const stolen = Array.from({ length: 8 }, (_, i) => ({
      identity: 'svc-3',
      identity_kind: 'service',
      asn: 65010,
      session_id: '3-60',
      secret: `app-${i + 10}/0`,
      user_agent: 'curl/8',
    }));
    const spoke = rulesThatSpoke(withAttack(stolen), 'svc-3');
    for (const rule of ['new-place', 'session-on-two-networks', 'new-secret', 'read-rate'])
      expect(spoke).toContain(rule);
  });

  it('a person who reads everything at night', () => {
    const everything = Array.from({ length: 90 }, (_, i) => ({
      identity: 'person-4',
      identity_kind: 'human',
      team: 'team-4',
      network: 'home',
      secret: `any/${i}`,
    }));
    const spoke = rulesThatSpoke(withAttack(everything), 'person-4');
    for (const rule of ['new-secret', 'read-rate', 'slow-spread']) expect(spoke).toContain(rule);
  });
});

describe('the same events', () => {
  it('give the same signals when they are read again from the first', () => {
    const events = peaceful(11, 10, 10);
    const first = createBaselines(documents, kinds);
    const atOnce = events.flatMap((e) => first.push(e));
    const again = createBaselines(documents, kinds);
    const head = events.slice(0, 500).flatMap((e) => again.push(e));
    const tail = events.slice(500).flatMap((e) => again.push(e));
    expect([...head, ...tail]).toEqual(atOnce);
    expect(new Set(atOnce.map((s) => s.id)).size).toBe(atOnce.length);
  });
});
