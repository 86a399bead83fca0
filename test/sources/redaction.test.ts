import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSecretValue, keyKind, kindOfKey } from '../../src/sources/redaction/names.ts';
import { redact, survey } from '../../src/sources/redaction/redact.ts';
import { everyShape, isSecretWord, maskShapes } from '../../src/sources/redaction/shapes.ts';

// Assembled here, so that no scanner takes this file for a leak.
const secrets: Record<string, string> = {
  'AWS key id': `${'AK'}IAQ5EXAMPLE7CANARY`,
  'AWS temporary key id': `${'AS'}IAQ5EXAMPLE7CANARY`,
  JWT: 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl',
  'private key': `${'-----BEGIN'} EC PRIVATE KEY-----\nMHcCAQEEIcanary\n-----END EC PRIVATE KEY-----`,
  'private key cut short': `${'-----BEGIN'} PRIVATE KEY-----\nMHcCAQEEIcanary`,
  'Vault token': `${'hv'}s.CAESIJcanarycanarycanary`,
  'OpenBao token': `${'s'}.Canary0123456789Canary012`,
  'GitHub token': `${'gh'}p_canary0123456789canary0123456789canary`,
  'GitHub fine-grained token': `${'github'}_pat_11CANARY0_canarycanarycanary`,
  'GitLab token': `${'gl'}pat-canarycanary01234567`,
  'Slack token': `${'xo'}xb-012345678901-canary`,
  'Stripe key': `${'sk'}_live_canarycanarycanary`,
  'Google key': `${'AI'}zaSycanarycanarycanarycanarycanary01`,
};

describe('a secret of a known shape is masked wherever it stands', () => {
  test.each(Object.entries(secrets))('%s', (_, secret) => {
    for (const text of [secret, `app/${secret}`, `prefix ${secret} suffix`, `"${secret}"`]) {
      expect(everyShape.mayHold(JSON.stringify({ x: text }))).toBe(true);
      expect(maskShapes(text, everyShape)).not.toMatch(/canary/i);
    }
    const found = redact({ a: [{ b: `x ${secret}` }] }, [], everyShape);
    expect(found.exposed).toEqual(['/a/0/b']);
    const key = redact({ a: { [`k:${secret}`]: 1 } }, [], everyShape);
    expect(JSON.stringify(key)).not.toMatch(/canary/i);
    expect(survey({ a: { [`k:${secret}`]: 1 } }).hasSecret).toBe(true);
  });

  test('the password of a URL, and nothing else of it', () => {
    expect(maskShapes('postgres://app:canary@db:5432/x', everyShape)).toBe(
      'postgres://app:[masked]@db:5432/x',
    );
    expect(maskShapes('see https://host:8080/a@b and (+https://x.org/; linux)', everyShape)).toBe(
      'see https://host:8080/a@b and (+https://x.org/; linux)',
    );
  });
});

test('the search before the copy never misses what the copy would mask', () => {
  const piece = fc.constantFrom(
    ...Object.values(secrets),
    'mysql://u:pw@h/x',
    'plain',
    ' ',
    '/',
    'hmac-sha256:00',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 4 }), fc.string(), (pieces, between) => {
      const text = pieces.join(between);
      const isMasked = maskShapes(text, everyShape) !== text;
      if (isMasked) expect(everyShape.mayHold(JSON.stringify({ x: text }))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

describe('names are no secrets', () => {
  test.each([
    'payment-gateway-primary-api-key',
    'service_account_secret_name',
    'IngressControllerProdEU01Blue',
    'amazonProvidedIpv6CidrBlock',
    'ipv6CidrBlockAssociationSet',
    'Jane.Doe+ops@Example.com',
    'b80e57de-1f51-4bd2-9e1c-e6ad0e2b7e0a',
    'd2c76ee7f1b0a8f2a9b2f0c1d3e4f5a6b7c8d9e0',
    'arn:aws:iam::123456789012:role/Deploy2024Role9',
    'x-amz-server-side-encryption-aws-kms-key-id',
  ])('%s', (name) => {
    expect(isSecretWord(name)).toBe(false);
    expect(kindOfKey(name)).not.toBe(keyKind.exposed);
  });

  test.each(['Tr0ub4dor&3-horse', 'p4xwLFcvw5ft0uaFUWANaJoV', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY0'])(
    '%s is none',
    (word) => {
      expect(isSecretWord(word)).toBe(true);
    },
  );
});

describe('below a key that says so', () => {
  test.each([
    'password',
    'db_password',
    'clientSecret',
    'X-Vault-Token',
    'apiKey',
    'sig',
    'Authorization',
    'private_key',
    'secret_id',
  ])('%s: a text is masked', (key) => {
    expect(redact({ [key]: 'canary' }, [], everyShape)).toMatchObject({
      value: { [key]: '[masked]' },
      exposed: [`/${key}`],
    });
    expect(redact({ [key]: ['canary', 7] }, [], everyShape).value).toEqual({ [key]: ['[masked]', 7] });
  });

  test.each([
    `hmac-sha256:${'0'.repeat(64)}`,
    'HIDDEN_DUE_TO_SECURITY_REASONS',
    '***',
    '<sensitiveDataRemoved>',
    '/run/secrets/db',
    'arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbC123',
    '0f8fad5b-d9cb-469f-a165-70867728950e',
    '42',
    'true',
  ])('%s is no secret', (value) => {
    expect(isSecretValue(value)).toBe(false);
  });

  test.each([
    'nextToken',
    'clientRequestToken',
    'token_type',
    'token_ttl',
    'secret_id_accessor',
    'httpTokens',
    'secretId',
    'secret_name',
  ])('%s says nothing of the kind', (key) => {
    expect(kindOfKey(key)).toBe(keyKind.plain);
  });
});

test('two secret keys of one object keep apart, and the pointers hold neither', () => {
  const [a, b] = ['Canary#Pass1word', 'Canary#Pass2word'];
  const found = redact({ [a as string]: 1, [b as string]: 2 }, [], everyShape);
  expect(found.value).toEqual({ '[masked]': 1, '[masked]-2': 2 });
  expect(found.exposed).toEqual(['/[masked]', '/[masked]-2']);
});

test('what is not secret comes through unchanged', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      fc.pre(
        !survey(value).hasSecret && !survey(value).hasProtoKey && !everyShape.mayHold(JSON.stringify(value)),
      );
      expect(redact(value, [], everyShape)).toEqual({ value, exposed: [], isUsual: false });
    }),
  );
});
