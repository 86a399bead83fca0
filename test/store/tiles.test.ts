import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../src/store/migrate.ts';
import { leavesBefore, readTiles } from '../../src/store/tileStore.ts';
import { openTestStore, type TestStore } from './support.ts';

const key = { stream: 's', partition: 0, epoch: 0 };
/** The n-th hash is n in 32 bytes: every 256th ends in a zero byte. */
const hashOf = "unhex(leftPad(hex(toUInt64(number)), 64, '0'))";
const hash = (n: number) => n.toString(16).padStart(64, '0');
const hashes = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => hash(from + i)).join('');

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore();
  await migrate(store.engine);
  await store.engine.command(
    `INSERT INTO kw.records SELECT 's', 0, 0, number * 2, 0, 0, '', [], 1, 'v', 0, 0, ${hashOf} FROM numbers(1000)`,
  );
  await store.engine.command(
    `INSERT INTO kw.tiles SELECT 's', 0, 0, 0, intDiv(number, 256) AS i, max(number * 2), arrayStringConcat(groupArray(char(${Array(30).fill(0).join(',')}, intDiv(number, 256), number % 256))), ` +
      "unhex(leftPad(hex(toUInt64(i * 256)), 64, '0')) FROM (SELECT number FROM numbers(768) ORDER BY number) GROUP BY i",
  );
});
afterAll(() => store.close());

const read = async (level: number, index: number) =>
  (await readTiles(store.engine, key, [{ level, index }])).get(`${level}/${index}`)?.toString('hex');

describe('tiles', () => {
  it('are read whole, and the last one is put together from the records, zero bytes at the end of a hash included', async () => {
    expect(await read(0, 1)).toBe(hashes(256, 512));
    expect(await read(0, 3)).toBe(hashes(768, 1000));
  });

  it('of a higher level are the roots of the full tiles below', async () => {
    expect(await read(1, 0)).toBe(hash(0) + hash(256) + hash(512));
  });

  it('say how many leaves stand before an offset, whether it is taken or not', async () => {
    const standing = (offset: bigint) => leavesBefore(store.engine, key, offset);
    expect([await standing(0n), await standing(1n), await standing(511n), await standing(512n)]).toEqual([
      0, 1, 256, 256,
    ]);
    expect([await standing(1_400n), await standing(1_998n), await standing(9_999n)]).toEqual([
      700, 999, 1000,
    ]);
  });
});
