import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openEmbedded } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';

/** A field of the record's JSON by its path. */
const field = (...path: string[]) => `JSONExtractString(raw, ${path.map((p) => `'${p}'`).join(', ')})`;
const list = (...path: string[]) =>
  `JSONExtract(raw, ${path.map((p) => `'${p}'`).join(', ')}, 'Array(String)')`;

/** The columns that `naive` fills from a record, by the engine's own JSON functions. */
// biome-ignore format: one column a line
const columns: Readonly<Record<string, string>> = {
  stream: "concat('main.', _topic)", partition: 'toUInt32(_partition)', offset: '_offset',
  ingested_at: 'now64(3)', time: `parseDateTime64BestEffortOrZero(${field('time')}, 9, 'UTC')`,
  source: "'vault'", format: "'json'", source_uid: field('request', 'id'),
  dup_key: `concat(${field('request', 'id')}, '/', ${field('type')})`,
  phase: `if(${field('type')} = 'response', 'final', 'attempt')`, request_id: field('request', 'id'),
  operation: field('request', 'operation'), action: field('request', 'operation'),
  outcome: `multiIf(position(${field('error')}, 'permission denied') > 0, 'denied', ${field('error')} != '', 'error', 'allowed')`,
  outcome_reason: field('error'), actor_id: field('auth', 'entity_id'), actor_name: field('auth', 'display_name'),
  actor_role: field('auth', 'metadata', 'role_name'), actor_policies: list('auth', 'policies'),
  session_id: field('auth', 'accessor'), src_ip: `toIPv6OrDefault(${field('request', 'remote_address')})`,
  object_id: `concat('vault:main/', ${field('request', 'path')})`, object_mount: field('request', 'mount_point'),
  object_mount_type: field('request', 'mount_type'), token_ttl: "JSONExtractUInt(raw, 'auth', 'token_ttl')",
  client_id: field('request', 'client_id'), record_bytes: 'length(raw)', raw: 'raw',
};

/**
 * What ClickHouse does alone: its own Kafka engine and a materialised view fill the same table, the record's text
 * included, in the same embedded engine. No ledger, rules or redaction, and at-least-once.
 */
export async function openKafkaEngine(
  dataDir: string,
  brokers: readonly string[],
  topic: string,
  batch: number,
) {
  const engine = await openEmbedded(join(dataDir, 'store'));
  await migrate(engine);
  await engine.command('ALTER TABLE kw.events ADD COLUMN raw String');
  await engine.command(
    `CREATE TABLE kw.queue (raw String) ENGINE = Kafka SETTINGS kafka_broker_list = '${brokers.join(',')}', ` +
      `kafka_topic_list = '${topic}', kafka_group_name = 'engine-${process.pid}', kafka_format = 'RawBLOB', ` +
      `kafka_num_consumers = 1, kafka_max_block_size = ${batch}, kafka_flush_interval_ms = 200, kafka_poll_timeout_ms = 100`,
  );
  const count = async () => Number((await engine.rows('SELECT count() AS n FROM kw.events'))[0]?.n);
  return {
    /** Reading begins with the view; resolves when the table holds `total` rows. */
    async consume(total: number): Promise<void> {
      const selected = Object.entries(columns).map(([name, sql]) => `${sql} AS \`${name}\``);
      const names = Object.keys(columns).map((name) => `\`${name}\``);
      await engine.command(
        `CREATE MATERIALIZED VIEW kw.queue_view TO kw.events (${names.map((n) => `${n}`).join(', ')}) AS SELECT ${selected.join(', ')} FROM kw.queue`,
      );
      while ((await count()) < total) await sleep(20);
    },
    count,
    async close() {
      await engine.command('DROP TABLE kw.queue_view SETTINGS max_table_size_to_drop = 0');
      await engine.command('DROP TABLE kw.queue SETTINGS max_table_size_to_drop = 0');
      await engine.close();
    },
  };
}
