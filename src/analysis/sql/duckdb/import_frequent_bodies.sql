-- Statements that the beginning of a log repeats most often, with their masked form.
-- Grain: one text after the first ": " of a "duration:" message that came three times or more.
-- Columns: body, masked. Needs the view raw_log and the macros of import_masking.sql.
SELECT body, mask_sql(body) AS masked
FROM (
    SELECT regexp_extract(message, '(?s)^duration: [\d.]+ ms.*?: (.*)$', 1) AS body
    FROM raw_log
    WHERE starts_with(message, 'duration: ')
)
WHERE body <> ''
GROUP BY body
HAVING count(*) >= 3
ORDER BY count(*) DESC, body
LIMIT $most
