-- grain: one kind of thing waited for, in the server log
-- columns: kind, waits, wait_s, strongest (waits whose waiter or holder wanted AccessExclusiveLock),
--   not_acquired (waits that ended otherwise)
SELECT
    w.target_kind AS kind,
    count(*) AS waits,
    sum(w.wait_us) / 1000000.0 AS wait_s,
    count(*) FILTER (WHERE w.mode = 'AccessExclusiveLock') AS strongest,
    count(*) FILTER (WHERE w.outcome <> 'acquired') AS not_acquired
FROM bn_waits w
JOIN bn_wait_buckets b ON b.wait_id = w.wait_id
WHERE b.bucket BETWEEN $first AND $last
GROUP BY w.target_kind
ORDER BY wait_s DESC, kind
