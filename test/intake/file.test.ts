import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { KwRecord } from '../../src/core/record.ts';
import { fileStreamName, fingerprint, openFile, readFileRecords } from '../../src/intake/file.ts';

const dir = mkdtempSync(join(tmpdir(), 'keywitness-file-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let files = 0;
/** Written long ago, unless a test says otherwise. */
function file(content: string | Buffer, modified = new Date(0)): string {
  const path = join(dir, `f${files++}.ndjson`);
  writeFileSync(path, content);
  utimesSync(path, modified, modified);
  return path;
}

const base = { stream: 's', epoch: 3, fromOffset: 0n, timestamp: 0 };

async function batches(path: string, options: Partial<Parameters<typeof readFileRecords>[1]> = {}) {
  const out: KwRecord[][] = [];
  for await (const batch of readFileRecords(path, { ...base, ...options })) out.push(batch);
  return out;
}

async function read(path: string, options: Partial<Parameters<typeof readFileRecords>[1]> = {}) {
  return (await batches(path, options)).flat().map((r) => [r.offset, String(r.value)]);
}

describe('a line is a record', () => {
  test('its offset is that of its first byte, its coordinates and time are those given', async () => {
    const [batch] = await batches(file('{"a":1}\n{"b":2}\n'), { timestamp: 5 });
    expect(batch).toEqual([
      // biome-ignore format: a record a line
      { stream: 's', partition: 0, epoch: 3, offset: 0n, timestamp: 5, key: null, headers: [], value: Buffer.from('{"a":1}') },
      // biome-ignore format: a record a line
      { stream: 's', partition: 0, epoch: 3, offset: 8n, timestamp: 5, key: null, headers: [], value: Buffer.from('{"b":2}') },
    ]);
  });

  test('blank lines are none, a carriage return is not part of it, the last line needs no end', async () => {
    expect(await read(file('\n{"a":1}\r\n \t\r\n{"b":2}'))).toEqual([
      [1n, '{"a":1}'],
      [14n, '{"b":2}'],
    ]);
  });

  test('bytes that are no UTF-8, NUL and broken JSON arrive as they are', async () => {
    const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x7d]);
    const [batch] = await batches(
      file(Buffer.concat([bytes, Buffer.from('\n{"cut'), Buffer.from('\n{}\n')])),
    );
    expect(batch?.map((r) => r.value)).toEqual([bytes, Buffer.from('{"cut'), Buffer.from('{}')]);
  });

  test('reading on after any stored record gives exactly the rest, gzipped or not', async () => {
    const line = fc.string({ unit: 'binary', maxLength: 40 }).map((s) => `{${s.replaceAll('\n', '')}}`);
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 20 }), fc.nat(), async (lines, pick) => {
        const text = lines.map((l) => `${l}\n`).join('');
        const whole = await read(file(text));
        const known = pick % whole.length;
        const after = { fromOffset: (whole[known]?.[0] as bigint) + 1n };
        expect(await read(file(text), after)).toEqual(whole.slice(known + 1));
        expect(await read(file(gzipSync(text)), after)).toEqual(whole.slice(known + 1));
        expect(whole.map(([, value]) => value)).toEqual(
          lines.map((l) => String(Buffer.from(l)).replace(/\r$/, '')),
        );
      }),
      { numRuns: 60 },
    );
  });
});

describe('batches', () => {
  test('hold at most 20,000 records', async () => {
    const sizes = (await batches(file('{"n":1}\n'.repeat(45_000)))).map((b) => b.length);
    expect(sizes).toEqual([20_000, 20_000, 5_000]);
  });

  test('hold at most 32 MiB, and a 20 MB record is a record', async () => {
    const big = `{"v":"${'x'.repeat(20_000_000)}"}`;
    const got = await batches(file(`{"a":1}\n${big}\n${big}\n{"z":1}\n`));
    expect(got.map((b) => b.map((r) => r.value?.length))).toEqual([
      [7, big.length],
      [big.length, 7],
    ]);
  });

  test('a record above 64 MiB is refused with its place and advice, those before it are given', async () => {
    const path = file(Buffer.concat([Buffer.from('{"a":1}\n'), Buffer.alloc(65 * 1024 * 1024, 0x78)]));
    const seen: KwRecord[] = [];
    const reading = (async () => {
      for await (const batch of readFileRecords(path, base)) seen.push(...batch);
    })();
    await expect(reading).rejects.toThrow(/KW_INPUT.*byte 8 is larger than 64 MiB.*jq -c/s);
    expect(seen.map((r) => String(r.value))).toEqual(['{"a":1}']);
  });
});

describe('one JSON document is one record', () => {
  test.each([
    ['array', '[\n {"a":1},\n {"b":2}\n]\n'],
    ['envelope', '{\n  "Records": [\n    {"a":1}\n  ]\n}\n'],
    ['envelope opened on its first line', '{"Records": [\n {"a":1}\n]}'],
    ['one-line array', '[{"a":1},{"b":2}]'],
  ])('%s', async (_, text) => {
    expect(await read(file(text))).toEqual([[0n, text]]);
    expect(await read(file(text), { fromOffset: 1n })).toEqual([]);
  });

  test('a cut first line does not make an NDJSON file a document', async () => {
    expect(await read(file('{"a":1,\n{"b":2}\n'))).toEqual([
      [0n, '{"a":1,'],
      [8n, '{"b":2}'],
    ]);
  });
});

describe('a file that is still written', () => {
  test('keeps its torn last line for the next run and says so; later the line is whole', async () => {
    const told: unknown[] = [];
    const path = file('{"a":1}\n{"b":', new Date());
    const onUnfinished = (offset: bigint, bytes: number) => void told.push([offset, bytes]);
    expect(await read(path, { onUnfinished })).toEqual([[0n, '{"a":1}']]);
    expect(told).toEqual([[8n, 5]]);
    writeFileSync(path, '{"a":1}\n{"b":2}\n');
    expect(await read(path, { fromOffset: 1n })).toEqual([[8n, '{"b":2}']]);
  });

  test('gives the torn last line when nobody wrote for a minute: evidence is never left out', async () => {
    expect(await read(file('{"b":'))).toEqual([[0n, '{"b":']]);
  });
});

describe('which file it is', () => {
  const sha = (text: string) => createHash('sha256').update(text).digest('hex');

  test('the fingerprint is the SHA-256 of the first line: growth, gzip and a rename do not change it', async () => {
    expect(await fingerprint(file('{"a":1}\n'))).toBe(sha('{"a":1}'));
    expect(await fingerprint(file('{"a":1}\r\n{"b":2}\n'))).toBe(sha('{"a":1}'));
    expect(await fingerprint(file(gzipSync('{"a":1}\n')))).toBe(sha('{"a":1}'));
    expect(await fingerprint(file('x'.repeat(200_000)))).toBe(sha('x'.repeat(65_536)));
  });

  test('documents that open alike are told apart', async () => {
    expect(await fingerprint(file('[\n1\n]'))).not.toBe(await fingerprint(file('[\n2\n]')));
  });

  test('the stream is the base name without .gz; what is not plain is replaced and told apart by a hash', () => {
    expect(fileStreamName('/var/log/audit-1.ndjson.gz')).toBe('audit-1.ndjson');
    expect(fileStreamName('a b.log')).toBe(`a_b.log-${sha('a b.log').slice(0, 8)}`);
    expect(fileStreamName('a_b.log')).toBe('a_b.log');
  });
});

describe('what cannot be read', () => {
  test('a missing file and a folder are named', async () => {
    await expect(openFile(join(dir, 'none'))).rejects.toThrow(/KW_INPUT.*none.*ENOENT/);
    await expect(openFile(dir)).rejects.toThrow(/KW_INPUT.*EISDIR/);
  });

  test('a cut gzip gives what stands before the cut, then names the byte', async () => {
    const whole = gzipSync(Array.from({ length: 200_000 }, (_, i) => `{"n":${Math.sin(i)}}\n`).join(''));
    const seen: KwRecord[] = [];
    const reading = (async () => {
      for await (const batch of readFileRecords(file(whole.subarray(0, whole.length / 2)), base))
        seen.push(...batch);
    })();
    await expect(reading).rejects.toThrow(/KW_INPUT.*cut or damaged/);
    expect(seen.length).toBeGreaterThan(80_000);
    expect(gunzipSync(whole).subarray(0, 7).toString()).toBe(String(seen[0]?.value).slice(0, 7));
  });

  test('an empty file has no records', async () => {
    expect(await read(file(''))).toEqual([]);
  });
});
