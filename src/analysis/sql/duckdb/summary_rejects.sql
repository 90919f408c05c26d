-- Lines set aside of some of a run's files.
-- Grain: one reason. Columns: reason, lines.
-- Parameters: $path (of rejects.parquet), $other_files (names of the files to leave out).
SELECT reason, CAST(sum(lines) AS BIGINT) AS lines
FROM read_parquet($path)
WHERE NOT list_contains(CAST($other_files AS VARCHAR[]), file)
GROUP BY reason
ORDER BY lines DESC, reason
