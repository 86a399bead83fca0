-- The meta-log: what happened to the ledger itself, one leaf a row, in order.
CREATE TABLE IF NOT EXISTS kw.meta (
  `index` UInt64, kind LowCardinality(String), made_at DateTime64(3, 'UTC'), text String
) ENGINE = MergeTree ORDER BY `index`
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- Every checkpoint that was signed; the anchor file outside the store holds them too.
CREATE TABLE IF NOT EXISTS kw.checkpoints (
  origin LowCardinality(String), size UInt64, root FixedString(32), note String, made_at DateTime64(3, 'UTC')
) ENGINE = MergeTree ORDER BY (origin, size)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;
