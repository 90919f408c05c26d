-- grain: one way in which lock waits ended
-- columns: outcome ('acquired', 'deadlock', 'error', 'unknown'), waits, wait_us, max_us (microseconds)
SELECT
    w.outcome,
    count(*) AS waits,
    CAST(sum(w.wait_us) AS BIGINT) AS wait_us,
    max(w.wait_us) AS max_us
FROM bn_waits w
JOIN bn_wait_buckets b ON b.wait_id = w.wait_id
WHERE b.bucket BETWEEN $first AND $last
GROUP BY w.outcome
ORDER BY wait_us DESC, w.outcome
