import { describe, expect, it } from 'vitest';
import { compileGlob } from '../../src/enrich/glob.ts';

const cases: [glob: string, text: string, matches: boolean][] = [
  ['vault:*/prod-kv/**', 'vault:main/prod-kv/payments/stripe', true],
  ['vault:*/prod-kv/**', 'vault:main/prod-kv', true],
  ['vault:*/prod-kv/**', 'vault:main/prod-kv2/x', false],
  ['vault:*/prod-kv/**', 'vault:main/team-a/prod-kv/x', false],
  ['vault:**/prod-kv/**', 'vault:main/team-a/prod-kv/x', true],
  ['vault:*/prod/*', 'vault:main/prod/a', true],
  ['vault:*/prod/*', 'vault:main/prod/a/b', false],
  ['vault:*/prod/**/db', 'vault:main/prod/db', true],
  ['vault:*/prod/**/db', 'vault:main/prod/a/b/db', true],
  ['vault:*/prod/**/db', 'vault:main/prod/a/xdb', false],
  ['vault:*/prod/card-*', 'vault:main/prod/card-vault', true],
  ['vault:*/prod/\\*', 'vault:main/prod/*', true],
  ['vault:*/prod/\\*', 'vault:main/prod/a', false],
  ['aws:sm:*:eu-west-1:payments/*', 'aws:sm:123456789012:eu-west-1:payments/stripe', true],
  ['aws:sm:*:payments/*', 'aws:sm:123456789012:eu-west-1:payments/stripe', false],
  ['aws:sm:*:*:**', 'aws:sm:123456789012:eu-west-1:a/b/c', true],
  ['arn:aws:iam::*:role/ci-*', 'arn:aws:iam::123456789012:role/ci-deploy', true],
  ['arn:aws:iam::*:role/ci-*', 'arn:aws:iam::123456789012:user/ci-deploy', false],
  ['a.b', 'axb', false],
  ['', 'x', false],
];

describe('globs of the catalog', () => {
  it.each(cases)('%s on %s: %s', (glob, text, matches) => {
    expect(compileGlob(glob)(text)).toBe(matches);
  });
  it('compares names without regard to case only when asked', () => {
    expect(compileGlob('*ALICE@corp.example', { ignoreCase: true })('oidc-alice@corp.example')).toBe(true);
    expect(compileGlob('*ALICE@corp.example')('oidc-alice@corp.example')).toBe(false);
  });
});
