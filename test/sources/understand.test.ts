import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AuditEvent } from '../../src/core/event.ts';
import { timeText } from '../../src/core/event.ts';
import { loadSources, sourceNamed } from '../../src/sources/registry.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { understand } from '../../src/sources/understand.ts';
import { recordOf, shown } from './support.ts';

const registry = await loadSources();
const vault = sourceNamed(registry, 'vault');
const call = (more = '', time = '2026-02-03T09:00:00Z') =>
  `{"time":"${time}","type":"request","request":{"id":"r1","operation":"read","path":"kv/data/a","mount_type":"kv"${more}}}`;

function outcomesOf(value: string | Buffer | null, timestamp = 0, source: typeof vault | null = vault) {
  return understand(recordOf(value, timestamp), source ?? undefined, defaultStreamSettings, registry);
}

function reasonOf(value: string | Buffer | null, source: typeof vault | null = vault): string {
  const outcomes = outcomesOf(value, 0, source);
  expect(outcomes).toHaveLength(1);
  const only = outcomes[0];
  if (only === undefined || only.kind === 'ok') return 'ok';
  return `${only.kind} ${only.reason}`;
}

function eventOf(value: string | Buffer, timestamp = 0): AuditEvent {
  const only = outcomesOf(value, timestamp)[0];
  if (only?.kind !== 'ok') throw new Error(JSON.stringify(only));
  return only.value.event;
}

describe('a record that cannot be understood is set aside by name', () => {
  const deep = (n: number) => `${'{"a":'.repeat(n)}1${'}'.repeat(n)}`;
  test.each([
    ['a tombstone', null, 'drop tombstone'],
    ['an empty value', '', 'drop empty'],
    ['blanks', ' \r\n\t', 'drop empty'],
    ['no JSON', 'hello', 'quarantine no_json'],
    ['broken JSON', '{"type":"request",', 'quarantine invalid_json'],
    ['two documents', `${call()}${call()}`, 'quarantine invalid_json'],
    ['invalid UTF-8', Buffer.from(call().replace('r1', 'r\xff'), 'latin1'), 'quarantine invalid_utf8'],
    [
      'an overlong UTF-8 form',
      Buffer.from(call().replace('r1', 'r\xc0\x80'), 'latin1'),
      'quarantine invalid_utf8',
    ],
    [
      'a surrogate as UTF-8',
      Buffer.from(call().replace('r1', '\xed\xa0\x80'), 'latin1'),
      'quarantine invalid_utf8',
    ],
    ['a raw NUL', call().replace('r1', 'r\u0000'), 'quarantine nul'],
    ['only NULs', '\u0000\u0000', 'quarantine nul'],
    ['an escaped NUL', call().replace('r1', 'r\\u0000'), 'quarantine nul'],
    ['a lone high surrogate', call().replace('r1', 'r\\ud800'), 'quarantine lone_surrogate'],
    ['a lone low surrogate', call().replace('r1', '\\uDC00r'), 'quarantine lone_surrogate'],
    ['a key said twice', call(',"id":"r2"'), 'quarantine duplicate_key'],
    ['a key said twice with blanks before the colon', call(',"id" \t:"r2"'), 'quarantine duplicate_key'],
    ['a key said twice, once escaped', call(',"i\\u0064":"r2"'), 'quarantine duplicate_key'],
    ['a key said twice deep down', call(',"data":{"x":[{"y":1,"y":1}]}'), 'quarantine duplicate_key'],
    ['__proto__', call(',"data":{"__proto__":{"admin":true}}'), 'quarantine proto_key'],
    ['__proto__, escaped', call(',"data":{"\\u005f_proto__":1}'), 'quarantine proto_key'],
    ['depth 65', call(`,"data":${deep(63)}`), 'quarantine too_deep'],
    ['depth 65 of arrays', call(`,"data":{"x":${'['.repeat(62)}${']'.repeat(62)}}`), 'quarantine too_deep'],
    ['depth 10,000', deep(10_000), 'quarantine too_deep'],
    ['depth 10,000 of arrays without an end', '['.repeat(10_000), 'quarantine invalid_json'],
    ['depth 3,000,000', '['.repeat(3_000_000), 'quarantine too_deep'],
    ['a string', '"hello"', 'quarantine no_json'],
    ['a number', '[1]', 'quarantine schema'],
    ['a missing field', '{"type":"request","request":{"path":"a"}}', 'quarantine schema'],
    ['a field of another type', call(',"remote_address":7'), 'quarantine schema'],
    ['bytes that begin like gzip', Buffer.from([0x1f, 0x8b, 1, 2, 3]), 'quarantine invalid_gzip'],
    ['a gzip bomb', gzipSync(Buffer.alloc(80 * 1024 * 1024, 0x20)), 'quarantine too_large'],
    [
      'a part of more than 8 MiB',
      call(`,"data":{"x":"${'a'.repeat(9_000_000)}"}`),
      'quarantine part_too_large',
    ],
    ['a record of 20 MB', call(`,"data":{"x":"${'a'.repeat(20_000_000)}"}`), 'quarantine part_too_large'],
    ['20 MB of nothing', 'a'.repeat(20_000_000), 'quarantine no_json'],
    ['no time', call('', 'yesterday'), 'quarantine time_absurd'],
    ['the year 1960 without a record time', call('', '1960-01-01T00:00:00Z'), 'quarantine time_absurd'],
    ['the year 9999 without a record time', call('', '9999-01-01T00:00:00Z'), 'quarantine time_absurd'],
  ] as const)('%s', (_, value, reason) => {
    expect(reasonOf(value)).toBe(reason);
  });

  test('a shape no source knows', () => {
    expect(reasonOf('{"hello":"world"}', null)).toBe('quarantine unknown_source');
    expect(reasonOf('[7]', null)).toBe('quarantine unknown_source');
    expect(reasonOf('[]', null)).toBe('drop empty_envelope');
  });

  test('whatever the bytes, without a throw and with at least one outcome', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(Buffer.from)), (bytes) => {
        expect(outcomesOf(Buffer.from(bytes)).length).toBeGreaterThan(0);
        expect(outcomesOf(Buffer.from(bytes), 0, null).length).toBeGreaterThan(0);
      }),
      { numRuns: 3000 },
    );
  });

  test('a reason’s detail says where, and nothing of the record', () => {
    const [outcome] = outcomesOf(call(',"remote_address":{"canary":"canary"}'));
    expect(JSON.stringify(outcome)).not.toContain('canary');
    expect(outcome).toMatchObject({ detail: '#/properties/request/properties/remote_address/type' });
  });
});

describe('a record that can be understood is', () => {
  const plain = shown(outcomesOf(call())[0] as never);
  test.each([
    ['behind a byte-order mark', `\ufeff${call()}`],
    ['behind RFC 5424', `<134>1 2026-02-03T09:00:00Z host vault 1 - - ${call()}`],
    ['behind RFC 3164', `<13>Feb  3 09:00:00 host vault[1]: ${call()}`],
    ['behind a device prefix', `[audit] ${call()}`],
    ['as JSON in a string', JSON.stringify(call())],
    ['gzipped', gzipSync(call())],
    ['with a line end', `${call()}\n`],
  ] as const)('%s', (_, value) => {
    expect(shown(outcomesOf(value)[0] as never)).toEqual(plain);
  });

  test('depth 64 is not too deep', () => {
    expect(reasonOf(call(`,"data":${'{"a":'.repeat(62)}1${'}'.repeat(62)}`))).toBe('ok');
  });

  test('a surrogate pair, colons and quotes in strings, and key-like strings are no reason to doubt', () => {
    expect(reasonOf(call(',"data":{"a":"\\ud83d\\ude00","b":"\\"id\\":","c":"x : y","d":"\\\\u0000"}'))).toBe(
      'ok',
    );
  });

  test('integers beyond 2^53 keep their digits', () => {
    const [outcome] = outcomesOf(
      call(',"data":{"n":12345678901234567890,"m":-9007199254740993,"ok":9007199254740991}'),
    );
    if (outcome?.kind !== 'ok') throw new Error('set aside');
    expect(outcome.value.redacted).toMatchObject({
      request: { data: { n: '12345678901234567890', m: '-9007199254740993', ok: 9007199254740991 } },
    });
  });
});

describe('an absurd time gives way to the record’s', () => {
  const recordTime = Date.UTC(2026, 1, 3);
  test.each([
    ['1960-01-01T00:00:00Z', '2026-02-03T00:00:00Z'],
    ['2026-02-04T00:00:01Z', '2026-02-03T00:00:00Z'],
    ['9999-12-31T23:59:59Z', '2026-02-03T00:00:00Z'],
    ['not a time', '2026-02-03T00:00:00Z'],
  ])('%s', (time, expected) => {
    const event = eventOf(call('', time), recordTime);
    expect(timeText(event.time)).toBe(expected);
    expect(event.time_quality).toBe('record');
    expect(event.flags).toContain('time_absurd');
  });

  test('a day ahead and years behind are not absurd', () => {
    expect(timeText(eventOf(call('', '2026-02-04T00:00:00Z'), recordTime).time)).toBe('2026-02-04T00:00:00Z');
    expect(timeText(eventOf(call('', '2001-01-01T00:00:00.5Z'), recordTime).time)).toBe(
      '2001-01-01T00:00:00.500Z',
    );
    expect(timeText(eventOf(call('', '2200-01-01T00:00:00Z')).time)).toBe('2200-01-01T00:00:00Z');
  });

  test('a zone is taken into account and nanoseconds are kept', () => {
    expect(timeText(eventOf(call('', '2026-02-03T10:30:00.123456789+01:30')).time)).toBe(
      '2026-02-03T09:00:00.123456789Z',
    );
    expect(timeText(eventOf(call('', '2016-12-31T23:59:60Z')).time)).toBe('2016-12-31T23:59:59Z');
  });
});

test('a text longer than its column is cut, never within a character, and flagged', () => {
  const event = eventOf(
    call(`,"mount_point":"kv/","remote_address":"${'h'.repeat(300)}"`).replace(
      'kv/data/a',
      `kv/data/${'a'.repeat(1012)}😀😀`,
    ),
  );
  expect(event.flags).toContain('truncated');
  expect(event.src_host).toHaveLength(256);
  expect(event.object_id.length).toBeLessThanOrEqual(1024);
  expect(Buffer.from(event.object_id).toString()).toBe(event.object_id);
});

test('each element of an array is an event of its own, a bad one aside alone', () => {
  const outcomes = outcomesOf(`[${call()},{"type":"request"},${call()}]`);
  expect(outcomes.map((o) => o.kind)).toEqual(['ok', 'quarantine', 'ok']);
  const mixed = outcomesOf(`[${call()},{"Records":[]},{"Records":[7,7]},${call()}]`, 0, null);
  expect(mixed.map((o) => (o.kind === 'ok' ? 'ok' : o.reason))).toEqual([
    'ok',
    'empty_envelope',
    'unknown_source',
    'ok',
  ]);
});

describe('nobody chooses how long a record takes', () => {
  const megabytes = (piece: string) => piece.repeat(Math.floor(4_000_000 / piece.length));
  test.each([
    [
      'a string of 20 MB beside an escaped NUL',
      call(`,"data":{"x":"${'a'.repeat(20_000_000)}","y":"\\u0000"}`),
    ],
    ['escapes', call(`,"data":{"x":"${megabytes('\\n')}","y":1,"y":2}`)],
    ['the beginnings of tokens', call(`,"data":{"x":"${megabytes('eyJaaaaaaaaaa')}"}`)],
    ['the beginnings of keys', call(`,"data":{"x":"${megabytes('-----BEGIN PRIVATE KEY')}"}`)],
    ['URLs', call(`,"data":{"x":"${megabytes('://a:b@')}"}`)],
    ['a path of secrets', call().replace('kv/data/a', megabytes('Corr3ct-Horse!7/'))],
    [
      'keys that look alike once masked',
      call(`,"data":{${Array.from({ length: 100_000 }, (_, i) => `"Corr3ct!${i}":0`)}}`),
    ],
    ['an array of 500,000', `[${'{},'.repeat(500_000)}{}]`],
  ])('%s', (_, text) => {
    const before = performance.now();
    expect(outcomesOf(text).length).toBeGreaterThan(0);
    expect(performance.now() - before).toBeLessThan(10_000);
  });
});

test('a text of more than 64 KiB that may hold a secret is masked whole', () => {
  const [outcome] = outcomesOf(call(`,"data":{"x":"${'a '.repeat(40_000)}AKIA0123456789CANARY"}`));
  expect(outcome).toMatchObject({
    kind: 'ok',
    value: { redacted: { request: { data: { x: '[masked]' } } } },
  });
});
