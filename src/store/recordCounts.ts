import { type StreamKey, streamKeyText } from '../core/record.ts';
import type { Engine } from './client.ts';
import { storedPositions } from './positions.ts';

export interface CountedTree extends StreamKey {
  readonly count: number;
}

/** A merge may end between two questions; a table that never stands still is counted whole. */
const attemptsMax = 3;

/**
 * Records of each tree, counted anew only where something changed: a part never changes under its name, and whatever
 * deletes, inserts, mutates or merges makes parts of other names. What stays is the number of rows of every part,
 * which the engine knows without reading, whatever the size of the store. Bytes that somebody exchanges within the
 * files of a part are not seen here; `verify` reads them.
 */
export function recordCounts(engine: Engine): () => Promise<readonly CountedTree[]> {
  let known = new Map<string, readonly CountedTree[]>();
  return async () => {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const parts = await activeParts(engine);
      const counted = await countParts(
        engine,
        [...parts.keys()].filter((part) => !known.has(part)),
      );
      const all = new Map(
        [...parts.keys()].map((part) => [part, known.get(part) ?? counted.get(part) ?? []]),
      );
      const isWhole = [...parts].every(([part, rows]) => rows === sumOf(all.get(part) ?? []));
      if (!isWhole) {
        known = new Map();
        continue;
      }
      known = all;
      return totals([...all.values()].flat());
    }
    return storedPositions(engine);
  };
}

/** Rows that are visible in each part. */
async function activeParts(engine: Engine): Promise<Map<string, number>> {
  const rows = await engine.rows('SELECT _part AS part, count() AS n FROM kw.records GROUP BY part');
  return new Map(rows.map((r) => [String(r.part), Number(r.n)]));
}

async function countParts(
  engine: Engine,
  parts: readonly string[],
): Promise<Map<string, readonly CountedTree[]>> {
  const counted = new Map<string, CountedTree[]>();
  if (parts.length === 0) return counted;
  const rows = await engine.rows(
    'SELECT _part AS part, stream, partition, epoch, count() AS n FROM kw.records WHERE _part IN ({parts:Array(String)}) ' +
      'GROUP BY part, stream, partition, epoch',
    { parts },
  );
  for (const r of rows) {
    const list = counted.get(String(r.part)) ?? [];
    counted.set(String(r.part), list);
    const { stream, partition, epoch } = r;
    list.push({
      stream: String(stream),
      partition: Number(partition),
      epoch: Number(epoch),
      count: Number(r.n),
    });
  }
  return counted;
}

function sumOf(trees: readonly CountedTree[]): number {
  return trees.reduce((sum, { count }) => sum + count, 0);
}

function totals(trees: readonly CountedTree[]): CountedTree[] {
  const sums = new Map<string, CountedTree>();
  for (const tree of trees) {
    const name = streamKeyText(tree);
    sums.set(name, { ...tree, count: tree.count + (sums.get(name)?.count ?? 0) });
  }
  return [...sums.values()];
}
