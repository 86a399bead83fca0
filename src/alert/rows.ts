import type { Clock } from '../core/clock.ts';
import type { DeliveryLog, DeliveryRow } from '../core/delivery.ts';
import { blankRow, isWaiting } from './log.ts';

/** Where every (key, channel) stands: the log's newest lines in memory. A line counts once it is durable. */
export interface DeliveryRows {
  load(): Promise<void>;
  /** Makes sure that what was ever told about these keys is known, also when it is older than memory. */
  recall(keys: readonly string[]): Promise<void>;
  get(key: string, channel: string): DeliveryRow | undefined;
  of(channel: string): readonly DeliveryRow[];
  all(): readonly DeliveryRow[];
  /** Writes the next line of each; @throws what the log throws, and then nothing has changed here. */
  write(changes: readonly RowChange[]): Promise<void>;
  waiting(): number;
}

export type RowChange = Pick<DeliveryRow, 'key' | 'channel' | 'rule'> & Partial<DeliveryRow>;

/** Longer than any repeat or weekend; what is older is looked up when it is offered again. */
const rememberMs = 7 * 86_400_000;

export function createDeliveryRows(log: DeliveryLog, clock: Clock): DeliveryRows {
  const rows = new Map<string, DeliveryRow>();
  const known = new Set<string>();
  const nameOf = (r: Pick<DeliveryRow, 'key' | 'channel'>) => `${r.channel}\0${r.key}`;
  return {
    async load() {
      for (const row of await log.newest(clock.now() - rememberMs)) {
        rows.set(nameOf(row), row);
        known.add(row.key);
      }
    },
    async recall(keys) {
      const unknown = keys.filter((key) => !known.has(key));
      if (unknown.length === 0) return;
      for (const row of await log.lookUp(unknown)) rows.set(nameOf(row), row);
      for (const key of unknown) known.add(key);
    },
    get: (key, channel) => rows.get(nameOf({ key, channel })),
    of: (channel) => [...rows.values()].filter((r) => r.channel === channel),
    all: () => [...rows.values()],
    async write(changes) {
      if (changes.length === 0) return;
      const at = clock.now();
      const next = changes.map((change) => {
        const before = rows.get(nameOf(change)) ?? blankRow(change.key, change.channel, change.rule);
        return { ...before, ...change, at, seq: before.seq + 1 };
      });
      await log.append(next);
      for (const row of next) rows.set(nameOf(row), row);
      for (const [name, row] of rows) {
        if (row.at >= at - rememberMs || isWaiting(row)) continue;
        rows.delete(name);
        known.delete(row.key);
      }
    },
    waiting: () => [...rows.values()].filter(isWaiting).length,
  };
}
