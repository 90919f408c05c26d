-- grain: one client backend in one activity sample that was active, or idle inside a transaction
-- columns: sampled_at, bucket (0 = first), pid, application_name, query_id, query, xact_start,
--   is_active (counts into average active sessions), wait_class, wait_event,
--   is_blocked, xact_age_us, state_age_us (microseconds since state_change; NULL when unknown)
-- wait_class: 'CPU' for active without a wait event, 'WAL' for the events of writing and flushing the
--   log whatever their type (their letter case changed between PostgreSQL 16 and 18, hence lower()),
--   'Idle in transaction' for sessions that hold a transaction and wait for their client.
-- The sampler's own session is left out.
SELECT
    sampled_at,
    ((epoch_us(sampled_at) - epoch_us($origin::TIMESTAMPTZ)) // $bucket_us)::BIGINT AS bucket,
    pid,
    application_name,
    query_id,
    query,
    xact_start,
    state NOT LIKE 'idle%' AS is_active,
    CASE
        WHEN state LIKE 'idle in transaction%' THEN 'Idle in transaction'
        WHEN wait_event_type IS NULL THEN 'CPU'
        WHEN lower(wait_event) IN ('walsync', 'walwrite', 'walinsert', 'walsyncmethodassign',
            'walinitsync', 'walinitwrite', 'walwritelock') THEN 'WAL'
        WHEN lower(wait_event) = 'syncrep' THEN 'SyncRep'
        ELSE wait_event_type
    END AS wait_class,
    coalesce(wait_event, CASE WHEN state LIKE 'idle%' THEN 'client' ELSE 'on CPU' END) AS wait_event,
    coalesce(len(blocked_by), 0) > 0 AS is_blocked,
    epoch_us(sampled_at) - epoch_us(xact_start) AS xact_age_us,
    epoch_us(sampled_at) - epoch_us(state_change) AS state_age_us
FROM pg_activity
WHERE $use
    AND coalesce(backend_type, 'client backend') IN ('client backend', 'parallel worker')
    AND state IS NOT NULL AND state NOT IN ('idle', 'disabled')
    AND coalesce(application_name, '') NOT LIKE 'walletlab%sampl%'
