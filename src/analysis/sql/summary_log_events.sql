-- Counts of the other events of the server log.
-- Grain: one row. Columns: deadlocks (victims' errors), checkpoints (completed), temp_files,
--   temp_files_bytes, autovacuums, autoanalyzes, connections_received, connections_authorized,
--   connections_disconnected.
SELECT
    (SELECT count(*) FROM log_errors WHERE sql_state_code = '40P01') AS deadlocks,
    (SELECT count(*) FROM log_checkpoints) AS checkpoints,
    (SELECT count(*) FROM log_temp_files) AS temp_files,
    (SELECT CAST(coalesce(sum(size_bytes), 0) AS BIGINT) FROM log_temp_files) AS temp_files_bytes,
    (SELECT count(*) FROM log_autovacuums WHERE kind = 'vacuum') AS autovacuums,
    (SELECT count(*) FROM log_autovacuums WHERE kind = 'analyze') AS autoanalyzes,
    (SELECT count(*) FROM log_connections WHERE kind = 'received') AS connections_received,
    (SELECT count(*) FROM log_connections WHERE kind = 'authorized') AS connections_authorized,
    (SELECT count(*) FROM log_connections WHERE kind = 'disconnected') AS connections_disconnected
