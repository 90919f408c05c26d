-- grain: one user x database x application
-- columns: user_name, database_name, application_name, connections (authorised), ended, session_us_p50
SELECT
    user_name,
    database_name,
    application_name,
    count(*) FILTER (WHERE kind = 'authorized') AS connections,
    count(*) FILTER (WHERE kind = 'disconnected') AS ended,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY session_us) AS session_us_p50
FROM log_connections
WHERE log_time >= $start AND log_time < $end
GROUP BY user_name, database_name, application_name
HAVING count(*) FILTER (WHERE kind IN ('authorized', 'disconnected')) > 0
ORDER BY connections DESC, user_name, database_name, application_name
LIMIT $top
