import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Header, KwRecord } from '../../src/core/record.ts';
import { migrate } from '../../src/store/migrate.ts';
import { recordAt, recordsAfter } from '../../src/store/positions.ts';
import { readBackRecords } from '../../src/store/readBack.ts';
import { RowBinaryWriter } from '../../src/store/rowBinary.ts';
import { writeEvents, writeRecords } from '../../src/store/writer.ts';
import { openTestStore, record, recordRow, storedEvent, type TestStore } from './support.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await migrate(store.engine);
});
afterAll(() => store.close());

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

async function roundTrip(records: readonly KwRecord[]): Promise<KwRecord[]> {
  const rows = records.map((r) => recordRow(r));
  await writeRecords(store.engine, rows);
  await readBackRecords(store.engine, rows);
  const key = records[0] ?? record(0n, null);
  return (await recordsAfter(store.engine, key, -1n, 100_000)).map((s) => s.record);
}

describe('a record comes back byte for byte', () => {
  it.each<[string, Partial<KwRecord>]>([
    ['all 256 byte values', { value: everyByte, key: everyByte, headers: [[everyByte, everyByte]] }],
    ['a null key and a null value', { key: null, value: null }],
    ['an empty key and an empty value', { key: Buffer.alloc(0), value: Buffer.alloc(0) }],
    ['a null key and an empty value', { key: null, value: Buffer.alloc(0) }],
    [
      'an empty header name and value',
      { value: Buffer.from('x'), headers: [[Buffer.alloc(0), Buffer.alloc(0)]] },
    ],
    [
      'headers of one name, in order',
      {
        value: Buffer.from('x'),
        headers: ['b', 'a', 'b'].map((v): Header => [Buffer.from('trace'), Buffer.from(v)]),
      },
    ],
    ['bytes that are not UTF-8', { value: Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80]) }],
    ['NUL, quote, backslash, tab and line ends', { value: Buffer.from('\0\'"\\\t\r\n\u2028') }],
    ['a million bytes', { value: Buffer.alloc(1_000_000, everyByte) }],
    ['an offset above 2^53', { offset: 9_223_372_036_854_775_807n, value: Buffer.from('x') }],
    ["Kafka's timestamp -1", { timestamp: -1, value: Buffer.from('x') }],
  ])('%s', async (name, fields) => {
    const stream = name.replace(/\W+/g, '-').slice(0, 60);
    const written = { ...record(7n, null), stream, ...fields };
    expect(await roundTrip([written])).toEqual([written]);
    const one = await recordAt(store.engine, written, written.offset);
    expect(one?.record).toEqual(written);
  });

  it('whatever the bytes are', async () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((a) => Buffer.from(a));
    const some = fc.record({
      key: fc.option(bytes),
      value: fc.option(bytes),
      headers: fc.array(fc.tuple(bytes, bytes), { maxLength: 4 }),
      timestamp: fc.integer({ min: -1, max: 4_102_444_800_000 }),
    });
    let n = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(some, { minLength: 1, maxLength: 30 }), async (fields) => {
        const stream = `any-${n++}`;
        const written = fields.map((f, i) => ({ ...record(BigInt(i), null), stream, ...f }));
        expect(await roundTrip(written)).toEqual(written);
      }),
      { numRuns: 25 },
    );
  });
});

describe('an event comes back value for value', () => {
  it('in every type of column', async () => {
    const long = 'ü'.repeat(64);
    await writeEvents(store.engine, [
      storedEvent(1n, {
        time: 1_782_864_000_123_456_789n,
        session_start: 1_782_864_000_001,
        src_ip: '203.0.113.9',
        actor_name: long,
        actor_id: 'x'.repeat(42),
        actor_role: 'é'.repeat(42),
        via: '\u{1F511}'.repeat(21),
        object_id: 'vault:core/\u0000/\u2028',
        actor_groups: ['a', '', 'ß'],
        workload: { pod: 'web-1', ns: '' },
        objects_total: 4_294_967_295,
        adapter: 65_535,
        writer: 18_446_744_073_709_551_615n,
      }),
      storedEvent(2n, { src_ip: '2001:db8::1' }),
      storedEvent(3n, { src_ip: 'not an address' }),
    ]);
    const [first, second, third] = await store.engine.rows(
      'SELECT toString(toUnixTimestamp64Nano(time)) AS time, toUnixTimestamp64Milli(session_start) AS session_start, ' +
        'toString(src_ip) AS src_ip, actor_name, actor_id, actor_role, via, object_id, actor_groups, workload, ' +
        'objects_total, adapter, toString(writer) AS writer FROM kw.events ORDER BY offset',
    );
    expect(first).toEqual({
      time: '1782864000123456789',
      session_start: 1_782_864_000_001,
      src_ip: '::ffff:203.0.113.9',
      actor_name: long,
      actor_id: 'x'.repeat(42),
      actor_role: 'é'.repeat(42),
      via: '\u{1F511}'.repeat(21),
      object_id: 'vault:core/\u0000/\u2028',
      actor_groups: ['a', '', 'ß'],
      workload: { pod: 'web-1', ns: '' },
      objects_total: 4_294_967_295,
      adapter: 65_535,
      writer: '18446744073709551615',
    });
    expect(second?.src_ip).toBe('2001:db8::1');
    expect(third?.src_ip).toBe('::');
  });
});

/** RowBinary as its specification words it, written the slow way. */
function plainString(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  const length: number[] = [];
  for (let rest = bytes.length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) {
      length.push(rest);
      break;
    }
    length.push(128 + (rest % 128));
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

const anyText = fc
  .tuple(fc.string({ unit: 'binary', minLength: 1 }), fc.integer({ min: 0, max: 140 }))
  .map(([unit, length]) => unit.repeat(length).slice(0, length));

describe('RowBinary', () => {
  it.each(['a', 'é', '€', '\u{1F511}'])(
    'writes %s of every length around where the writer takes another way',
    (unit) => {
      for (let length = 0; length <= 300; length++) {
        const out = new RowBinaryWriter(1);
        out.string(unit.repeat(length));
        expect(Buffer.compare(out.bytes(), plainString(unit.repeat(length))), String(length)).toBe(0);
      }
    },
  );

  it('writes a string as LEB128 length and UTF-8, whatever its length and the room left', () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 20 }), (values) => {
        const out = new RowBinaryWriter(1);
        for (const value of values) out.string(value);
        expect(Buffer.compare(out.bytes(), Buffer.concat(values.map(plainString)))).toBe(0);
      }),
    );
  });

  it.each([0, 127, 128, 16_383, 16_384, 2_097_152])('writes length %d', (length) => {
    const out = new RowBinaryWriter(1);
    out.binary(Buffer.alloc(length, 1));
    const expected = plainString('\u0001'.repeat(length));
    expect(Buffer.compare(out.bytes(), expected)).toBe(0);
  });
});
