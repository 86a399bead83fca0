import { describe, expect, it } from 'vitest';
import { emptyCatalog } from '../../src/enrich/catalog.ts';
import { createEnricher } from '../../src/enrich/enrich.ts';
import { sessionOf } from '../../src/enrich/sessions.ts';
import { eventAt } from './events.ts';

const enrich = createEnricher(emptyCatalog);
const login = eventAt('2026-07-01T08:00:00Z', {
  source: 'vault',
  action: 'login',
  actor_id: 'vault:main/entity/1',
  actor_kind: 'human',
  session_id: 'hmac-sha256:aa',
  object_store: 'main',
  auth_method: 'oidc',
  src_ip: '10.0.0.1',
  token_ttl: 3600,
  dup_key: 'r1',
});
const create = eventAt('2026-07-01T09:00:00Z', {
  ...login,
  time: BigInt(Date.parse('2026-07-01T09:00:00Z')) * 1_000_000n,
  action: 'issue',
  object_kind: 'token',
  object_id: 'hmac-sha256:bb',
  token_ttl: 0,
});

describe('sessions', () => {
  it('a login says who, when, from where, how and until when', () => {
    expect(sessionOf(login, enrich(login))).toMatchObject({
      source: 'vault',
      object_store: 'main',
      session_id: 'hmac-sha256:aa',
      issued_at: Date.parse('2026-07-01T08:00:00Z'),
      until: Date.parse('2026-07-01T09:00:00Z'),
      issued_by: 'vault:main/entity/1',
      identity: 'vault:main/entity/1',
      auth_method: 'oidc',
      src_ip: '10.0.0.1',
      parent_session: '',
    });
  });
  it('a token made with a token names the session it came from, and may have no end', () => {
    const row = sessionOf(create, enrich(create));
    expect(row).toMatchObject({ session_id: 'hmac-sha256:bb', parent_session: 'hmac-sha256:aa', until: 0 });
  });
  it('an assumed role is a session named by the key that STS gave, and a wrapped secret-id is none', () => {
    const assume = {
      ...create,
      source: 'cloudtrail',
      object_kind: 'role',
      object_id: 'arn:aws:iam::111122223333:role/deploy',
      session_id: 'AKIAIOSFODNN7EXAMPLE',
      correlation_ids: ['ASIAIOSFODNN7EXAMPLE'],
    };
    expect(sessionOf(assume, enrich(assume))).toMatchObject({
      session_id: 'ASIAIOSFODNN7EXAMPLE',
      parent_session: 'AKIAIOSFODNN7EXAMPLE',
    });
    const wrapped = { ...assume, flags: ['wrapped'] };
    expect(sessionOf(wrapped, enrich(wrapped))).toBeUndefined();
  });

  it('nothing begins with a failed login, an attempt, a read or a lease', () => {
    for (const fields of [
      { outcome: 'denied' },
      { phase: 'attempt' },
      { action: 'read' },
      { session_id: '' },
    ] as const) {
      expect(sessionOf({ ...login, ...fields }, enrich(login))).toBeUndefined();
    }
    expect(sessionOf({ ...create, object_kind: 'lease' }, enrich(create))).toBeUndefined();
    expect(sessionOf({ ...create, object_id: create.session_id }, enrich(create))).toBeUndefined();
  });
});
