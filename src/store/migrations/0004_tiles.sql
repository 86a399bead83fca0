-- Leaf hashes apart from the bytes: 256-wide tiles (C2SP tlog-tiles) of every tree and level, written as they fill.
-- The meta tree is the tree of the stream ''. `last` is the offset of the last record a tile covers. Retention drops
-- records and never these; a tile narrower than 256 is written by retention only, for the end of what it drops.
CREATE TABLE IF NOT EXISTS kw.tiles (
  stream LowCardinality(String), partition UInt32, epoch UInt32, level UInt8, `index` UInt64,
  last UInt64, hashes String CODEC(NONE), root FixedString(32) CODEC(NONE)
) ENGINE = MergeTree ORDER BY (stream, partition, epoch, level, `index`)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000, index_granularity = 64;
