import { describe, expect, it } from 'vitest';
import { load, said } from './support.ts';

const head = `title: T
id: 0e95725d-7320-415d-80f7-004da920fc11
logsource:
  product: p
`;
const rule = (detection: string) => `${head}detection:\n${detection}`;
const good = rule('  s:\n    a: x\n  condition: s\n');

describe('a rule file', () => {
  it('that is right says nothing', () => {
    expect(said(good)).toEqual([]);
  });

  it('says everything at once, each with line and column', () => {
    const text = `title: T
id: not-a-uuid
status: nice
level: hig
date: 2026-13-01
tags:
  - attack
logsource:
  product: p
detection:
  s:
    a|foo: x
    b|re|contains: x
    c|re: '('
    d|cidr: 10.0.0.1/8
    e|lt: '5'
    f|exists: 'yes'
    g|expand: '%Servers%'
    h|base64: 'a*'
  condition: s and nothing
`;
    expect(said(text)).toEqual([
      '2:5 error id',
      '3:9 error status',
      '4:8 error level',
      '5:7 error date',
      '7:5 error tags',
      '12:5 error modifier',
      '13:5 error modifier',
      '14:11 error regex',
      '15:13 error cidr',
      '16:11 error value',
      '17:15 error value',
      '18:15 error placeholder',
      '19:15 error value',
      '20:20 error condition',
    ]);
  });

  it.each([
    ['no title', good.replace('title: T\n', ''), ['1:1 error title']],
    ['no log source', good.replace(/logsource:\n.*\n/, ''), ['1:1 error logsource']],
    ['an empty log source', good.replace('  product: p', '  definition: d'), ['3:1 error logsource']],
    ['no detection', head, ['1:1 error detection']],
    ['no condition', rule('  s:\n    a: x\n'), ['6:3 error condition']],
    ['an empty condition', rule("  s:\n    a: x\n  condition: ''\n"), ['8:15 error condition']],
    ['the v1 pipe', rule('  s:\n    a: x\n  condition: s | count() > 5\n'), ['8:16 error condition']],
    ['a selector of nothing', rule('  s:\n    a: x\n  condition: 1 of sel*\n'), ['8:14 error condition']],
    ['2 of them', rule('  s:\n    a: x\n  condition: 2 of them\n'), ['8:14 error condition']],
    ['an open parenthesis', rule('  s:\n    a: x\n  condition: (s\n'), ['8:16 error condition']],
    ['a word too many', rule('  s:\n    a: x\n  condition: s s\n'), ['8:16 error condition']],
    ['an empty selection', rule('  s: {}\n  condition: s\n'), ['6:3 error detection']],
    ['a list in a list', rule('  s:\n    - [x]\n  condition: s\n'), ['7:7 error detection']],
    ['a map as a value', rule('  s:\n    a: {b: c}\n  condition: s\n'), ['7:8 error value']],
    ['a flag without re', rule('  s:\n    a|i: x\n  condition: s\n'), ['7:5 error modifier']],
    [
      'startswith and endswith',
      rule('  s:\n    a|startswith|endswith: x\n  condition: s\n'),
      ['7:5 error modifier'],
    ],
    [
      'cidr and contains',
      rule('  s:\n    a|cidr|contains: 10.0.0.0/8\n  condition: s\n'),
      ['7:5 error modifier'],
    ],
    ['re and cased', rule('  s:\n    a|re|cased: x\n  condition: s\n'), ['7:5 error modifier']],
    ['exists and neq', rule('  s:\n    a|exists|neq: true\n  condition: s\n'), ['7:5 error modifier']],
    [
      'a fieldref with a wildcard',
      rule("  s:\n    a|fieldref: 'b*'\n  condition: s\n"),
      ['7:17 error value'],
    ],
    [
      'UTF-16 of more than ASCII as text',
      rule('  s:\n    a|wide: é\n  condition: s\n'),
      ['7:13 error value'],
    ],
    [
      'look-around, which RE2 has not',
      rule("  s:\n    a|re: '(?=x)'\n  condition: s\n"),
      ['7:11 error regex'],
    ],
    ['all with one value', rule('  s:\n    a|all: x\n  condition: s\n'), ['7:5 warning modifier']],
    [
      'a selection that is not used',
      rule('  s:\n    a: x\n  t:\n    b: y\n  condition: s\n'),
      ['8:3 warning unused'],
    ],
    ['a date with slashes', good.replace('logsource', 'date: 2019/10/23\nlogsource'), ['3:7 warning date']],
    // The JSON schema of rules: what is a list there, and what is a text.
    ['tags as a text', good.replace('logsource', 'tags: attack.t1\nlogsource'), ['3:7 error tags']],
    [
      'a tag that stands twice',
      good.replace('logsource', 'tags: [attack.t1, attack.t1]\nlogsource'),
      ['3:19 warning tags'],
    ],
    [
      'references as a text',
      good.replace('logsource', 'references: https://a.example\nlogsource'),
      ['3:13 error references'],
    ],
    ['fields as a text', good.replace('logsource', 'fields: a\nlogsource'), ['3:9 error fields']],
    ['a scope as a text', good.replace('logsource', 'scope: server\nlogsource'), ['3:8 error scope']],
    ['a title that is a number', good.replace('title: T', 'title: 5'), ['1:8 error title']],
    [
      'a license that is a number',
      good.replace('logsource', 'license: 5\nlogsource'),
      ['3:10 error license'],
    ],
    ['another taxonomy', good.replace('logsource', 'taxonomy: ecs\nlogsource'), ['3:11 warning taxonomy']],
    ['a product that is a number', good.replace('product: p', 'product: 365'), ['4:12 error logsource']],
    ['a key that stands twice', rule('  s:\n    a: x\n    a: y\n  condition: s\n'), ['8:5 error yaml']],
    ['a tab', rule('  s:\n\ta: x\n  condition: s\n'), ['7:1 error yaml']],
    ['no map at all', '- a\n- b\n', ['1:1 error yaml']],
  ])('%s', (_what, text, expected) => {
    expect(said(text).slice(0, expected.length)).toEqual(expected);
  });

  it('is left out whole when one document is wrong; the other files still load', () => {
    const { rules, diagnostics } = load(
      `${good}---\n${head.replace('fc11', 'fc12')}`,
      good.replace('fc11', 'fc13'),
    );
    expect(rules?.rules.map((r) => r.file)).toEqual(['r1.yml']);
    expect(diagnostics.map((d) => `${d.file}:${d.line} ${d.check}`)).toEqual(['r0.yml:10 detection']);
  });

  it('may not use the id of another', () => {
    const { diagnostics } = load(good, good);
    expect(diagnostics.map((d) => `${d.file} ${d.check}`)).toEqual(['r1.yml duplicate-id']);
    expect(diagnostics[0]?.message).toContain('r0.yml:1');
  });

  it('needs no id, and its title need not be unique', () => {
    const untold = good.replace(/id: .*\n/, '');
    const { rules, diagnostics } = load(untold, untold.replace('a: x', 'a: y'));
    expect(diagnostics.map((d) => `${d.file} ${d.severity} ${d.check}`)).toEqual(['r1.yml warning id']);
    const hits = (a: string) => rules?.match({ logsource: { product: 'p' }, native: { a } }).map((r) => r.id);
    expect([hits('x'), hits('y')]).toEqual([['T'], ['T #2']]);
  });

  it('cannot fill the memory with aliases', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(',')}]`,
    );
    const text = `a0: &a0 [x]\n${levels.join('\n')}\n${good}`;
    expect(said(text).some((s) => s.endsWith('error yaml'))).toBe(true);
  });

  it('cannot end the stack with brackets', () => {
    expect(said(`a: ${'['.repeat(20_000)}`).some((s) => s.includes('error yaml'))).toBe(true);
  });

  it('reaches no prototype by its keys', () => {
    said(rule('  s:\n    __proto__: x\n    constructor: y\n  condition: s\n'));
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

describe('collections', () => {
  it('merge the global document into those behind it, until reset', () => {
    const { rules, diagnostics } = load(`action: global
title: G
logsource: {product: p}
---
detection: {s: {a: x}, condition: s}
id: 0e95725d-7320-415d-80f7-004da920fc11
---
action: repeat
id: 0e95725d-7320-415d-80f7-004da920fc12
detection: {s: {a: y}}
---
action: reset
---
title: Own
logsource: {product: q}
detection: {s: {a: x}, condition: s}
`);
    expect(diagnostics).toEqual([]);
    expect(rules?.rules.map((r) => [r.title, r.logsource.product])).toEqual([
      ['G', 'p'],
      ['G', 'p'],
      ['Own', 'q'],
    ]);
    const hits = rules?.match({ logsource: { product: 'p' }, native: { a: 'y' } });
    expect(hits?.map((r) => r.id)).toEqual(['0e95725d-7320-415d-80f7-004da920fc12']);
  });
});

describe('a correlation and a filter', () => {
  const named = good.replace('title: T', 'title: T\nname: t');
  const correlation = `---
title: C
correlation:
  type: event_count
  rules: [t]
  timespan: 1m
  condition: {gte: 2}
`;
  const filter = `---
title: F
logsource: {product: p}
filter:
  rules: [t]
  s: {a: x}
  condition: s
`;
  it.each([
    ['that are right say nothing', named + correlation + filter, []],
    [
      'an alias of a rule it does not join',
      `${named}${correlation}  aliases: {ip: {u: a}}\n`,
      ['17:18 warning aliases'],
    ],
    [
      'generate that is no truth value',
      `${named}${correlation}  generate: maybe\n`,
      ['17:13 error correlation'],
    ],
    ['a filter of no rule', named + filter.replace('[t]', '[]'), ['14:3 error filter']],
    ['a filter of a rule that is not there', named + filter.replace('[t]', '[u]'), ['14:3 warning filter']],
    [
      'a filter for another log source',
      named + filter.replace('product: p', 'product: q'),
      ['14:3 warning filter'],
    ],
  ])('%s', (_what, text, expected) => {
    expect(said(text)).toEqual(expected);
  });
});

describe('the version of a set', () => {
  it('is that of its text, whatever the order and place of the files', () => {
    const other = good.replace('fc11', 'fc12');
    expect(load(good, other).rules?.version).toBe(load(other, good).rules?.version);
    expect(load(good).rules?.version).not.toBe(load(other).rules?.version);
  });
});
