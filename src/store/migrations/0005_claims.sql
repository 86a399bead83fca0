-- Which instance may write a partition: one row a claim, the highest writer counts. `writer` is the offset of the
-- claim's record in the control topic, plus `base` where that topic was made again. Looked at by every insert.
CREATE TABLE IF NOT EXISTS kw.claims (
  stream LowCardinality(String), partition UInt32, writer UInt64, base UInt64, instance String, claimed_at DateTime64(3, 'UTC')
) ENGINE = MergeTree ORDER BY (stream, partition, writer)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;
