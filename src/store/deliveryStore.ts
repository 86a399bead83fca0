import type { DeliveryLog, DeliveryRow, DeliveryState } from '../core/delivery.ts';
import type { MessageChange } from '../core/notifier.ts';
import type { Level } from '../core/signal.ts';
import type { Engine } from './client.ts';
import { type Column, millis, text, u32 } from './columns.ts';
import { writeRows } from './writer.ts';

// biome-ignore format: one column a line, in the table's order
export const deliveryColumns: readonly Column<DeliveryRow>[] = [
  text('key', (r) => r.key), text('channel', (r) => r.channel), u32('seq', (r) => r.seq), millis('at', (r) => r.at),
  text('state', (r) => r.state), text('reason', (r) => r.reason), text('rule', (r) => r.rule), text('change', (r) => r.change),
  u32('attempts', (r) => r.attempts), millis('next_at', (r) => r.nextAt), millis('ambiguous_since', (r) => r.ambiguousSince),
  millis('told_at', (r) => r.toldAt), text('told_level', (r) => r.toldLevel), text('told_revision', (r) => r.toldRevision),
  text('ref', (r) => r.ref), text('rollup', (r) => r.rollup),
];

const selectSql =
  'SELECT key, channel, seq, toUnixTimestamp64Milli(at) AS at_ms, state, reason, rule, change, attempts, ' +
  'toUnixTimestamp64Milli(next_at) AS next_ms, toUnixTimestamp64Milli(ambiguous_since) AS ambiguous_ms, ' +
  'toUnixTimestamp64Milli(told_at) AS told_ms, told_level, told_revision, ref, rollup FROM ';

const newestSql = (where: string) =>
  `${selectSql} (SELECT * FROM kw.deliveries ${where} ORDER BY channel, key, seq DESC LIMIT 1 BY channel, key) `;

const waitingOrSince = "WHERE state IN ('pending', 'sending') OR toUnixTimestamp64Milli(at) >= {since:Int64}";

/** The delivery log in the store: durable when `append` returns. */
export function openDeliveryLog(engine: Engine): DeliveryLog & {
  /** Every line about one key, oldest first: what was sent, and why not. */
  history(key: string): Promise<readonly DeliveryRow[]>;
} {
  return {
    append: (rows) => writeRows(engine, 'kw.deliveries', deliveryColumns, rows),
    newest: async (since) => (await engine.rows(newestSql('') + waitingOrSince, { since })).map(deliveryRow),
    lookUp: async (keys) =>
      (await engine.rows(newestSql('WHERE key IN {keys:Array(String)}'), { keys })).map(deliveryRow),
    history: async (key) =>
      (
        await engine.rows(`${selectSql} kw.deliveries WHERE key = {key:String} ORDER BY at, channel, seq`, {
          key,
        })
      ).map(deliveryRow),
  };
}

function deliveryRow(r: Record<string, unknown>): DeliveryRow {
  return {
    key: String(r.key),
    channel: String(r.channel),
    seq: Number(r.seq),
    at: Number(r.at_ms),
    state: String(r.state) as DeliveryState,
    reason: String(r.reason),
    rule: String(r.rule),
    change: String(r.change) as MessageChange,
    attempts: Number(r.attempts),
    nextAt: Number(r.next_ms),
    ambiguousSince: Number(r.ambiguous_ms),
    toldAt: Number(r.told_ms),
    toldLevel: String(r.told_level) as Level,
    toldRevision: String(r.told_revision),
    ref: String(r.ref),
    rollup: String(r.rollup),
  };
}
