-- Lines that log_lock_waits wrote, taken apart.
-- Grain: one such record of the server log.
-- Columns: log_time, session_id, session_line_num, process_id, user_name, database_name,
--   connection_from, session_start_time, application_name, query_id, query, kind ('still_waiting', 'acquired', 'deadlock' (detected by
--   its victim), 'avoided' (queue rearranged), 'failed'), waiter_pid, mode (lock mode),
--   target (as the server words it), target_kind ('transaction', 'tuple', 'relation', 'advisory',
--   'virtual_transaction', 'extend', 'page', 'object', 'other'), transaction_waited_for,
--   relation_oid, database_oid, relation_name (from the context line), tuple_page, tuple_item,
--   holder_pids, queue_pids (INTEGER[]; NULL where the line has none), waited_us (microseconds).
WITH lines AS (
    SELECT *,
        regexp_extract(
            message,
            '^process (\d+) (still waiting for|acquired|detected deadlock while waiting for|avoided deadlock for|failed to acquire) (\w+) on (.+?)(?: by rearranging queue order)? after (\d+\.\d{3}) ms$',
            ['waiter_pid', 'what', 'mode', 'target', 'waited_ms']
        ) AS m
    FROM log_records
    WHERE message LIKE 'process % ms' AND error_severity = 'LOG'
),
named AS (
    SELECT *,
        m.target AS target,
        regexp_extract(detail, 'holding the lock: ([0-9, ]*)\.', 1) AS holders,
        regexp_extract(detail, 'Wait queue: ([0-9, ]*)\.', 1) AS queue,
        regexp_extract(
            context, 'tuple \((\d+),(\d+)\) in relation "((?:[^"]|"")+)"',
            ['page', 'item', 'relation']
        ) AS c,
        regexp_extract(m.target, '^tuple \((\d+),(\d+)\) of relation', ['page', 'item']) AS t
    FROM lines
    WHERE m.waiter_pid <> ''
)
SELECT
    log_time,
    session_id,
    session_line_num,
    process_id,
    user_name,
    database_name,
    connection_from,
    session_start_time,
    application_name,
    query_id,
    query,
    CASE m.what
        WHEN 'still waiting for' THEN 'still_waiting'
        WHEN 'acquired' THEN 'acquired'
        WHEN 'detected deadlock while waiting for' THEN 'deadlock'
        WHEN 'avoided deadlock for' THEN 'avoided'
        ELSE 'failed'
    END AS kind,
    TRY_CAST(m.waiter_pid AS BIGINT) AS waiter_pid,
    m.mode AS mode,
    target,
    CASE
        WHEN target LIKE 'transaction %' THEN 'transaction'
        WHEN target LIKE 'tuple %' THEN 'tuple'
        WHEN target LIKE 'relation %' THEN 'relation'
        WHEN target LIKE 'advisory lock %' THEN 'advisory'
        WHEN target LIKE 'virtual transaction %' THEN 'virtual_transaction'
        WHEN target LIKE 'extension of relation %' THEN 'extend'
        WHEN target LIKE 'page %' THEN 'page'
        WHEN target LIKE 'object %' THEN 'object'
        ELSE 'other'
    END AS target_kind,
    CASE WHEN target LIKE 'transaction %' THEN TRY_CAST(substr(target, 13) AS BIGINT) END
        AS transaction_waited_for,
    TRY_CAST(nullif(regexp_extract(target, 'relation (\d+) of database', 1), '') AS BIGINT)
        AS relation_oid,
    TRY_CAST(nullif(regexp_extract(target, 'of database (\d+)', 1), '') AS BIGINT) AS database_oid,
    nullif(c.relation, '') AS relation_name,
    TRY_CAST(coalesce(nullif(t.page, ''), nullif(c.page, '')) AS BIGINT) AS tuple_page,
    TRY_CAST(coalesce(nullif(t.item, ''), nullif(c.item, '')) AS BIGINT) AS tuple_item,
    CASE WHEN detail IS NOT NULL THEN
        CAST(list_filter(string_split(holders, ', '), lambda p: p <> '') AS INTEGER[]) END
        AS holder_pids,
    CASE WHEN detail IS NOT NULL THEN
        CAST(list_filter(string_split(queue, ', '), lambda p: p <> '') AS INTEGER[]) END
        AS queue_pids,
    CAST(TRY_CAST(m.waited_ms AS DECIMAL(24, 3)) * 1000 AS BIGINT) AS waited_us
FROM named
