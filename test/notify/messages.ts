import type { AlertMessage, RollupMessage } from '../../src/core/notifier.ts';
import type { Alert } from '../../src/core/signal.ts';

export function alertOf(more: Partial<Alert> = {}): Alert {
  return {
    id: '0123456789abcdef',
    rule: 'prod-secret-by-non-prod',
    title: 'Production secret read by a non-production identity',
    severity: 'high',
    state: 'open',
    first: '2026-07-15T09:12:03.000Z',
    last: '2026-07-15T09:40:00.000Z',
    identity: 'service:build',
    identityName: 'Build service',
    secret: 'vault:main/kv/prod/db',
    secrets: ['vault:main/kv/prod/db', 'vault:main/kv/prod/api'],
    srcIps: ['192.0.2.7'],
    sessions: ['session-one'],
    owner: 'platform-team',
    requests: ['6d0b7c1e-0000-4000-8000-000000000001'],
    events: ['audit/0/0/77/0'],
    eventsTotal: 14,
    summary: 'Expected 0 production reads by a build identity, saw 14.',
    advice: 'Revoke the session and rotate what it read.',
    parts: [
      {
        rule: 'prod-secret-by-non-prod',
        title: 'Production secret read by a non-production identity',
        level: 'high',
        count: 14,
        sentence: 'Expected 0 production reads by a build identity, saw 14.',
      },
    ],
    ...more,
  };
}

export function messageOf(alert: Partial<Alert> = {}, more: Partial<AlertMessage> = {}): AlertMessage {
  const whole = alertOf(alert);
  return {
    kind: 'alert',
    alert: whole,
    key: whole.id,
    change: 'new',
    revision: 'r1',
    mention: false,
    ...more,
  };
}

export function rollupOf(more: Partial<RollupMessage> = {}): RollupMessage {
  return {
    kind: 'rollup',
    key: 'rollup:noisy:2026-07-15T09',
    change: 'new',
    revision: '37',
    mention: false,
    rule: 'noisy',
    title: 'A noisy rule',
    severity: 'medium',
    count: 37,
    from: '2026-07-15T09:00:00.000Z',
    until: '2026-07-15T10:00:00.000Z',
    alerts: Array.from({ length: 37 }, (_, i) =>
      alertOf({ identityName: `Service ${i}`, identity: `service:${i}` }),
    ),
    ...more,
  };
}
