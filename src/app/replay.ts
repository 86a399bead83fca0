import { type StreamKey, streamKeyText } from '../core/record.ts';
import type { Stretch, TopicReader } from '../intake/kafkaReplay.ts';
import type { Watermarks } from '../intake/resume.ts';
import { parseStreamOrigin } from '../ledger/checkpoint.ts';
import { parseMeta } from '../ledger/meta.ts';
import { type ExpiredRange, parseRetention } from '../ledger/retention.ts';
import { parseBinding } from '../ledger/settings.ts';
import type { Engine } from '../store/client.ts';
import { metaLeavesOfKind, openLedgerStore } from '../store/ledgerStore.ts';
import { type Position, storedPositions } from '../store/positions.ts';
import { type ComparisonResult, compareTree } from './replayCompare.ts';

/** What a tree's topic says of it. */
export interface ReplayedTree extends StreamKey {
  /**
   * `same`: the topic gives the same root. `differs`, `lost`, `extra`: from `offset` on it does not. `past`: an older
   * epoch, of a topic that is no more. `gone`: there is no such topic or partition now. `other`: of another cluster.
   */
  readonly status: ComparisonResult['status'] | 'past' | 'gone' | 'other';
  readonly offset?: bigint;
  readonly detail: string;
  readonly replayed: number;
  readonly kept: number;
  /** Base64, of the tree that the topic gives; '' when there is nothing to read. */
  readonly root: string;
}

export interface ReplayOptions {
  readonly engine: Engine;
  readonly logId: string;
  /** Its name in stream names. */
  readonly cluster: string;
  readonly reader: TopicReader;
  readonly onProgress?: (records: number) => void;
}

/** Partitions that are compared at once: a page of leaves of each is held. */
const treesAtOnce = 16;
/** Retention may run while we read: what it took meanwhile is read as deleted. */
const attemptsMax = 3;

/**
 * Reads every Kafka stream's topic again, from what it still has to where the store ends, and compares the root that
 * follows with the ledger's: equal means that nothing was lost, doubled or changed.
 */
export async function replayTopics(options: ReplayOptions): Promise<ReplayedTree[]> {
  const { engine, cluster, reader } = options;
  const ledger = await ledgerFacts(engine, options.logId);
  const positions = (await storedPositions(engine)).filter((p) => ledger.kafkaTrees.has(streamKeyText(p)));
  const out: ReplayedTree[] = [];
  const byTopic = new Map<string, Position[]>();
  for (const position of positions) {
    const isNewest = positions.every(
      (p) => p.stream !== position.stream || p.partition !== position.partition || p.epoch <= position.epoch,
    );
    if (!position.stream.startsWith(`${cluster}.`)) out.push(unread(position, 'other'));
    else if (!isNewest) out.push(unread(position, 'past'));
    else byTopic.set(position.stream, [...(byTopic.get(position.stream) ?? []), position]);
  }
  for (const [stream, trees] of byTopic) {
    const topic = stream.slice(cluster.length + 1);
    const marks = await reader.watermarks(topic);
    const isCompacted = marks !== undefined && (await reader.isCompacted(topic));
    const there = trees.filter((t) => marks?.has(t.partition));
    out.push(...trees.filter((t) => !there.includes(t)).map((t) => unread(t, 'gone')));
    for (let i = 0; i < there.length; i += treesAtOnce) {
      const group = there.slice(i, i + treesAtOnce);
      out.push(...(await replayGroup(options, { topic, isCompacted, ledger }, group)));
    }
  }
  return out.sort((a, b) => (streamKeyText(a) < streamKeyText(b) ? -1 : 1));
}

interface LedgerFacts {
  readonly kafkaTrees: ReadonlySet<string>;
  readonly expired: ReadonlyMap<string, readonly ExpiredRange[]>;
  readonly signed: ReadonlyMap<string, { readonly size: number; readonly root: Buffer }>;
}

/** From the meta-log, which is signed: how streams arrived, and what was lawfully dropped. */
async function ledgerFacts(engine: Engine, logId: string): Promise<LedgerFacts> {
  const leavesOf = async (kind: string) =>
    (await metaLeavesOfKind(engine, kind)).flatMap((row) => parseMeta(row.text) ?? []);
  const bindings = (await leavesOf('settings')).flatMap((leaf) => parseBinding(leaf) ?? []);
  const expired = new Map<string, ExpiredRange[]>();
  for (const leaf of await leavesOf('retention')) {
    const range = parseRetention(leaf);
    if (range !== undefined) expired.set(range.tree, [...(expired.get(range.tree) ?? []), range]);
  }
  const signed = (await openLedgerStore(engine).lastCheckpoints()).flatMap(({ origin, size, root }) => {
    const key = parseStreamOrigin(origin);
    return key?.logId === logId ? [[streamKeyText(key), { size, root }] as const] : [];
  });
  return {
    kafkaTrees: new Set(bindings.filter((b) => b.transport === 'kafka').map((b) => b.tree)),
    expired,
    signed: new Map(signed),
  };
}

interface TopicFacts {
  readonly topic: string;
  readonly isCompacted: boolean;
  readonly ledger: LedgerFacts;
}

async function replayGroup(
  options: ReplayOptions,
  facts: TopicFacts,
  trees: readonly Position[],
): Promise<ReplayedTree[]> {
  const done: ReplayedTree[] = [];
  let open = trees;
  for (let attempt = 1; open.length > 0; attempt++) {
    const marks = await options.reader.watermarks(facts.topic);
    const compared = await compareGroup(options, facts, open, marks ?? new Map());
    const now = await options.reader.watermarks(facts.topic);
    const isOvertaken = ({ status, offset, partition }: ReplayedTree) =>
      status === 'extra' && offset !== undefined && offset < (now?.get(partition)?.low ?? 0n);
    const again = attempt < attemptsMax ? compared.filter(isOvertaken) : [];
    done.push(...compared.filter((tree) => !again.includes(tree)));
    open = open.filter((tree) => again.some((a) => a.partition === tree.partition));
  }
  return done;
}

async function compareGroup(
  { engine, reader, onProgress }: ReplayOptions,
  { topic, isCompacted, ledger }: TopicFacts,
  trees: readonly Position[],
  marks: ReadonlyMap<number, Watermarks>,
): Promise<ReplayedTree[]> {
  const store = openLedgerStore(engine);
  const comparisons = new Map<number, ReturnType<typeof compareTree>>();
  const stretches: Stretch[] = [];
  for (const { stream, partition, epoch, offset: last } of trees) {
    const key = { stream, partition, epoch };
    const name = streamKeyText(key);
    const { low, high } = marks.get(partition) ?? { low: last + 1n, high: 0n };
    const expired = ledger.expired.get(name) ?? [];
    const isExpired = (offset: bigint) => expired.some((r) => offset >= r.first && offset <= r.last);
    const comparison = compareTree({
      key,
      stored: store.leaves(key, expired),
      last,
      isKept: (offset) => offset < low || isExpired(offset),
      mayLack: isCompacted,
      signed: ledger.signed.get(name),
    });
    comparisons.set(partition, comparison);
    stretches.push({ partition, next: low, last: last < high ? last : high - 1n });
  }
  await reader.read(topic, stretches, async (partition, records) => {
    await comparisons.get(partition)?.take(records);
    onProgress?.(records.length);
  });
  const out: ReplayedTree[] = [];
  for (const { stream, partition, epoch } of trees) {
    const result = await comparisons.get(partition)?.end();
    if (result === undefined) continue;
    const { offset, root, ...rest } = result;
    const at = offset === undefined ? {} : { offset };
    out.push({ stream, partition, epoch, ...rest, ...at, root: root.toString('base64') });
  }
  return out;
}

const unreadDetails = {
  past: 'an older epoch: the topic that held it is no more',
  gone: 'there is no such topic or partition now, or it may not be described',
  other: 'of another cluster than the configuration’s',
} as const;

function unread({ stream, partition, epoch }: StreamKey, status: keyof typeof unreadDetails): ReplayedTree {
  return {
    stream,
    partition,
    epoch,
    status,
    detail: unreadDetails[status],
    replayed: 0,
    kept: 0,
    root: '',
  };
}
