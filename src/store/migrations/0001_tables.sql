-- Evidence: one row a record, its exact bytes, coordinates and leaf. Never rewritten.
CREATE TABLE IF NOT EXISTS kw.records (
  stream LowCardinality(String), partition UInt32, epoch UInt32,
  offset UInt64 CODEC(DoubleDelta, ZSTD(1)),
  kafka_ts DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  ingested_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  key String, headers Array(Tuple(String, String)),
  flags UInt8,
  value String, sealed UInt8, writer UInt64, leaf FixedString(32) CODEC(NONE)
) ENGINE = MergeTree PARTITION BY toYYYYMM(ingested_at)
ORDER BY (stream, partition, epoch, offset)
SETTINGS default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- Derived: one row an audit event, in the order people ask (source, hour, object, actor).
CREATE TABLE IF NOT EXISTS kw.events (
  stream LowCardinality(String), partition UInt32, epoch UInt32, offset UInt64 CODEC(DoubleDelta, ZSTD(1)), idx UInt32,
  ingested_at DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)), time_quality LowCardinality(String),
  source LowCardinality(String), format LowCardinality(String), adapter UInt16, logsource LowCardinality(String),
  source_uid String, dup_key String, phase LowCardinality(String), request_id String, correlation_ids Array(String),
  operation LowCardinality(String), action LowCardinality(String), outcome LowCardinality(String),
  outcome_code LowCardinality(String), outcome_reason LowCardinality(String),
  actor_id LowCardinality(String), actor_kind LowCardinality(String), actor_name LowCardinality(String), actor_role LowCardinality(String),
  actor_groups Array(LowCardinality(String)), actor_policies Array(LowCardinality(String)),
  acting_as LowCardinality(String), via LowCardinality(String), target_actor LowCardinality(String),
  session_id String, session_start DateTime64(3, 'UTC'),
  auth_method LowCardinality(String), auth_provider LowCardinality(String), auth_mfa LowCardinality(String),
  src_ip IPv6, src_host LowCardinality(String), user_agent LowCardinality(String), client_app LowCardinality(String),
  workload Map(LowCardinality(String), String),
  object_kind LowCardinality(String), object_id LowCardinality(String), object_version LowCardinality(String),
  object_store LowCardinality(String), object_account LowCardinality(String), object_region LowCardinality(String),
  objects Array(String), objects_total UInt32, lease_id String, exposed Array(String), flags Array(LowCardinality(String)),
  granted_by Array(LowCardinality(String)), object_mount LowCardinality(String), object_mount_type LowCardinality(String),
  token_ttl UInt32, client_id String, record_bytes UInt32,
  env LowCardinality(String), actor_env LowCardinality(String), owner LowCardinality(String), team LowCardinality(String),
  secret LowCardinality(String), identity LowCardinality(String), identity_kind LowCardinality(String),
  network LowCardinality(String), geo_country LowCardinality(String), asn UInt32,
  marks Array(LowCardinality(String)), catalog_version UInt32,
  hits Array(LowCardinality(String)), rules_version UInt32, writer UInt64,
  INDEX i_time time TYPE minmax, INDEX i_ing ingested_at TYPE minmax,
  INDEX b_obj object_id TYPE bloom_filter, INDEX b_objs objects TYPE bloom_filter,
  INDEX b_act actor_id TYPE bloom_filter, INDEX b_ses session_id TYPE bloom_filter,
  INDEX b_ip src_ip TYPE bloom_filter, INDEX b_dup dup_key TYPE bloom_filter
) ENGINE = MergeTree PARTITION BY toYYYYMM(ingested_at)
ORDER BY (source, toStartOfHour(time), object_id, actor_id, stream, partition, offset, idx)
SETTINGS default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- Derived: what became of every part that is no event. Nothing is unaccounted.
CREATE TABLE IF NOT EXISTS kw.set_aside (
  stream LowCardinality(String), partition UInt32, epoch UInt32, offset UInt64, idx UInt32,
  ingested_at DateTime64(3, 'UTC'),
  outcome LowCardinality(String), reason LowCardinality(String), detail String, writer UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(ingested_at)
ORDER BY (stream, partition, epoch, offset, idx)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- Derived: how a session came to be. Replacing is lawful here: rows are rebuilt from records at will.
CREATE TABLE IF NOT EXISTS kw.sessions (
  source LowCardinality(String), object_store LowCardinality(String), session_id String,
  issued_at DateTime64(3, 'UTC'), until DateTime64(3, 'UTC'),
  issued_by LowCardinality(String), identity LowCardinality(String), identity_kind LowCardinality(String),
  auth_method LowCardinality(String), auth_provider LowCardinality(String), auth_mfa LowCardinality(String),
  src_ip IPv6, network LowCardinality(String), parent_session String, dup_key String,
  stream LowCardinality(String), partition UInt32, epoch UInt32, offset UInt64, idx UInt32
) ENGINE = ReplacingMergeTree
ORDER BY (source, object_store, session_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- Derived: which rule hit which event, in the order the detector over time reads.
CREATE TABLE IF NOT EXISTS kw.hits (
  rule LowCardinality(String), time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
  stream LowCardinality(String), partition UInt32, epoch UInt32, offset UInt64, idx UInt32,
  ingested_at DateTime64(3, 'UTC'), fields Map(LowCardinality(String), String), rules_version UInt32, writer UInt64
) ENGINE = MergeTree PARTITION BY toYYYYMM(ingested_at)
ORDER BY (rule, time, stream, partition, offset, idx)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

-- Streams the store knows: what names an epoch, and the settings their events were derived with.
CREATE TABLE IF NOT EXISTS kw.streams (
  stream LowCardinality(String), partition UInt32, epoch UInt32,
  transport LowCardinality(String), fingerprint String, source LowCardinality(String), settings String, as_of DateTime64(3, 'UTC'), known_at DateTime64(3, 'UTC')
) ENGINE = MergeTree ORDER BY (stream, partition, epoch, known_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;
