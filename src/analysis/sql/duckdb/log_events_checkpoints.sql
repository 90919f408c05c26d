-- Checkpoints and restartpoints that ended (log_checkpoints).
-- Grain: one "checkpoint complete" or "restartpoint complete" record.
-- Columns: completed_at, started_at (= completed_at - total_us), kind ('checkpoint',
--   'restartpoint'), cause (words of the "starting" line before it: 'time', 'wal', 'immediate
--   force wait', ...; NULL when the log does not show it), buffers_written, wal_files_added,
--   wal_files_removed, wal_files_recycled, write_us, sync_us, total_us, sync_files,
--   longest_sync_us (microseconds), distance_kb, estimate_kb, session_id, session_line_num.
WITH lines AS (
    SELECT log_time, session_id, session_line_num, message,
        message LIKE '%point starting: %' AS is_start,
        CASE WHEN message LIKE 'checkpoint %' THEN 'checkpoint' ELSE 'restartpoint' END AS kind
    FROM log_records
    WHERE message LIKE 'checkpoint starting: %' OR message LIKE 'checkpoint complete: %'
        OR message LIKE 'restartpoint starting: %' OR message LIKE 'restartpoint complete: %'
),
paired AS (
    SELECT *,
        lag(message) OVER session AS before,
        lag(is_start) OVER session AS before_is_start
    FROM lines
    WINDOW session AS (PARTITION BY session_id ORDER BY session_line_num)
),
numbers AS (
    SELECT *,
        CASE WHEN before_is_start THEN nullif(trim(split_part(before, 'starting:', 2)), '') END
            AS cause,
        nullif(regexp_extract(message, 'wrote (\d+) buffers', 1), '') AS buffers,
        regexp_extract(
            message, '(\d+) (?:WAL|transaction log) file\(s\) added, (\d+) removed, (\d+) recycled',
            ['added', 'removed', 'recycled']
        ) AS wal,
        regexp_extract(
            message, 'write=(\d+\.\d+) s, sync=(\d+\.\d+) s, total=(\d+\.\d+) s',
            ['write', 'sync', 'total']
        ) AS seconds,
        nullif(regexp_extract(message, 'sync files=(\d+)', 1), '') AS files,
        nullif(regexp_extract(message, 'longest=(\d+\.\d+) s', 1), '') AS longest,
        nullif(regexp_extract(message, 'distance=(\d+) kB', 1), '') AS distance,
        nullif(regexp_extract(message, 'estimate=(\d+) kB', 1), '') AS estimate
    FROM paired
    WHERE NOT is_start
)
SELECT
    log_time AS completed_at,
    log_time - to_microseconds(
        CAST(coalesce(TRY_CAST(seconds.total AS DECIMAL(18, 6)), 0) * 1000000 AS BIGINT)
    ) AS started_at,
    kind,
    cause,
    TRY_CAST(buffers AS BIGINT) AS buffers_written,
    TRY_CAST(nullif(wal.added, '') AS BIGINT) AS wal_files_added,
    TRY_CAST(nullif(wal.removed, '') AS BIGINT) AS wal_files_removed,
    TRY_CAST(nullif(wal.recycled, '') AS BIGINT) AS wal_files_recycled,
    CAST(TRY_CAST(seconds.write AS DECIMAL(18, 6)) * 1000000 AS BIGINT) AS write_us,
    CAST(TRY_CAST(seconds.sync AS DECIMAL(18, 6)) * 1000000 AS BIGINT) AS sync_us,
    CAST(TRY_CAST(seconds.total AS DECIMAL(18, 6)) * 1000000 AS BIGINT) AS total_us,
    TRY_CAST(files AS BIGINT) AS sync_files,
    CAST(TRY_CAST(longest AS DECIMAL(18, 6)) * 1000000 AS BIGINT) AS longest_sync_us,
    TRY_CAST(distance AS BIGINT) AS distance_kb,
    TRY_CAST(estimate AS BIGINT) AS estimate_kb,
    session_id,
    session_line_num
FROM numbers
