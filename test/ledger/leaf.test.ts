import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KwRecord } from '../../src/core/record.ts';
import { leafHash, leafHasher, leafHashOfText, leafOrigin, leafText } from '../../src/ledger/leaf.ts';

const base: KwRecord = {
  stream: 'main.vault-audit',
  partition: 3,
  epoch: 0,
  offset: 41n,
  timestamp: 1767225600000,
  key: Buffer.from('core'),
  headers: [
    [Buffer.from('trace'), Buffer.from([0, 0xff])],
    [Buffer.from('trace'), Buffer.alloc(0)],
  ],
  value: Buffer.from('{"type":"request"}'),
};
const tombstone: KwRecord = {
  ...base,
  offset: 42n,
  timestamp: 1767225600001,
  key: null,
  headers: [],
  value: null,
};
const line: KwRecord = {
  stream: 'openbao.audit.ndjson',
  partition: 0,
  epoch: 1,
  offset: 9007199254740993n,
  timestamp: 0,
  key: Buffer.alloc(0),
  headers: [],
  value: Buffer.from('é\n'),
};

describe('leaf text v1', () => {
  // Texts and hashes computed with python3 hashlib from docs/ledger.md, not with this program.
  it('is byte for byte the text of docs/ledger.md, vector 1 (Kafka, headers repeat)', () => {
    expect(leafText(base, 'kafka').toString()).toBe(
      'keywitness-leaf/v1\nmain\nvault-audit\n3\n0\n41\n1767225600000\n' +
        '0d45f5fd462b8c70bffb10021ac1bcff3f58f29b1faf7568595095427d42812c\n' +
        '2d3e5df65e9fde2754a29d673dfdf5f7d3581c1fd2745d0d6ffd9688aed481ae\n' +
        '7a5547b83f570e2b5bcc5201dd8188eb075e66028a87a22a92ac41c0c4076dc2\n0\n',
    );
    expect(leafHash(base, 'kafka').toString('hex')).toBe(
      '7903388c84a8f553415919f0db829860add804a19e2716bfc919b4df561ea033',
    );
  });

  it('keeps null apart from empty, vector 2 (tombstone)', () => {
    expect(leafHash(tombstone, 'kafka').toString('hex')).toBe(
      '42b9ac55f2b262e4f8700c3eca9a129794a59ceb20834789d2af7137367f31e0',
    );
    const empty = { ...tombstone, key: Buffer.alloc(0), value: Buffer.alloc(0) };
    expect(leafHash(empty, 'kafka')).not.toEqual(leafHash(tombstone, 'kafka'));
  });

  it('keeps offsets above 2^53 and bytes that are not ASCII exact, vector 3 (file)', () => {
    expect(leafHash(line, 'file').toString('hex')).toBe(
      'd31e4f8c083af65e0632354738b9881c2e38087de1a962b765d93968afc718b8',
    );
  });

  it('is the same from text, in one step and through the hot path', () => {
    const bytes = fc.uint8Array({ maxLength: 40 }).map((b) => Buffer.from(b));
    const record = fc.record({
      stream: fc.constantFrom('a.b', 'x_1.audit.log'),
      partition: fc.nat(1000),
      epoch: fc.nat(9),
      offset: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      timestamp: fc.integer(),
      key: fc.option(bytes),
      headers: fc.array(fc.tuple(bytes, bytes), { maxLength: 3 }),
      value: fc.option(bytes),
    });
    fc.assert(
      fc.property(record, fc.constantFrom('kafka', 'file', 'http'), (r, transport) => {
        const text = leafText(r, transport);
        const expected = createHash('sha256')
          .update(Buffer.from([0]))
          .update(text)
          .digest();
        expect(leafHash(r, transport)).toEqual(expected);
        expect(leafHashOfText(text)).toEqual(expected);
        expect(leafHasher(r, transport)(r)).toEqual(expected);
        expect(text.toString().split('\n')).toHaveLength(12);
      }),
    );
  });

  it('differs when headers are regrouped: their lengths are hashed with them', () => {
    const split = { ...base, headers: [[Buffer.from('ab'), Buffer.from('c')] as const] };
    const moved = { ...base, headers: [[Buffer.from('a'), Buffer.from('bc')] as const] };
    expect(leafHash(split, 'kafka')).not.toEqual(leafHash(moved, 'kafka'));
  });
});

describe('a stream name maps to one cluster and topic', () => {
  it('splits a Kafka stream at the first dot only', () => {
    expect(leafOrigin('eu-1.audit.vault.v2', 'kafka')).toEqual({ cluster: 'eu-1', topic: 'audit.vault.v2' });
  });
  it('keeps the whole name of any other stream, so that audit.log never looks like a cluster', () => {
    expect(leafOrigin('audit.log', 'file')).toEqual({ cluster: 'file', topic: 'audit.log' });
    expect(leafOrigin('github', 'http')).toEqual({ cluster: 'http', topic: 'github' });
  });
  it('refuses names that could break a line or share an origin', () => {
    expect(() => leafOrigin('file.audit', 'kafka')).toThrow(RangeError);
    expect(() => leafOrigin('nodot', 'kafka')).toThrow(RangeError);
    expect(() => leafOrigin('a\nb', 'file')).toThrow(RangeError);
    expect(() => leafOrigin('a/b', 'file')).toThrow(RangeError);
    expect(() => leafOrigin('a+b', 'file')).toThrow(RangeError);
    expect(() => leafOrigin('', 'file')).toThrow(RangeError);
    expect(() => leafOrigin('x'.repeat(301), 'file')).toThrow(RangeError);
  });
});
