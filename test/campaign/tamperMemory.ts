import { hash } from 'node:crypto';
import { metaTree, type StreamKey, streamKeyText } from '../../src/core/record.ts';
import type { AuditStore, MetaLeafRow } from '../../src/ledger/audit/auditStore.ts';
import { tableOf, writePart } from '../../src/ledger/audit/reading.ts';
import { RowSum } from '../../src/ledger/audit/rowSum.ts';
import { leafHashOfText } from '../../src/ledger/leaf.ts';
import { tileName } from '../../src/ledger/tiles.ts';
import { type DerivedTotals, sumModulus, tableSalt } from '../../src/store/derivedRows.ts';
import type { RecordPage } from '../../src/store/recordPages.ts';
import { RowBinaryWriter } from '../../src/store/rowBinary.ts';
import { flagNullKey, flagNullValue } from '../../src/store/tables.ts';
import type { World, WorldPart, WorldRecord, WorldTile } from './tamperWorld.ts';

const isOf = (key: StreamKey) => (at: StreamKey) =>
  at.stream === key.stream && at.partition === key.partition && at.epoch === key.epoch;
const byOffset = (a: { readonly offset: bigint }, b: { readonly offset: bigint }) =>
  a.offset < b.offset ? -1 : a.offset > b.offset ? 1 : 0;
/** Small, so that a tree has several. */
const rowsPerPage = 256;
const none = Buffer.alloc(0);

/** What `verify` reads, from a world in memory: the same rows in the same order as from the engine. */
export function memoryAuditStore(world: World): AuditStore {
  const meta = world.meta.toSorted((a, b) => a.index - b.index);
  const recordsOf = (key: StreamKey) =>
    world.records.filter((r) => isOf(key)(r.record)).toSorted((a, b) => byOffset(a.record, b.record));
  const partsOf = (key: StreamKey, after = -1n) =>
    world.parts
      .filter((p) => isOf(key)(p) && p.offset > after)
      .toSorted((a, b) => byOffset(a, b) || a.idx - b.idx);
  const tilesOf = (key: StreamKey) => world.tiles.filter(isOf(key));
  return {
    async *checkpoints() {
      yield world.checkpoints.toSorted((a, b) =>
        a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : a.size - b.size,
      );
    },
    keyLeaves: async () => meta.filter((m) => m.kind === 'key' || m.index === 0),
    async *metaLeaves(from) {
      yield meta.filter((m) => m.index >= from);
    },
    metaLeavesBelow: async (kinds, below) => meta.filter((m) => kinds.includes(m.kind) && m.index < below),
    metaLeavesAt: async (indexes) => meta.filter((m) => indexes.includes(m.index)),
    lastListings: async (from, below) => listings(meta.filter((m) => m.index >= from && m.index < below)),
    foreignColumns: async () => [],
    async positions() {
      const trees = new Map<string, WorldRecord[]>();
      for (const r of world.records) {
        const name = streamKeyText(r.record);
        trees.set(name, [...(trees.get(name) ?? []), r]);
      }
      return [...trees.values()].map((rows) => {
        const { stream, partition, epoch } = (rows[0] as WorldRecord).record;
        const offset = newest(rows.map((r) => r.record));
        return { stream, partition, epoch, offset, count: rows.length };
      });
    },
    async *records(key, after, to = (1n << 64n) - 1n) {
      const rows = recordsOf(key).filter((r) => r.record.offset > after && r.record.offset <= to);
      for (let i = 0; i < rows.length; i += rowsPerPage) yield pageOf(rows.slice(i, i + rowsPerPage));
    },
    nthBehind: async (key, after, n) =>
      recordsOf(key).filter((r) => r.record.offset > after)[n - 1]?.record.offset,
    countRecords: async (key, first, last) =>
      recordsOf(key).filter((r) => r.record.offset >= first && r.record.offset <= last).length,
    async leafTiles(key, first, last) {
      const found = new Map<number, Buffer>();
      for (const t of tilesOf(key).toSorted((a, b) => a.hashes.length - b.hashes.length)) {
        if (t.level === 0 && t.index >= first && t.index <= last) found.set(t.index, t.hashes);
      }
      return found;
    },
    async *tileDigests(key, from) {
      for (const t of tilesOf(key).toSorted((a, b) => a.level - b.level || a.index - b.index)) {
        if ((t.index + 1) * 256 ** (t.level + 1) <= from) continue;
        const { level, index, last, root, hashes } = t;
        yield {
          level,
          index,
          last,
          root,
          width: hashes.length / 32,
          digest: hash('sha256', hashes, 'buffer'),
        };
      }
    },
    readTiles: async (key, at) =>
      new Map(at.map((tile) => [tileName(tile), tileHashes(key, tile, world, tilesOf(key), recordsOf(key))])),
    async derivedTotals(salt, behind) {
      const keys = behind ?? [
        ...new Map(world.parts.map((p) => [streamKeyText(p), { ...keyOf(p), after: -1n }])).values(),
      ];
      return keys.map((key) => totalsOf(key, partsOf(key, key.after), salt));
    },
    async bucketSums(tree, { shift, last }, salt) {
      const sums = new Map<bigint, bigint>();
      for (const part of partsOf(tree, tree.after)) {
        const at = part.offset >> BigInt(shift);
        const bucket = at > last ? last + 1n : at;
        sums.set(bucket, ((sums.get(bucket) ?? 0n) + sumOf([part], salt)) % sumModulus);
      }
      return sums;
    },
    async *derivedBetween(table, key, first, last) {
      for (const part of partsOf(key)) {
        if (tableOf(part.part) !== table || part.offset < first || part.offset > last) continue;
        yield { offset: part.offset, idx: part.idx, bytes: bytesOf(part) };
      }
    },
  };
}

function newest(all: readonly { readonly offset: bigint }[]): bigint {
  return all.toSorted(byOffset).at(-1)?.offset ?? -1n;
}

function keyOf({ stream, partition, epoch }: StreamKey): StreamKey {
  return { stream, partition, epoch };
}

function listings(rows: readonly MetaLeafRow[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const { index, text } of rows) {
    for (const m of text.toString().matchAll(/\nstream (\S+) /g)) found.set(m[1] as string, index);
  }
  return found;
}

function pageOf(rows: readonly WorldRecord[]): RecordPage {
  const out = new RowBinaryWriter(1 << 16);
  let lastRow = 0;
  for (const { record, leaf, ingestedAt, sealed } of rows) {
    lastRow = out.bytes().length;
    out.u64(record.offset);
    out.i64(BigInt(record.timestamp));
    out.i64(BigInt(ingestedAt));
    out.u8((record.key === null ? flagNullKey : 0) | (record.value === null ? flagNullValue : 0));
    out.u8(sealed);
    out.fixed(leaf);
    out.binary(record.key ?? none);
    out.length(record.headers.length);
    for (const [name, value] of record.headers) {
      out.binary(name);
      out.binary(value);
    }
    out.binary(record.value ?? none);
  }
  return { bytes: Buffer.from(out.bytes()), rows: rows.length, lastRow };
}

function tileHashes(
  key: StreamKey,
  at: { readonly level: number; readonly index: number },
  world: World,
  tiles: readonly WorldTile[],
  records: readonly WorldRecord[],
): Buffer {
  const stored = tiles
    .filter((t) => t.level === at.level && t.index === at.index)
    .toSorted((a, b) => b.hashes.length - a.hashes.length)[0]?.hashes;
  if (stored?.length === 8_192) return stored;
  if (at.level > 0) {
    const below = tiles.filter((t) => t.level === at.level - 1 && Math.floor(t.index / 256) === at.index);
    return Buffer.concat(below.filter((t) => t.hashes.length === 8_192).map((t) => t.root));
  }
  const before = tiles
    .filter((t) => t.level === 0 && t.index <= at.index && t.index >= at.index - 1)
    .toSorted((a, b) => b.index - a.index || b.hashes.length - a.hashes.length)[0];
  const after = before?.last ?? -1n;
  const rest =
    key.stream === metaTree.stream
      ? world.meta.filter((m) => BigInt(m.index) > after).map((m) => leafHashOfText(m.text))
      : records.filter((r) => r.record.offset > after).map((r) => r.leaf);
  const head = before?.index === at.index ? before.hashes : none;
  return Buffer.concat([head, ...rest]).subarray(0, 8_192);
}

function bytesOf({ offset, idx, part }: WorldPart): Buffer {
  const out = new RowBinaryWriter(1 << 10);
  writePart(out, offset, idx, part);
  return Buffer.from(out.bytes());
}

function sumOf(parts: readonly WorldPart[], salt: Buffer): bigint {
  const sum = new RowSum();
  for (const part of parts) {
    sum.add(hash('sha256', Buffer.concat([tableSalt(salt, tableOf(part.part)), bytesOf(part)]), 'buffer'));
  }
  return sum.value();
}

function totalsOf(key: StreamKey, parts: readonly WorldPart[], salt: Buffer): DerivedTotals {
  const events = parts.filter((p) => p.part.kind === 'ok');
  return {
    ...keyOf(key),
    events: events.length,
    setAside: parts.length - events.length,
    mark: newest(events),
    sum: sumOf(parts, salt),
    adapters: [{ source: 'vault', adapter: 1 }],
  };
}
