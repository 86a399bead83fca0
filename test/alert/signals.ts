import type { Level, Signal } from '../../src/core/signal.ts';

export const day0 = Date.parse('2026-07-15T00:00:00Z');
export const hour = 3600_000;

/** A hand-written signal; `at` is hours after the start of the day. */
export function signal(
  id: string,
  at: number,
  rule: string,
  level: Level,
  more: Partial<Signal> = {},
): Signal {
  const time = day0 + at * hour;
  return {
    id,
    kind: 'rule',
    rule,
    title: `Title of ${rule}`,
    level,
    advice: `Advice of ${rule}.`,
    group: 'human:ana',
    first: time,
    last: time,
    time,
    identity: 'human:ana',
    identityName: 'Ana Example',
    secret: 'vault:main/kv/prod/db',
    secrets: [more.secret ?? 'vault:main/kv/prod/db'].filter((secret) => secret !== ''),
    srcIps: ['192.0.2.7'],
    sessions: ['hmac-sha256:session'],
    events: [`audit/0/0/${id}/0`],
    requests: [`req-${id}`],
    eventsTotal: 1,
    unusual: { seen: 1, sentence: `Sentence of ${id}.` },
    explained: [],
    ...more,
  };
}
