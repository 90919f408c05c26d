-- grain: one statement that wrote temporary files
-- columns: statement (masked), files, size_bytes, largest_bytes
SELECT
    query AS statement,
    count(*) AS files,
    CAST(sum(size_bytes) AS BIGINT) AS size_bytes,
    max(size_bytes) AS largest_bytes
FROM log_temp_files
WHERE log_time >= $start AND log_time < $end
GROUP BY query
ORDER BY size_bytes DESC, statement
LIMIT $top
