-- Derived: what people are told, one row a version, the newest counts (read with FINAL).
-- `replaced_by` is the story an early alert turned out to belong to; `content` is the hash of what the row says.
CREATE TABLE IF NOT EXISTS kw.alerts (
  id String, version UInt32, content String,
  rule LowCardinality(String), title String, severity LowCardinality(String),
  first DateTime64(3, 'UTC'), last DateTime64(3, 'UTC'),
  entity String, identity LowCardinality(String), identity_name LowCardinality(String),
  secret String, secrets Array(String), src_ips Array(String), sessions Array(String), owner LowCardinality(String),
  requests Array(String), events Array(String), events_total UInt64,
  summary String, advice String, parts String,
  anchor_rule LowCardinality(String), anchor_signal String, anchor_time DateTime64(3, 'UTC'),
  replaced_by String, stored_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(version) ORDER BY id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- People's decisions about alerts: authoritative, only ever appended.
CREATE TABLE IF NOT EXISTS kw.alert_acts (
  alert String, at DateTime64(3, 'UTC'), state LowCardinality(String), by String, reason String
) ENGINE = MergeTree ORDER BY (alert, at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- What was sent to whom, when, why and why not: one row a step, the newest of (key, channel) says where it stands.
CREATE TABLE IF NOT EXISTS kw.deliveries (
  key String, channel LowCardinality(String), seq UInt32, at DateTime64(3, 'UTC'),
  state LowCardinality(String), reason String, rule LowCardinality(String), change LowCardinality(String),
  attempts UInt32, next_at DateTime64(3, 'UTC'), ambiguous_since DateTime64(3, 'UTC'),
  told_at DateTime64(3, 'UTC'), told_level LowCardinality(String), told_revision String, ref String, rollup String
) ENGINE = MergeTree ORDER BY (channel, key, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;
