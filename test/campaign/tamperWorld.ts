import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { type KwRecord, metaTree, type StreamKey, streamKeyText } from '../../src/core/record.ts';
import { partsOf } from '../../src/ledger/audit/reading.ts';
import { erasureLines } from '../../src/ledger/erasure.ts';
import { holdLines } from '../../src/ledger/hold.ts';
import type { LedgerKeys, LogIdentity, NextKey } from '../../src/ledger/keys.ts';
import { leafHash, leafHashOfText, type Transport } from '../../src/ledger/leaf.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { localSigner } from '../../src/ledger/note.ts';
import type { CheckpointRow, LedgerStore, MetaRow } from '../../src/ledger/ports.ts';
import { type ExpiredRange, retentionLines } from '../../src/ledger/retention.ts';
import { narrowTile, type Tile } from '../../src/ledger/tiles.ts';
import { loadSources, sourceNamed } from '../../src/sources/registry.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { keyOf, type Random, randomOf, sha, type ToyKey } from './toyBundle.ts';

/** A record as the store holds it. */
export interface WorldRecord {
  readonly record: KwRecord;
  readonly leaf: Buffer;
  readonly ingestedAt: number;
  readonly sealed: number;
}

/** A row of `events` (its fields) or of `set_aside`. */
export interface WorldPart extends StreamKey {
  readonly offset: bigint;
  readonly idx: number;
  readonly ingestedAt: number;
  readonly part: ReturnType<typeof partsOf>[number];
}

export type WorldTile = StreamKey & Tile;

/** A whole log: what the store holds, what the anchor remembers, and the keys that a thief could have. */
export interface World {
  readonly identity: LogIdentity;
  readonly keys: readonly ToyKey[];
  readonly transports: ReadonlyMap<string, Transport>;
  readonly now: number;
  readonly anchor: string;
  readonly meta: readonly MetaRow[];
  readonly checkpoints: readonly CheckpointRow[];
  readonly records: readonly WorldRecord[];
  readonly parts: readonly WorldPart[];
  readonly tiles: readonly WorldTile[];
  /** What went by law, if anything did. */
  readonly isExpired: boolean;
}

/** Real lines, and some that nothing can be read from. */
const lines = gunzipSync(readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')))
  .toString('utf8')
  .split('\n')
  .slice(0, 4_000);
const registry = await loadSources();
const reading = { source: sourceNamed(registry, 'vault'), settings: { ...defaultStreamSettings } };

/** Other bytes for one record, by tree and leaf index: the history somebody would have liked better. */
export interface Forgery {
  readonly tree: string;
  readonly index: number;
}

interface Building {
  readonly random: Random;
  readonly forged: Forgery | undefined;
  readonly anchorFile: string;
  readonly meta: MetaRow[];
  readonly checkpoints: CheckpointRow[];
  records: WorldRecord[];
  parts: WorldPart[];
  readonly tiles: WorldTile[];
  readonly ends: Map<string, { index: number; offset: bigint }>;
  readonly keys: ToyKey[];
  now: number;
  isExpired: boolean;
  line: number;
}

const streams: readonly (StreamKey & { readonly transport: Transport; readonly holes: number })[] = [
  { stream: 'main.audit', partition: 0, epoch: 0, transport: 'kafka', holes: 1 },
  { stream: 'main.audit', partition: 1, epoch: 0, transport: 'kafka', holes: 3 },
  { stream: 'audit.ndjson', partition: 0, epoch: 0, transport: 'file', holes: 1 },
];
const sittingsMax = 4;

/**
 * A log of several sittings by the ledger itself, over a store in memory: restarts in order and after a crash, a
 * clock set back, key rollovers, a month dropped and records erased, as the seed has it.
 */
export async function makeWorld(seed: number, anchorFile: string, forged?: Forgery): Promise<World> {
  const random = randomOf(seed);
  writeFileSync(anchorFile, '');
  const logId = (seed >>> 0).toString(16).padStart(16, '0');
  const building: Building = {
    random,
    forged,
    anchorFile,
    meta: [],
    checkpoints: [],
    records: [],
    parts: [],
    tiles: [],
    ends: new Map(),
    keys: [keyOf(`${seed} 0`)],
    now: Date.parse('2026-08-30T00:00:00Z'),
    isExpired: false,
    line: random(lines.length),
  };
  const sittings = 2 + random(sittingsMax - 1);
  for (let i = 0; i < sittings; i += 1) {
    await sit(building, logId, `${seed} ${i + 1}`, i === sittings - 1);
    building.now += random(2) === 0 ? 20 * 86_400_000 : 60_000;
    if (random(4) === 0) building.now -= 1_800_000;
  }
  const key = building.keys.at(-1) as ToyKey;
  return {
    identity: { logId, publicKey: key.publicKey },
    keys: building.keys,
    transports: new Map(streams.map((s) => [streamKeyText(s), s.transport])),
    now: building.now + 1_000,
    anchor: readFileSync(anchorFile, 'utf8'),
    meta: building.meta,
    checkpoints: building.checkpoints,
    records: building.records,
    parts: building.parts,
    tiles: building.tiles,
    isExpired: building.isExpired,
  };
}

async function sit(b: Building, logId: string, nextSeed: string, isLast: boolean): Promise<void> {
  const { random } = b;
  const ledger = await Ledger.open({
    store: memoryStore(b),
    keys: keysOf(logId, b.keys.at(-1) as ToyKey),
    anchorFile: b.anchorFile,
    clock: { now: () => b.now, sleep: async () => undefined },
  });
  await ledger.start();
  for (const stream of streams) {
    await ledger.bind(stream, {
      transport: stream.transport,
      source: 'vault',
      settings: { ...defaultStreamSettings },
    });
  }
  for (let beat = 2 + random(6); beat > 0; beat -= 1) {
    for (let flush = 1 + random(2); flush > 0; flush -= 1) take(b, ledger);
    b.now += 10_000;
    await ledger.heartbeat();
  }
  if (random(3) === 0) await rollOver(b, ledger, nextSeed);
  if (random(3) === 0) await erase(b, ledger);
  if (random(3) === 0) await expire(b, ledger);
  // The last word is an order: whether a silent log is stale is not what is tried here.
  if (isLast || random(3) > 0) await ledger.stop();
  else await ledger.abandon();
}

/** One flush: some records of one stream, stored, derived and in the tree. */
function take(b: Building, ledger: Ledger): void {
  const { random } = b;
  const stream = streams[random(streams.length)] as (typeof streams)[number];
  const name = streamKeyText(stream);
  const end = b.ends.get(name) ?? {
    index: 0,
    offset: stream.transport === 'file' ? 0n : BigInt(random(1_000)),
  };
  const leaves = [];
  for (let count = 5 + random(90); count > 0; count -= 1) {
    b.line = (b.line + 1) % lines.length;
    const { stream: topic, partition, epoch } = stream;
    const isForged = b.forged?.tree === name && b.forged.index === end.index;
    const value = bytesFor(b, stream.transport, isForged);
    const isKafka = stream.transport === 'kafka';
    const record: KwRecord = {
      ...{ stream: topic, partition, epoch, offset: end.offset },
      timestamp: isKafka ? b.now : 0,
      key: isKafka && random(3) === 0 ? Buffer.from(`k${random(9)}`) : null,
      headers: isKafka && random(9) === 0 ? [[Buffer.from('trace'), Buffer.from([0, 255])]] : [],
      value,
    };
    const leaf = leafHash(record, stream.transport);
    b.records.push({ record, leaf, ingestedAt: b.now, sealed: 0 });
    b.parts.push(...derivedOf(record, b.now));
    leaves.push({ offset: record.offset, leaf });
    end.index += 1;
    const length = BigInt(value?.length ?? 0) + 1n;
    end.offset += isKafka ? 1n + BigInt(random(stream.holes)) : length;
  }
  b.ends.set(name, end);
  ledger.extend(stream, leaves);
}

function bytesFor(b: Building, transport: Transport, isForged: boolean): Buffer | null {
  const kind = b.random(40);
  if (kind === 0 && transport === 'kafka') return isForged ? Buffer.from('{}') : null;
  const line = kind === 1 ? '{"broken":' : (lines[b.line] ?? '');
  // As long as before: in a file the offsets behind it stay.
  return Buffer.from(isForged ? line.replace(/.$/, '#') : line);
}

export function derivedOf(record: KwRecord, ingestedAt: number): WorldPart[] {
  const { stream, partition, epoch, offset } = record;
  return partsOf(record, reading, registry).map((part, idx) => ({
    ...{ stream, partition, epoch, offset, idx, ingestedAt, part },
  }));
}

const isOf = (key: StreamKey) => (at: StreamKey) =>
  at.stream === key.stream && at.partition === key.partition && at.epoch === key.epoch;

async function rollOver(b: Building, ledger: Ledger, seed: string): Promise<void> {
  const next = keyOf(seed);
  const taken: NextKey = {
    ...localSigner(next.privateKey),
    take: async () => void b.keys.push(next),
  };
  await ledger.rollover(taken);
}

async function erase(b: Building, ledger: Ledger): Promise<void> {
  await ledger.record(
    'hold',
    holdLines({ id: 'h', act: 'add', scope: { stream: 'other' }, by: 'Ada', reason: 'x' }),
  );
  await ledger.record('hold', holdLines({ id: 'h', act: 'release', scope: {}, by: 'Ada', reason: 'x' }));
  const at = b.random(b.records.length);
  const found = b.records[at] as WorldRecord;
  if (found.sealed !== 0) return;
  const { record, leaf } = found;
  const expired = ledger.extent(record).expired.reduce((n, r) => n + r.count, 0);
  const index = expired + b.records.filter((r) => isOf(record)(r.record)).indexOf(found);
  const act = { offset: record.offset, index, leaf, basis: 'GDPR 17', approvers: ['Ada', 'Grace'] };
  await ledger.record('erasure', erasureLines(record, act, 'ops'));
  await ledger.heartbeat();
  const empty = Buffer.alloc(0);
  const bytes = { key: record.key && empty, headers: [], value: record.value && empty };
  b.records = b.records.with(at, { ...found, record: { ...record, ...bytes }, sealed: 2 });
  b.parts = b.parts.filter((p) => !(isOf(record)(p) && p.offset === record.offset));
  b.isExpired = true;
}

/** Drops the oldest month of every tree that has records of it, if it is not this one. */
async function expire(b: Building, ledger: Ledger): Promise<void> {
  const monthOf = (ms: number) => new Date(ms).toISOString().slice(0, 7).replace('-', '');
  const month = monthOf(Math.min(...b.records.map((r) => r.ingestedAt)));
  if (month === monthOf(b.now)) return;
  for (const stream of streams) {
    const going = b.records.filter((r) => isOf(stream)(r.record) && monthOf(r.ingestedAt) === month);
    const [first, last] = [going[0], going.at(-1)];
    if (first === undefined || last === undefined) continue;
    const from = ledger.extent(stream).expired.reduce((n, r) => n + r.count, 0);
    const range: ExpiredRange = {
      ...{ tree: streamKeyText(stream), month, from, count: going.length, policy: 'keep 1m', holds: 0 },
      ...{ first: first.record.offset, last: last.record.offset, approvers: ['Ada', 'Grace'] },
      root: treeHash(going.map((r) => r.leaf)),
    };
    keepEdge(b, stream, range, going);
    await ledger.record('retention', retentionLines(range, 'ops'));
  }
  await ledger.heartbeat();
  b.records = b.records.filter((r) => monthOf(r.ingestedAt) !== month);
  b.parts = b.parts.filter((p) => monthOf(p.ingestedAt) !== month);
  b.isExpired = true;
}

/** The tile in which a dropped stretch ends is not full yet: its hashes up to there are kept. */
function keepEdge(b: Building, key: StreamKey, range: ExpiredRange, going: readonly WorldRecord[]): void {
  const end = range.from + range.count;
  if (end % 256 === 0) return;
  const index = Math.floor(end / 256);
  const kept = b.tiles
    .filter((t) => isOf(key)(t) && t.level === 0 && t.index === index)
    .map((t) => t.hashes)
    .toSorted((x, y) => y.length - x.length)[0];
  const before = kept?.subarray(0, Math.max(0, range.from - index * 256) * 32) ?? Buffer.alloc(0);
  const own = going.slice(Math.max(0, index * 256 - range.from)).map((r) => r.leaf);
  const { stream, partition, epoch } = key;
  b.tiles.push({
    stream,
    partition,
    epoch,
    ...narrowTile(index, Buffer.concat([before, ...own]), range.last),
  });
}

/** RFC 6962 section 2.1, as it is defined. */
export function treeHash(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0] as Buffer;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const both = [Buffer.from([1]), treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split))];
  return sha(...both);
}

function keysOf(logId: string, key: ToyKey): LedgerKeys {
  return {
    ...localSigner(key.privateKey),
    logId,
    isEncrypted: false,
    lost: undefined,
    waiting: () => undefined,
    next: () => Promise.reject(new Error('no other key is asked for here')),
  };
}

function memoryStore(b: Building): LedgerStore {
  const tilesOf = (key: StreamKey) => b.tiles.filter(isOf(key));
  const leafAt = (key: StreamKey) =>
    key.stream === metaTree.stream
      ? b.meta.map((m) => ({ offset: BigInt(m.index), leaf: leafHashOfText(m.text) }))
      : b.records.filter((r) => isOf(key)(r.record)).map((r) => ({ offset: r.record.offset, leaf: r.leaf }));
  return {
    trees: async () => streams.filter((s) => b.records.some((r) => isOf(s)(r.record))),
    async *leaves(key, expired) {
      const ranges = [...expired].sort((x, y) => x.from - y.from);
      for (const { from, count, last } of ranges) {
        yield Array.from({ length: count }, (_, i) => {
          const index = Math.floor((from + i) / 256);
          const hashes = tilesOf(key)
            .filter((t) => t.level === 0 && t.index === index)
            .toSorted((x, y) => y.hashes.length - x.hashes.length)[0]?.hashes as Buffer;
          const at = ((from + i) % 256) * 32;
          return { offset: last, leaf: hashes.subarray(at, at + 32) };
        });
      }
      yield leafAt(key);
    },
    fullTiles: async (key) =>
      new Set(tilesOf(key).flatMap((t) => (t.hashes.length === 8_192 ? [`${t.level}/${t.index}`] : []))),
    readTiles: async () => new Map(),
    appendTiles: async (rows) => void b.tiles.push(...rows),
    async *metaLeaves(from) {
      yield b.meta.filter((m) => m.index >= from);
    },
    appendMeta: async (rows) => void b.meta.push(...rows),
    saveCheckpoints: async (rows) => void b.checkpoints.push(...rows),
    async lastCheckpoints() {
      const newest = new Map<string, CheckpointRow>();
      for (const row of b.checkpoints) {
        if ((newest.get(row.origin)?.size ?? -1) <= row.size) newest.set(row.origin, row);
      }
      return [...newest.values()];
    },
  };
}
