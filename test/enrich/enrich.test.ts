import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../../src/core/event.ts';
import { emptyCatalog, parseCatalog } from '../../src/enrich/catalog.ts';
import { createEnricher } from '../../src/enrich/enrich.ts';
import { eventAt } from './events.ts';

const yaml = `
zone: Europe/Berlin
teams:
  payments: { hours: "Mon-Fri 08:00-19:00", holidays: [2026-10-02] }
environments:
  - { match: "vault:*/nonprod-kv/**", env: staging }
  - { match: "vault:*/prod-kv/**", env: production }
  - { match: { account: "123456789012" }, env: production }
  - { match: { ref: "refs/heads/main" }, env: production }
secrets:
  - { match: "vault:*/prod-kv/payments/root", owner: payments, crown_jewel: true }
  - { match: "vault:*/prod-kv/payments/**", owner: payments, data: [cardholder] }
  - { match: "vault:*/prod-kv/decoy/**", decoy: true }
same:
  - [ "vault:main/prod-kv/payments/stripe", "aws:sm:123456789012:eu-west-1:payments/stripe" ]
identities:
  - { name: "*alice@corp.example", kind: human, person: alice@corp.example, team: payments, zone: America/Chicago, from: 2024-03-01, until: 2026-08-31, addresses: [198.51.100.10/32], networks: [office], away: [2026-08-21/2026-08-24] }
  - { name: "*bob@corp.example", kind: human, person: bob@corp.example, team: payments }
  - { name: approle, role: "*-staging", kind: service, team: payments, env: staging, networks: [prod-vpc] }
  - { match: "github:corp/**", kind: ci, deploy_window: "Mon-Thu 09:00-17:00" }
networks:
  office: { cidrs: [203.0.113.0/24], country: DE, asn: 64496 }
  desk: { cidrs: [203.0.113.7/32], country: DE, asn: 64496 }
  prod-vpc: { cidrs: [10.20.0.0/16, "2001:db8::/32"], kind: service }
geo:
  - { cidr: 192.0.2.0/24, country: BR, asn: 64506 }
calendar:
  - { from: 2026-09-01T06:00Z, until: 2026-09-01T09:00Z, what: rotation day, explains: [rotate, read], for: { team: payments } }
  - { from: 2026-09-02T06:00Z, until: 2026-09-02T09:00Z, what: move, explains: [network], for: { network: prod-vpc } }
  - { from: 2026-09-03T06:00Z, until: 2026-09-03T09:00Z, what: drill, for: { object: "vault:*/prod-kv/**" } }
on_call:
  - { from: 2026-07-01, until: 2026-07-08, person: alice@corp.example, explains: [off-hours] }
  - { from: 2026-07-01, until: 2026-07-08, person: bob@corp.example }
break_glass: [ "vault:main/entity/break-glass-*" ]
`;
const { catalog = emptyCatalog, diagnostics } = parseCatalog(yaml, 'catalog.yaml');
const enrich = createEnricher(catalog);
const alice = {
  actor_id: 'vault:main/entity/1',
  actor_name: 'oidc-alice@corp.example',
  actor_kind: 'human',
} as const;
const bob = {
  actor_id: 'vault:main/entity/2',
  actor_name: 'oidc-bob@corp.example',
  actor_kind: 'human',
} as const;
const stripe = { object_id: 'vault:main/prod-kv/payments/stripe', action: 'read' } as const;
const marks = (at: string, fields: Partial<AuditEvent>) => enrich(eventAt(at, fields)).marks;

describe('enrich', () => {
  it('loads the catalog of these tests', () => expect(diagnostics).toEqual([]));

  it('gives environment, owner, team and one name to a secret known by two', () => {
    const aws = {
      object_id: 'aws:sm:123456789012:eu-west-1:payments/stripe',
      object_account: '123456789012',
    };
    expect(enrich(eventAt('2026-07-15T15:00:00Z', { ...alice, ...aws }))).toMatchObject({
      env: 'production',
      secret: 'vault:main/prod-kv/payments/stripe',
      identity: 'alice@corp.example',
      identity_kind: 'human',
      team: 'payments',
      owner: 'unknown',
    });
    expect(enrich(eventAt('2026-07-15T15:00:00Z', { ...alice, ...stripe }))).toMatchObject({
      env: 'production',
      owner: 'payments',
      marks: ['data:cardholder'],
    });
  });

  it('lets the first pattern win: nonprod is not prod', () => {
    expect(enrich(eventAt('2026-07-15T15:00:00Z', { object_id: 'vault:main/nonprod-kv/x' })).env).toBe(
      'staging',
    );
  });

  it('says unknown without a catalog, and keeps the canonical ids', () => {
    const bare = createEnricher(emptyCatalog)(eventAt('2026-07-15T03:00:00Z', { ...alice, ...stripe }));
    expect(bare).toEqual({
      env: 'unknown',
      actor_env: 'unknown',
      owner: 'unknown',
      team: '',
      secret: 'vault:main/prod-kv/payments/stripe',
      identity: 'vault:main/entity/1',
      identity_kind: 'human',
      network: '',
      geo_country: '',
      asn: 0,
      marks: [],
      catalog_version: 0,
    });
  });

  it('knows an actor environment by role and by workload', () => {
    const service = {
      actor_id: 'e',
      actor_name: 'approle',
      actor_role: 'recon-staging',
      actor_kind: 'service',
    } as const;
    expect(enrich(eventAt('2026-07-15T15:00:00Z', service)).actor_env).toBe('staging');
    const job = { actor_id: 'x', workload: { ref: 'refs/heads/main' } };
    expect(enrich(eventAt('2026-07-15T15:00:00Z', job)).actor_env).toBe('production');
  });

  it('marks crown jewels and decoys', () => {
    expect(marks('2026-07-15T15:00:00Z', { object_id: 'vault:main/prod-kv/payments/root' })).toEqual([
      'crown_jewel',
    ]);
    expect(marks('2026-07-15T15:00:00Z', { object_id: 'vault:main/prod-kv/decoy/a' })).toEqual(['decoy']);
  });

  it('judges hours in the zone of the person, not in UTC', () => {
    // Chicago is five hours behind UTC in July: 14:00Z is 09:00, 12:30Z is 07:30.
    expect(marks('2026-07-15T14:00:00Z', alice)).toEqual([]);
    expect(marks('2026-07-15T12:30:00Z', alice)).toEqual(['off_hours']);
    // Berlin is two hours ahead: 05:30Z is 07:30, 06:30Z is 08:30.
    expect(marks('2026-07-15T05:30:00Z', bob)).toEqual(['off_hours']);
    expect(marks('2026-07-15T06:30:00Z', bob)).toEqual([]);
    expect(marks('2026-10-02T10:00:00Z', bob)).toEqual(['off_hours']);
  });

  it('never calls a machine late', () => {
    expect(
      marks('2026-07-15T01:00:00Z', { ...alice, actor_name: 'approle', actor_role: 'x-staging' }),
    ).toEqual([]);
  });

  it('marks who left from the day after, and who is away to the last day', () => {
    expect(marks('2026-08-31T15:00:00Z', alice)).toEqual([]);
    expect(marks('2026-09-01T15:00:00Z', alice)).toContain('left');
    expect(marks('2026-08-24T15:00:00Z', alice)).toEqual(['away']);
    expect(marks('2026-08-25T15:00:00Z', alice)).toEqual([]);
  });

  it('marks a place the catalog does not expect, and takes the longest range', () => {
    expect(marks('2026-07-15T15:00:00Z', { ...alice, src_ip: '198.51.100.10' })).toEqual([]);
    expect(marks('2026-07-15T15:00:00Z', { ...alice, src_ip: '198.51.100.11' })).toEqual(['off_network']);
    const at = (src_ip: string) => enrich(eventAt('2026-07-15T15:00:00Z', { src_ip }));
    expect(at('203.0.113.7')).toMatchObject({ network: 'desk', geo_country: 'DE', asn: 64496 });
    expect(at('203.0.113.8')).toMatchObject({ network: 'office' });
    expect(at('192.0.2.9')).toMatchObject({ network: '', geo_country: 'BR', asn: 64506 });
    expect(at('2001:db8::1')).toMatchObject({ network: 'prod-vpc' });
    expect(at('8.8.8.8')).toMatchObject({ network: '', geo_country: '', asn: 0 });
  });

  it('marks a deployment outside its window', () => {
    const job = { actor_id: 'github:corp/shop', actor_kind: 'ci' } as const;
    expect(marks('2026-07-17T10:00:00Z', job)).toEqual(['outside_deploy_window']);
    expect(marks('2026-07-16T10:00:00Z', job)).toEqual([]);
  });

  it('marks the emergency account', () => {
    expect(marks('2026-07-17T10:00:00Z', { actor_id: 'vault:main/entity/break-glass-1' })).toEqual([
      'break_glass',
    ]);
  });
});

describe('announcements', () => {
  it('explain only what they name, for whom they name, while they last', () => {
    const during = marks('2026-09-01T07:00:00Z', { ...bob, ...stripe });
    expect(during).toEqual(['data:cardholder', 'explained', 'explained:read', 'announced:rotation day']);
    expect(marks('2026-09-01T09:00:01Z', { ...bob, ...stripe })).toEqual(['data:cardholder']);
    expect(marks('2026-09-01T07:00:00Z', { ...bob, ...stripe, action: 'delete' })).toEqual([
      'data:cardholder',
    ]);
    expect(marks('2026-09-01T07:00:00Z', { actor_id: 'else', ...stripe })).toEqual(['data:cardholder']);
  });
  it('explain a network by its name only', () => {
    const moved = { actor_id: 's', src_ip: '10.20.1.1' };
    expect(marks('2026-09-02T07:00:00Z', moved)).toEqual([
      'explained',
      'explained:network',
      'announced:move',
    ]);
    expect(marks('2026-09-02T07:00:00Z', { ...moved, src_ip: '10.21.1.1' })).toEqual([]);
  });
  it('explain a night on call, and nothing when it was no night', () => {
    expect(marks('2026-07-03T09:00:00Z', alice)).toEqual([
      'off_hours',
      'explained',
      'explained:off_hours',
      'announced:on call',
    ]);
    expect(marks('2026-07-03T15:00:00Z', alice)).toEqual([]);
    // The rota turns at midnight in the zone of the organisation: 22:00Z.
    expect(marks('2026-06-30T22:30:00Z', bob)).toContain('explained');
    expect(marks('2026-07-07T22:30:00Z', bob)).not.toContain('explained');
  });
  it('never hide hard signals: root, destroy, seal, audit, export, crown jewels', () => {
    const at = '2026-09-03T07:00:00Z';
    expect(marks(at, { ...stripe })).toContain('explained:all');
    expect(marks(at, { ...stripe, actor_kind: 'root' })).not.toContain('explained');
    for (const action of ['destroy', 'seal', 'config-audit', 'export'] as const) {
      expect(marks(at, { ...stripe, action })).not.toContain('explained');
    }
    expect(marks(at, { object_id: 'vault:main/prod-kv/payments/root' })).toEqual(['crown_jewel']);
  });
});
