-- grain: one bucket with pool statistics
-- columns: bucket, pool_waiting (requests queued for a connection, all fronts, mean of the seconds),
--   pool_wait_share (share of requests that had to wait), pool_in_use (share of connections out),
--   pool_errors (requests that got none), in_flight (attempts in work, all fronts), pool_max (all)
SELECT
    bucket,
    sum(requests_waiting) * 1.0 / count(DISTINCT sampled_second) AS pool_waiting,
    sum(requests_queued) * 1.0 / nullif(sum(requests_num), 0) AS pool_wait_share,
    1.0 - sum(pool_available) * 1.0 / nullif(sum(pool_size), 0) AS pool_in_use,
    sum(pool_size) * 1.0 / nullif(sum(pool_max), 0) AS pool_open_share,
    sum(requests_errors) * 1.0 AS pool_errors,
    sum(in_flight) * 1.0 / count(DISTINCT sampled_second) AS in_flight,
    sum(pool_max) * 1.0 / count(DISTINCT sampled_second) AS pool_max,
    count(DISTINCT front_id) AS pool_fronts
FROM (SELECT *, date_trunc('second', sampled_at) AS sampled_second FROM bn_pool)
GROUP BY bucket
ORDER BY bucket
