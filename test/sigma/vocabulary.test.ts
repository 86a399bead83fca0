import { describe, expect, it } from 'vitest';
import { blankEvent } from '../../src/core/event.ts';
import { loaded, ruleText } from './support.ts';

const vault = { product: 'vault', service: 'audit' };
const event = {
  ...blankEvent(),
  action: 'read',
  outcome: 'allowed',
  time: 1_782_900_000_123_000_000n,
  session_start: 1_782_890_000_000,
  workload: { repo: 'corp/shop' },
  flags: ['token_orphan'],
  env: 'production',
  marks: ['off_hours', 'crown_jewel'],
  asn: 64_496,
};

function hits(detection: object, logsource: object, options: { kw?: object; native?: object } = {}): boolean {
  const set = loaded(ruleText({ s: detection, condition: 's' }, { logsource }));
  const native = options.native ?? { request: { path: 'prod/data/x' }, action: 'native' };
  return (
    set.match({ logsource: vault, native, ...('kw' in options ? { kw: options.kw } : { kw: event }) })
      .length > 0
  );
}

describe('what a rule sees', () => {
  it('with a product: the native names, and ours behind kw.', () => {
    expect(hits({ 'request.path|startswith': 'prod/' }, vault)).toBe(true);
    expect(hits({ 'kw.action': 'read' }, vault)).toBe(true);
    expect(hits({ action: 'read' }, vault)).toBe(false);
    expect(hits({ action: 'native' }, vault)).toBe(true);
  });

  it('with category secrets_audit: ours bare, of every source', () => {
    expect(
      hits({ action: 'read', 'marks|all': ['off_hours', 'crown_jewel'] }, { category: 'secrets_audit' }),
    ).toBe(true);
    expect(hits({ 'request.path|exists': true }, { category: 'secrets_audit' })).toBe(false);
  });

  it('does not offer secrets_audit what was not understood', () => {
    expect(
      hits({ 'action|neq': 'x' }, { category: 'secrets_audit' }, { kw: undefined as unknown as object }),
    ).toBe(false);
  });

  it('only of its own log source', () => {
    expect(hits({ action: 'native' }, { product: 'vault' })).toBe(true);
    expect(hits({ action: 'native' }, { product: 'aws' })).toBe(false);
    expect(hits({ action: 'native' }, { product: 'vault', service: 'other' })).toBe(false);
    expect(hits({ action: 'native' }, { product: 'vault', category: 'other' })).toBe(false);
    expect(hits({ action: 'read' }, { product: 'aws', category: 'secrets_audit' })).toBe(false);
  });

  it.each([
    [{ 'kw.owner': null }, true],
    [{ 'kw.owner|exists': false }, true],
    [{ 'kw.exposed|exists': true }, false],
    [{ 'kw.token_ttl': null }, true],
    [{ 'kw.token_ttl': 0 }, false],
    [{ 'kw.owner': '' }, false],
    [{ 'kw.workload|exists': true }, true],
    [{ 'kw.workload.repo': 'corp/shop' }, true],
    [{ 'kw.workload.ref|exists': true }, false],
    [{ 'kw.asn': '64496' }, true],
    [{ 'kw.asn|gte': 64_000 }, true],
  ])('blank is missing: %j is %s', (detection, verdict) => {
    expect(hits(detection, vault)).toBe(verdict);
  });

  it('times as people read them', () => {
    const iso = new Date(1_782_900_000_123).toISOString();
    expect(hits({ 'kw.time': iso }, vault)).toBe(true);
    expect(hits({ 'kw.time|hour': new Date(iso).getUTCHours() }, vault)).toBe(true);
    expect(hits({ 'kw.session_start|startswith': iso.slice(0, 10) }, vault)).toBe(true);
  });

  it('no inherited name, and no name of Object', () => {
    expect(hits({ 'constructor.name|exists': true }, vault)).toBe(false);
    expect(hits({ 'kw.__proto__|exists': true }, vault)).toBe(false);
  });
});

describe('a filter', () => {
  const rule = ruleText(
    { s: { a: 'x' }, condition: 's' },
    { name: 'one', id: '0e95725d-7320-415d-80f7-004da920fc11' },
  );
  const filter = (body: object, logsource: object = { product: 'p' }) =>
    JSON.stringify({ title: 'F', logsource, filter: body });
  const isHit = (text: string, native: object) =>
    loaded(rule, text).match({ logsource: { product: 'p' }, native }).length === 1;

  it.each([
    ['what it selects is suppressed', { rules: ['one'], f: { u: 'adm' }, condition: 'f' }],
    ['the same in the polarity of pySigma', { rules: ['one'], f: { u: 'adm' }, condition: 'not f' }],
    ['by id', { rules: ['0e95725d-7320-415d-80f7-004da920fc11'], f: { u: 'adm' }, condition: 'f' }],
    ['of any rule', { rules: 'any', f: { u: 'adm' }, condition: 'f' }],
  ])('%s', (_what, body) => {
    expect(isHit(filter(body), { a: 'x', u: 'adm' })).toBe(false);
    expect(isHit(filter(body), { a: 'x', u: 'ana' })).toBe(true);
  });

  it('leaves rules of another log source alone', () => {
    expect(
      isHit(filter({ rules: 'any', f: { u: 'adm' }, condition: 'f' }, { product: 'q' }), {
        a: 'x',
        u: 'adm',
      }),
    ).toBe(true);
  });
});
