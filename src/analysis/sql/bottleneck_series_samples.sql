-- grain: one bucket with activity samples
-- columns: bucket, then means a sample: aas (active sessions) and its parts by what they wait for,
--   idle_tx (sessions idle in transaction), blocked (sessions with a blocker), connections;
--   xact_age_s (oldest open transaction, seconds; maximum), ticks (samples taken)
WITH seen AS (
    SELECT
        bucket,
        count(*) FILTER (WHERE is_active) AS aas,
        count(*) FILTER (WHERE wait_class = 'CPU') AS cpu,
        count(*) FILTER (WHERE wait_class = 'IO') AS io,
        count(*) FILTER (WHERE wait_class = 'WAL') AS wal,
        count(*) FILTER (WHERE wait_class = 'SyncRep') AS syncrep,
        count(*) FILTER (WHERE wait_class IN ('LWLock', 'BufferPin', 'Buffer', 'IPC')) AS lwlock,
        count(*) FILTER (WHERE wait_class = 'Lock') AS lock,
        count(*) FILTER (WHERE wait_class = 'Lock'
            AND lower(wait_event) IN ('transactionid', 'tuple')) AS rowlock,
        count(*) FILTER (WHERE wait_class = 'Lock' AND lower(wait_event) = 'advisory') AS advisory,
        count(*) FILTER (WHERE wait_class = 'Lock' AND lower(wait_event) = 'relation') AS relation_lock,
        count(*) FILTER (WHERE wait_class = 'Timeout') AS timeout_wait,
        count(*) FILTER (WHERE wait_class = 'Idle in transaction') AS idle_tx,
        count(*) FILTER (WHERE is_blocked) AS blocked,
        max(xact_age_us) / 1000000.0 AS xact_age_s,
        max(CASE WHEN wait_class = 'Idle in transaction' THEN state_age_us END) / 1000000.0
            AS idle_tx_age_s
    FROM bn_activity
    GROUP BY bucket
)
SELECT
    t.bucket,
    coalesce(s.aas, 0) * 1.0 / t.ticks AS aas,
    coalesce(s.cpu, 0) * 1.0 / t.ticks AS aas_cpu,
    coalesce(s.io, 0) * 1.0 / t.ticks AS aas_io,
    coalesce(s.wal, 0) * 1.0 / t.ticks AS aas_wal,
    coalesce(s.syncrep, 0) * 1.0 / t.ticks AS aas_syncrep,
    coalesce(s.lwlock, 0) * 1.0 / t.ticks AS aas_lwlock,
    coalesce(s.lock, 0) * 1.0 / t.ticks AS aas_lock,
    coalesce(s.rowlock, 0) * 1.0 / t.ticks AS aas_rowlock,
    coalesce(s.advisory, 0) * 1.0 / t.ticks AS aas_advisory,
    coalesce(s.relation_lock, 0) * 1.0 / t.ticks AS aas_relation,
    coalesce(s.timeout_wait, 0) * 1.0 / t.ticks AS aas_timeout,
    coalesce(s.idle_tx, 0) * 1.0 / t.ticks AS idle_tx,
    coalesce(s.blocked, 0) * 1.0 / t.ticks AS blocked,
    coalesce(s.xact_age_s, 0) AS xact_age_s,
    coalesce(s.idle_tx_age_s, 0) AS idle_tx_age_s,
    t.connections,
    t.ticks * 1.0 AS ticks
FROM bn_ticks t
LEFT JOIN seen s ON s.bucket = t.bucket
ORDER BY t.bucket
