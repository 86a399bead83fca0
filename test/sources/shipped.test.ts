import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AuditEvent } from '../../src/core/event.ts';
import { timeText } from '../../src/core/event.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { loadSources, sourceNamed } from '../../src/sources/registry.ts';
import { eventsOf, linesOf } from './support.ts';

// Counts were taken from the files with independent scripts, or are those of the data's own description.
const registry = await loadSources();
const aws = eventsOf(linesOf(demo('cloudtrail.ndjson.gz')), sourceNamed(registry, 'cloudtrail'), registry);
const vaultLines = linesOf(demo('openbao-audit-2026q3.ndjson.gz'));
const vault = eventsOf(vaultLines, sourceNamed(registry, 'openbao'), registry);

function demo(name: string): string {
  return join(packageRoot, 'src', 'demo', name);
}

function countBy(events: readonly AuditEvent[], key: (e: AuditEvent) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const event of events) counts[key(event)] = (counts[key(event)] ?? 0) + 1;
  return counts;
}

function awsEvent(id: string): AuditEvent {
  const event = aws.find((e) => e.source_uid.startsWith(id) || e.request_id.startsWith(id));
  if (event === undefined) throw new Error(`no event ${id}`);
  return event;
}

test('the attack simulation: 2,900 records, 2,600 allowed, 60 denied, 240 errors', () => {
  expect(aws).toHaveLength(2900);
  expect(countBy(aws, (e) => e.outcome)).toEqual({ allowed: 2600, denied: 60, error: 240 });
});

test('the simulation’s acts on secrets are each what they are', () => {
  const named = (name: string) =>
    countBy(
      aws.filter((e) => e.operation === name),
      (e) => `${e.action} ${e.phase}`,
    );
  expect(named('GetSecretValue')).toEqual({ 'read final': 60 });
  expect(named('GetParameter')).toEqual({ 'read final': 82 });
  expect(named('DeleteSecret')).toEqual({ 'destroy final': 17 });
  expect(named('StopLogging')).toEqual({ 'config-audit final': 3 });
  expect(named('DeleteTrail')).toEqual({ 'config-audit final': 3 });
  const decrypts = aws.filter((e) => e.operation === 'Decrypt');
  expect(decrypts).toHaveLength(178);
  expect(decrypts.filter((e) => e.phase === 'derived' && e.objects[0]?.startsWith('aws:sm:'))).toHaveLength(
    56,
  );
});

test('a secret read by an IAM user', () => {
  expect(awsEvent('04e99aef')).toMatchObject({
    action: 'read',
    outcome: 'allowed',
    actor_id: 'arn:aws:iam::123837392027:user/bert-jan',
    actor_kind: 'unknown',
    object_id: 'aws:sm:123837392027:us-east-1:stratus-red-team-retrieve-secret-13',
  });
  expect(timeText(awsEvent('04e99aef').time)).toBe('2023-07-10T11:57:50Z');
});

test('a decryption on behalf of a read, a deletion for good, a role taken on, a role refused', () => {
  const decrypt = awsEvent('0b277755');
  expect(decrypt).toMatchObject({ action: 'use', phase: 'derived', via: 'secretsmanager.amazonaws.com' });
  expect(decrypt.objects).toEqual(['aws:sm:123837392027:us-east-1:stratus-red-team-retrieve-secret-5']);
  expect(awsEvent('05ec365c').action).toBe('destroy');
  expect(awsEvent('4bd2a6f6')).toMatchObject({
    action: 'issue',
    exposed: ['/responseElements/credentials/sessionToken'],
    flags: ['exposed_usual'],
  });
  expect(awsEvent('e4ca758e')).toMatchObject({
    action: 'issue',
    outcome: 'denied',
    flags: ['object_from_message'],
  });
});

test('36 session tokens lie in the simulation’s log, and every one is found as usual', () => {
  const exposed = aws.filter((e) => e.exposed.length > 0);
  expect(exposed).toHaveLength(36);
  expect(exposed.every((e) => e.flags.includes('exposed_usual'))).toBe(true);
});

test('the quarter of OpenBao: 52,409 entries, 26,206 attempts, the rest final', () => {
  expect(vault).toHaveLength(52_409);
  const alone = vaultLines.filter((l) => /^{"time":"[^"]+","type":"request"/.test(l)).length;
  const requestOnlyFinals = vault.filter((e) => e.phase === 'final').length - (vaultLines.length - alone);
  // Two used-up wrapping tokens, one audit device disabled.
  expect(requestOnlyFinals).toBe(3);
});

test('its first two entries', () => {
  expect(vault[0]).toMatchObject({
    phase: 'attempt',
    action: 'config-audit',
    actor_id: '',
    object_id: 'vault:main/sys/audit/test',
  });
  expect(vault[1]).toMatchObject({
    phase: 'final',
    action: 'config-audit',
    actor_kind: 'root',
    outcome: 'allowed',
  });
});

test('a request and its response share dup_key, and nothing else does', () => {
  const finals = vault.filter((e) => e.phase === 'final');
  expect(new Set(finals.map((e) => e.dup_key)).size).toBe(finals.length);
});

test('reads of nothing are errors, failed logins are denied and have no actor', () => {
  const finals = vault.filter((e) => e.phase === 'final');
  expect(finals.filter((e) => e.operation === 'read' && e.flags.includes('no_data'))).toHaveLength(118);
  const failed = finals.filter((e) => e.action === 'login' && e.outcome === 'denied');
  expect(failed).toHaveLength(52);
  expect(
    failed.every((e) => e.actor_id === '' && e.target_actor !== '' && e.object_kind === 'identity'),
  ).toBe(true);
});

test('every login that succeeded opens a session, and its later calls bear it', () => {
  const logins = vault.filter((e) => e.phase === 'final' && e.action === 'login' && e.outcome === 'allowed');
  expect(logins).toHaveLength(819 + 1467 + 977 + 2382 + 209);
  expect(logins.every((e) => e.session_id.startsWith('hmac-sha256:') && e.session_start > 0)).toBe(true);
  const sessions = new Set(logins.map((e) => e.session_id));
  const reads = vault.filter((e) => e.action === 'read' && e.phase === 'final' && e.outcome === 'allowed');
  const known = reads.filter((e) => sessions.has(e.session_id)).length;
  expect(known / reads.length).toBeGreaterThan(0.8);
});

test('AppRole logins are told apart by role', () => {
  const logins = vault.filter((e) => e.auth_method === 'approle' && e.phase === 'final');
  expect(logins).toHaveLength(819);
  expect(
    logins.every((e) => e.actor_name === 'approle' && e.actor_role !== '' && e.actor_kind === 'service'),
  ).toBe(true);
});

test('the planted secrets are found, masked everywhere, and nothing else is taken for one', () => {
  const exposed = vault.filter((e) => e.exposed.length > 0);
  expect(exposed.map((e) => e.object_id).sort()).toEqual([
    'vault:main/auth/userpass/login/[masked]',
    'vault:main/auth/userpass/login/[masked]',
    'vault:main/dev/payments/checkout/[masked]',
    'vault:main/dev/payments/checkout/[masked]',
    'vault:main/dev/payments/ledger/db',
    'vault:main/dev/payments/ledger/db',
  ]);
  const text = JSON.stringify(exposed, (_, v) => (typeof v === 'bigint' ? String(v) : v));
  for (const secret of ['AKIAIOSFODNN7EXAMPLE', 'Tr0ub4dor', 'Corr3ct']) expect(text).not.toContain(secret);
});

test('a wrapping token that was opened twice is one object', () => {
  const refused = vault.filter(
    (e) => e.object_kind === 'token' && e.action === 'read' && e.outcome === 'error',
  );
  expect(refused).toHaveLength(2);
  const opened = vault.filter(
    (e) => e.phase === 'final' && e.outcome === 'allowed' && e.action === 'read' && e.object_kind === 'token',
  );
  const twice = refused.filter((r) => opened.some((o) => o.object_id === r.object_id));
  // The other one had expired an hour before.
  expect(twice).toHaveLength(1);
});
