-- Accounts of a ClickHouse server that Keywitness writes to (docs/deploy/clickhouse.md says why and in which order).
-- Run as an administrator; the passwords are yours to put in. Every statement can be run again.

CREATE DATABASE IF NOT EXISTS kw;

-- Makes the tables, once and with each new version: lend it to the writer for that start, then take it back.
CREATE ROLE IF NOT EXISTS keywitness_migrator;
GRANT CREATE DATABASE, CREATE TABLE ON kw.* TO keywitness_migrator;

-- Writes and reads back: whatever it once wrote it can neither change nor remove.
CREATE ROLE IF NOT EXISTS keywitness_writer;
GRANT SELECT, INSERT ON kw.records TO keywitness_writer;
GRANT SELECT, INSERT ON kw.events TO keywitness_writer;
GRANT SELECT, INSERT ON kw.set_aside TO keywitness_writer;
GRANT SELECT, INSERT ON kw.sessions TO keywitness_writer;
GRANT SELECT, INSERT ON kw.hits TO keywitness_writer;
GRANT SELECT, INSERT ON kw.streams TO keywitness_writer;
GRANT SELECT, INSERT ON kw.meta TO keywitness_writer;
GRANT SELECT, INSERT ON kw.checkpoints TO keywitness_writer;
GRANT SELECT, INSERT ON kw.tiles TO keywitness_writer;
GRANT SELECT, INSERT ON kw.claims TO keywitness_writer;
GRANT SELECT, INSERT ON kw.alerts TO keywitness_writer;
GRANT SELECT, INSERT ON kw.alert_acts TO keywitness_writer;
GRANT SELECT, INSERT ON kw.deliveries TO keywitness_writer;
GRANT SELECT, INSERT ON kw.migrations TO keywitness_writer;
-- Servers before 26 ask for this where an INSERT reads its rows from input(). It gives no right to a table.
GRANT CREATE TEMPORARY TABLE ON *.* TO keywitness_writer;

-- Looks: people, Grafana, `keywitness query`, `keywitness verify`.
-- readonly = 2: nothing can be written, while a client may still set limits of its own.
CREATE ROLE IF NOT EXISTS keywitness_reader SETTINGS readonly = 2, max_execution_time = 60, max_memory_usage = 4000000000;
GRANT SELECT ON kw.* TO keywitness_reader;

-- Removes whole months after the ledger has said so (`keywitness retention apply`), and the bytes of an erased record.
-- Nobody else may. Lock the account between two runs: ALTER USER keywitness_retention HOST NONE.
CREATE ROLE IF NOT EXISTS keywitness_retention;
GRANT SELECT, INSERT ON kw.* TO keywitness_retention;
GRANT ALTER DELETE, ALTER UPDATE ON kw.records TO keywitness_retention;
GRANT ALTER DELETE ON kw.events TO keywitness_retention;
GRANT ALTER DELETE ON kw.set_aside TO keywitness_retention;
GRANT ALTER DELETE ON kw.sessions TO keywitness_retention;
GRANT ALTER DELETE ON kw.hits TO keywitness_retention;
GRANT ALTER DELETE ON kw.alerts TO keywitness_retention;
GRANT CREATE TEMPORARY TABLE ON *.* TO keywitness_retention;
-- Waits until what was removed is off the disk.
GRANT SELECT ON system.parts TO keywitness_retention;

CREATE USER IF NOT EXISTS keywitness IDENTIFIED WITH sha256_password BY 'PUT THE WRITER''S PASSWORD HERE' DEFAULT ROLE NONE;
GRANT keywitness_writer TO keywitness;
SET DEFAULT ROLE keywitness_writer TO keywitness;

CREATE USER IF NOT EXISTS keywitness_reader_user IDENTIFIED WITH sha256_password BY 'PUT THE READERS'' PASSWORD HERE' DEFAULT ROLE NONE;
GRANT keywitness_reader TO keywitness_reader_user;
SET DEFAULT ROLE keywitness_reader TO keywitness_reader_user;

CREATE USER IF NOT EXISTS keywitness_retention_user IDENTIFIED WITH sha256_password BY 'PUT RETENTION''S PASSWORD HERE' HOST NONE DEFAULT ROLE NONE;
GRANT keywitness_retention TO keywitness_retention_user;
SET DEFAULT ROLE keywitness_retention TO keywitness_retention_user;
