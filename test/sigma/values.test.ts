import { describe, expect, it } from 'vitest';
import { matches } from './support.ts';

/** One line a statement of the specification: selection, event, verdict. */
type Case = readonly [what: string, selection: unknown, event: unknown, verdict: boolean];

function table(cases: readonly Case[]): void {
  it.each(cases)('%s', (_what, selection, event, verdict) => {
    expect(matches(selection, event)).toBe(verdict);
  });
}

describe('a plain value', () => {
  table([
    ['is the whole value', { a: 'cmd' }, { a: 'cmd.exe' }, false],
    ['ignores case', { a: 'CMD.exe' }, { a: 'cmd.EXE' }, true],
    ['a number and its text are the same', { a: 4624 }, { a: '4624' }, true],
    ['a text and its number are the same', { a: '4624' }, { a: 4624 }, true],
    ['a boolean and its text are the same', { a: true }, { a: 'True' }, true],
    ['an empty text is an empty text', { a: '' }, { a: '' }, true],
    ['an empty text is not null', { a: '' }, { a: null }, false],
    ['an empty text is not missing', { a: '' }, {}, false],
    ['null is missing', { a: null }, {}, true],
    ['null is null', { a: null }, { a: null }, true],
    ['null is not empty', { a: null }, { a: '' }, false],
    ['an inherited name is no field', { toString: '*' }, {}, false],
    ['a list is any of its values', { a: ['x', 'y'] }, { a: 'y' }, true],
    ['a list may hold null', { a: ['x', null] }, {}, true],
    ['a map is all of its fields', { a: 'x', b: 'y' }, { a: 'x' }, false],
    ['a list of maps is any of them', [{ a: 'x' }, { b: 'y' }], { b: 'y' }, true],
    ['any element of an array matches', { a: 'y' }, { a: ['x', 'y'] }, true],
    ['an object is its JSON', { 'a|contains': '"b":1' }, { a: { b: 1 } }, true],
    [
      'JSON in an object has its quotes bare',
      { 'a|contains': '"Allow"' },
      { a: { b: '{"c":"Allow"}' } },
      true,
    ],
    ['an object is no value of its own', { a: 'x' }, { a: { b: 'x' } }, false],
    ['a placeholder sign is itself without expand', { a: '%x%' }, { a: '%x%' }, true],
  ]);
});

describe('a field name with dots', () => {
  table([
    ['is a flat key', { 'a.b': 'x' }, { 'a.b': 'x' }, true],
    ['is a path', { 'a.b': 'x' }, { a: { b: 'x' } }, true],
    ['is both', { 'a.b': 'x' }, { 'a.b': 'y', a: { b: 'x' } }, true],
    ['splits anywhere', { 'a.b.c': 'x' }, { 'a.b': { c: 'x' } }, true],
    ['goes through arrays', { 'a.b': 'x' }, { a: [{ b: 'y' }, { b: 'x' }] }, true],
    ['may count into an array', { 'a.1': 'x' }, { a: ['y', 'x'] }, true],
    ['knows no length of an array', { 'a.length': 2 }, { a: ['y', 'x'] }, false],
  ]);
});

describe('wildcards and escapes', () => {
  table([
    ['* is any run', { a: 'x*z' }, { a: 'xyyz' }, true],
    ['* is also nothing', { a: 'x*z' }, { a: 'xz' }, true],
    ['? is one character', { a: 'x?z' }, { a: 'xz' }, false],
    ['? is one character outside the BMP too', { a: 'x?z' }, { a: 'x😀z' }, true],
    ['parts do not overlap', { a: '*ab*ba' }, { a: 'aba' }, false],
    ['\\* is a star', { a: 'x\\*z' }, { a: 'x*z' }, true],
    ['\\* is no wildcard', { a: 'x\\*z' }, { a: 'xyz' }, false],
    ['\\\\* is a backslash and a wildcard', { a: 'x\\\\*' }, { a: 'x\\yz' }, true],
    ['\\\\\\* is a backslash and a star', { a: 'x\\\\\\*' }, { a: 'x\\*' }, true],
    ['a lone backslash is itself', { a: 'C:\\Windows' }, { a: 'c:\\windows' }, true],
    ['a double backslash is one', { a: 'C:\\\\Windows' }, { a: 'c:\\windows' }, true],
    ['four are two', { a: '\\\\\\\\host' }, { a: '\\\\host' }, true],
    ['three are two', { a: '\\\\\\host' }, { a: '\\\\host' }, true],
    ['a new line is a character', { a: 'x*z' }, { a: 'x\nz' }, true],
  ]);
});

describe('modifiers', () => {
  table([
    ['contains', { 'a|contains': 'mi' }, { a: 'AdMin' }, true],
    ['startswith', { 'a|startswith': 'ad' }, { a: 'Admin' }, true],
    ['startswith is not inside', { 'a|startswith': 'mi' }, { a: 'Admin' }, false],
    ['endswith', { 'a|endswith': 'IN' }, { a: 'Admin' }, true],
    ['contains with a wildcard inside', { 'a|contains': 'd*i' }, { a: 'Admin' }, true],
    ['contains an escaped star', { 'a|contains': 'x\\*' }, { a: 'axb' }, false],
    ['all', { 'a|contains|all': ['ad', 'in'] }, { a: 'admin' }, true],
    ['all needs each', { 'a|contains|all': ['ad', 'xx'] }, { a: 'admin' }, false],
    ['cased', { 'a|cased': 'Admin' }, { a: 'admin' }, false],
    ['contains and cased', { 'a|contains|cased': 'Dm' }, { a: 'aDmin' }, true],
    ['exists', { 'a|exists': true }, { a: null }, true],
    ['exists looks at presence only', { 'a|exists': true }, { a: '' }, true],
    ['exists: false', { 'a|exists': false }, {}, true],
    ['neq', { 'a|neq': 'x' }, { a: 'y' }, true],
    ['neq of the same', { 'a|neq': 'x' }, { a: 'X' }, false],
    ['neq of a list is none of them', { 'a|neq': ['x', 'y'] }, { a: 'y' }, false],
    ['neq holds for a missing field', { 'a|neq': 'x' }, {}, true],
    ['neq of a number', { 'a|neq': 5 }, { a: 6 }, true],
    ['lt', { 'a|lt': 5 }, { a: 4 }, true],
    ['lt of a text that is a number', { 'a|lt': 5 }, { a: '4' }, true],
    ['lt of an empty text', { 'a|lt': 5 }, { a: '' }, false],
    ['lt of a missing field', { 'a|lt': 5 }, {}, false],
    ['lte', { 'a|lte': 5 }, { a: 5 }, true],
    ['gt', { 'a|gt': 5 }, { a: 5 }, false],
    ['gte', { 'a|gte': 5 }, { a: 5.0 }, true],
    ['cidr', { 'a|cidr': '10.0.0.0/8' }, { a: '10.255.1.2' }, true],
    ['cidr outside', { 'a|cidr': '10.0.0.0/8' }, { a: '11.0.0.1' }, false],
    ['cidr of no address', { 'a|cidr': '10.0.0.0/8' }, { a: '10.x' }, false],
    ['cidr of everything', { 'a|cidr': '0.0.0.0/0' }, { a: '1.2.3.4' }, true],
    ['cidr v6', { 'a|cidr': '2001:db8::/32' }, { a: '2001:0DB8:1::1' }, true],
    ['cidr v4 in v6 clothes', { 'a|cidr': '10.0.0.0/8' }, { a: '::ffff:10.1.2.3' }, true],
    ['cidr v4 is not v6', { 'a|cidr': '::/0' }, { a: '10.1.2.3' }, false],
    ['re finds anywhere', { 'a|re': 'b+' }, { a: 'abbc' }, true],
    ['re is cased', { 'a|re': 'B' }, { a: 'abc' }, false],
    ['re|i', { 'a|re|i': 'B' }, { a: 'abc' }, true],
    ['re with its own flag', { 'a|re': '(?i)B' }, { a: 'abc' }, true],
    ['re|m', { 'a|re|m': '^b$' }, { a: 'a\nb\nc' }, true],
    ['re without m', { 'a|re': '^b$' }, { a: 'a\nb\nc' }, false],
    ['re|s', { 'a|re|s': 'a.b' }, { a: 'a\nb' }, true],
    ['re without s', { 'a|re': 'a.b' }, { a: 'a\nb' }, false],
    ['re keeps backslashes', { 'a|re': 'a\\*b' }, { a: 'a*b' }, true],
    ['fieldref', { 'a|fieldref': 'b' }, { a: 'X', b: 'x' }, true],
    ['fieldref of a missing field', { 'a|fieldref': 'b' }, { a: 'X' }, false],
    ['fieldref and neq', { 'a|fieldref|neq': 'b' }, { a: 'x', b: 'y' }, true],
    ['fieldref and startswith', { 'a|fieldref|startswith': 'b' }, { a: 'xyz', b: 'xy' }, true],
    ['fieldref and endswith', { 'a|fieldref|endswith': 'b' }, { a: 'p/q', b: ['r', 'q'] }, true],
    ['fieldref and contains', { 'a|fieldref|contains': 'b' }, { a: 'xyz', b: 'Y' }, true],
    ['expand without a placeholder', { 'a|expand': '50\\%' }, { a: '50%' }, true],
  ]);
});

describe('encodings', () => {
  // Base64 by the table of RFC 4648: "foobar" is Zm9vYmFy.
  table([
    ['base64', { 'a|base64': 'foobar' }, { a: 'Zm9vYmFy' }, true],
    ['base64offset at 0', { 'a|base64offset|contains': 'foobar' }, { a: btoa('foobar') }, true],
    ['base64offset at 1', { 'a|base64offset|contains': 'foobar' }, { a: btoa('xfoobary') }, true],
    ['base64offset at 2', { 'a|base64offset|contains': 'foobar' }, { a: btoa('xyfoobarz') }, true],
    [
      'base64offset of something else',
      { 'a|base64offset|contains': 'foobar' },
      { a: btoa('fooxbar') },
      false,
    ],
    [
      'base64offset counts bytes',
      { 'a|base64offset|contains': 'é' },
      { a: Buffer.from('xéyz').toString('base64') },
      true,
    ],
    ['wide and base64', { 'a|wide|base64': 'cmd' }, { a: 'YwBtAGQA' }, true],
    ['utf16be and base64', { 'a|utf16be|base64': 'cmd' }, { a: 'AGMAbQBk' }, true],
    ['utf16 and base64 has the mark', { 'a|utf16|base64': 'cmd' }, { a: '//5jAG0AZAA=' }, true],
    ['utf16le as text', { 'a|utf16le|contains': 'cmd' }, { a: 'x c\0m\0d\0 y' }, true],
    ['windash: slash for dash', { 'a|windash|contains': ' -enc' }, { a: 'ps /enc' }, true],
    ['windash: dash for slash', { 'a|windash|contains': ' /enc' }, { a: 'ps -enc' }, true],
    ['windash: em dash', { 'a|windash|contains': ' -enc' }, { a: 'ps —enc' }, true],
    ['windash: only where an option begins', { 'a|windash|contains': 'a-b' }, { a: 'a/b' }, false],
    ['contains and windash in the other order', { 'a|contains|windash': ' -enc' }, { a: 'ps /enc' }, true],
  ]);
});

describe('parts of a time', () => {
  table([
    ['minute', { 'a|minute': 7 }, { a: '2026-01-01T23:07:59Z' }, true],
    ['hour as written, whatever the zone', { 'a|hour': 23 }, { a: '2026-01-01T23:07:59+05:00' }, true],
    ['hour compared', { 'a|hour|gte': 22 }, { a: '2026-01-01 23:07:59' }, true],
    ['day', { 'a|day': 1 }, { a: '2026-01-01' }, true],
    ['week of a year with 53', { 'a|week': 53 }, { a: '2026-12-31T00:00:00Z' }, true],
    ['week that belongs to the year before', { 'a|week': 53 }, { a: '2027-01-02T00:00:00Z' }, true],
    ['month', { 'a|month': 12 }, { a: '2026-12-31T00:00:00Z' }, true],
    ['year', { 'a|year': 2026 }, { a: '2026-12-31T00:00:00Z' }, true],
    ['seconds of the epoch', { 'a|year': 2009 }, { a: 1234567890 }, true],
    ['milliseconds of the epoch', { 'a|hour': 23 }, { a: '1234567890123' }, true],
    ['no date', { 'a|hour': 0 }, { a: 'noon' }, false],
  ]);
});

describe('keywords', () => {
  table([
    ['stand anywhere in the event', ['evil'], { x: { y: ['an EVIL thing'] } }, true],
    ['any of them', ['evil', 'bad'], { x: 'bad' }, true],
    ['none of them', ['evil', 'bad'], { x: 'good' }, false],
    ['a single one', 'evil', { x: 'evil' }, true],
    ['with wildcards', ['e?il'], { x: 'is evil' }, true],
    ['numbers', [4624], { x: 4624 }, true],
    ['all of them', { '|all': ['evil', 'bad'] }, { x: 'evil', y: 'bad' }, true],
    ['all of them, one missing', { '|all': ['evil', 'bad'] }, { x: 'evil' }, false],
    ['as regular expressions', { '|re': 'e.il$' }, { x: 'is evil' }, true],
    ['mixed with maps', ['evil', { a: 'x' }], { a: 'x' }, true],
  ]);
});
