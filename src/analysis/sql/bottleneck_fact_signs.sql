-- grain: one row; signs in the server log inside the window
-- columns: counts of records: crash, shutdown_requests, starting_up (57P03), shutting_down (57P01,
--   57P02), sync_canceled, analyzed (automatic analyze that ended shortly before or in the window), frequent_checkpoints,
--   idle_timeouts (25P03), wraparound
SELECT
    count(*) FILTER (WHERE what = 'crash') AS crash,
    count(*) FILTER (WHERE message LIKE 'received % shutdown request%') AS shutdown_requests,
    count(*) FILTER (WHERE sql_state_code = '57P03') AS starting_up,
    count(*) FILTER (WHERE sql_state_code IN ('57P01', '57P02')) AS shutting_down,
    count(*) FILTER (WHERE message LIKE 'canceling%wait for synchronous replication%')
        AS sync_canceled,
    count(*) FILTER (WHERE message LIKE 'automatic analyze of table%') AS analyzed,
    count(*) FILTER (WHERE message LIKE 'checkpoints are occurring too frequently%')
        AS frequent_checkpoints,
    count(*) FILTER (WHERE sql_state_code = '25P03') AS idle_timeouts,
    count(*) FILTER (WHERE message LIKE 'database "%" must be vacuumed within%') AS wraparound
FROM bn_log_lines
WHERE bucket BETWEEN $first - $slack AND $last
