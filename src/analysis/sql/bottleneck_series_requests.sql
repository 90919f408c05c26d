-- grain: one bucket of intended arrival
-- columns: bucket, arrivals (first attempts), retries (later attempts), approved, declined, failed,
--   timed_out, shed (attempts), latency_us_p50, latency_us_p95 (answered attempts, from the intended
--   arrival), service_us_p50, fronts (fronts that began work), auto_charge (attempts that needed it)
SELECT
    bucket,
    count(*) FILTER (WHERE attempt = 1) AS arrivals,
    count(*) FILTER (WHERE attempt > 1) AS retries,
    count(*) FILTER (WHERE outcome = 'approved') AS approved,
    count(*) FILTER (WHERE outcome = 'declined') AS declined,
    count(*) FILTER (WHERE outcome = 'failed') AS failed,
    count(*) FILTER (WHERE outcome = 'timed_out') AS timed_out,
    count(*) FILTER (WHERE outcome = 'shed') AS shed,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_us) AS latency_us_p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_us) AS latency_us_p95,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY service_us) AS service_us_p50,
    count(DISTINCT CASE WHEN started_at IS NOT NULL THEN front_id END) AS fronts,
    count(*) FILTER (WHERE needs_auto_charge) AS auto_charge
FROM bn_requests
GROUP BY bucket
ORDER BY bucket
