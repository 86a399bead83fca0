import { type StreamKey, streamKeyText } from '../core/record.ts';
import type { TreeExtent } from '../ledger/ledgerOptions.ts';
import { parseMeta } from '../ledger/meta.ts';
import type { StoredLeaf } from '../ledger/ports.ts';
import { parseRetention } from '../ledger/retention.ts';
import type { Engine } from '../store/client.ts';
import { metaLeavesOfKind } from '../store/ledgerStore.ts';
import { readTiles } from '../store/tileStore.ts';

export interface ExpiredEnds {
  trees(): readonly StreamKey[];
  extent(key: StreamKey): Pick<TreeExtent, 'end'>;
  refresh(): Promise<void>;
}

/** Ends of trees whose records were lawfully dropped, from the log: who stores on must not begin them again. */
export function endsOfExpired(engine: Engine): ExpiredEnds {
  let ends = new Map<string, StoredLeaf & { readonly key: StreamKey }>();
  return {
    trees: () => [...ends.values()].map((e) => e.key),
    extent: (key) => ({ end: ends.get(streamKeyText(key)) }),
    async refresh() {
      const found = new Map<string, StoredLeaf & { readonly key: StreamKey }>();
      for (const { text } of await metaLeavesOfKind(engine, 'retention')) {
        const leaf = parseMeta(text);
        const range = leaf && parseRetention(leaf);
        const key = range && keyOf(range.tree);
        if (range === undefined || key === undefined) continue;
        const at = range.from + range.count - 1;
        const index = Math.floor(at / 256);
        const hashes = (await readTiles(engine, key, [{ level: 0, index }])).get(`0/${index}`);
        const hash = hashes?.subarray((at % 256) * 32, (at % 256) * 32 + 32);
        // A hold may have kept an older month longer than a newer one.
        const isNewer = range.last > (found.get(range.tree)?.offset ?? -1n);
        if (isNewer && hash?.length === 32) found.set(range.tree, { key, offset: range.last, leaf: hash });
      }
      ends = found;
    },
  };
}

function keyOf(tree: string): StreamKey | undefined {
  const [, stream, partition, epoch] = /^(.+)\/(\d+)\/(\d+)$/.exec(tree) ?? [];
  return stream === undefined ? undefined : { stream, partition: Number(partition), epoch: Number(epoch) };
}
