-- Grain: none, these are macros.
-- Macros that mask literals in log texts. No grain: they take and give one text.
-- mask_sql(x): every string, number, parameter, dollar-quoted text and comment of an SQL text
--   becomes "?". Identifiers stay. A text with both kinds of quotes goes through a tokenizer that
--   steps over quoted identifiers, so that an apostrophe inside one does not turn the text inside out.
--   A string that never ends (the text was cut) is masked to its end.
-- mask_message / mask_detail / mask_context: keep what the server says about itself (process ids,
--   lock targets, sizes, times) and mask what came from a user.
-- A text that is not masked enough is a leak, one that is masked too much is a nuisance: when in
-- doubt these mask.
CREATE OR REPLACE TEMP MACRO mask_fast(x) AS regexp_replace(x, '(?s)\b[eE]''(?:[^''\\]|''''|\\.)*(?:''|$)|''[^'']*(?:''''[^'']*)*(?:''|$)|\$?\b\d[\w.]*|\$(?:[A-Za-z_]\w*)?\$(?:.*\$(?:[A-Za-z_]\w*)?\$|.*)|--[^\n]*|/\*.*?(?:\*/|$)', '?', 'g');
CREATE OR REPLACE TEMP MACRO mask_careful(x) AS regexp_replace(regexp_replace(x, '(?s)("(?:[^"]|"")*")|\b[eE]''(?:[^''\\]|''''|\\.)*(?:''|$)|''[^'']*(?:''''[^'']*)*(?:''|$)|\$?\b\d[\w.]*|\$(?:[A-Za-z_]\w*)?\$(?:.*\$(?:[A-Za-z_]\w*)?\$|.*)|--[^\n]*|/\*.*?(?:\*/|$)', '\1?', 'g'), '("(?:[^"]|"")*")\?', '\1', 'g');
CREATE OR REPLACE TEMP MACRO mask_sql(x) AS CASE WHEN contains(x, '"') AND contains(x, '''') THEN mask_careful(x) ELSE mask_fast(x) END;
-- values that the server puts between double quotes, and addresses; mask_strict trusts no quotes
CREATE OR REPLACE TEMP MACRO mask_values(x) AS regexp_replace(regexp_replace(mask_sql(x), '(?s)(: |value |[Tt]oken |date |literal |number |zone |near )"(?:.*"|.*$)', '\1"?"', 'g'), '[\w.+-]+@[\w-]+\.[\w.-]+', '?', 'g');
CREATE OR REPLACE TEMP MACRO mask_strict(x) AS regexp_replace(regexp_replace(mask_fast(x), '(?s)(: |value |[Tt]oken |date |literal |number |zone |near )"(?:.*"|.*$)', '\1"?"', 'g'), '[\w.+-]+@[\w-]+\.[\w.-]+', '?', 'g');
-- SQL after the first colon: "duration: 1.5 ms  execute s: select ..." or "statement: select ..."
CREATE OR REPLACE TEMP MACRO mask_after(x, n) AS left(x, n) || mask_sql(substr(x, n + 1));
CREATE OR REPLACE TEMP MACRO is_own_words(x) AS regexp_matches(x, '^(?:process \d+ (?:still waiting|acquired|detected deadlock|avoided deadlock|failed to acquire) |(?:check|restart)point(?:s are occurring| starting| complete)|temporary file: path "|automatic (?:aggressive )?(?:vacuum|analyze) |connection (?:received|authenticated|authorized|ready): |replication connection authorized: |disconnection: session time: |database system |starting PostgreSQL |listening on |server process \(PID |background worker "|(?:terminating|all server processes|shutting down|aborting any|received |redo |consistent recovery|started streaming|recovery |parameter "[\w.]+" changed|reloading|autovacuum launcher|logical replication launcher|sending cancel to blocking autovacuum|canceling autovacuum|archive command|invalid record length|selected new timeline|last completed transaction|entering standby|stats: \d|C-0x|S-0x|kernel |incomplete startup packet|unexpected EOF on client|could not receive data from client|could not send data to client|skipping (?:vacuum|analyze) of))');
CREATE OR REPLACE TEMP MACRO mask_message(x, severity) AS CASE
    WHEN x IS NULL THEN NULL
    WHEN starts_with(x, 'duration: ') THEN CASE WHEN position(':' IN substr(x, 12)) = 0 THEN x ELSE mask_after(x, 11 + position(':' IN substr(x, 12))) END
    WHEN severity <> 'LOG' THEN mask_values(x)
    WHEN is_own_words(x) THEN x
    ELSE mask_values(x)
END;
CREATE OR REPLACE TEMP MACRO mask_graph(x, n) AS left(x, n) || regexp_replace(mask_sql(regexp_replace(substr(x, n + 1), '(?m)^Process (\d+): ', 'Process pid\1: ', 'g')), '(?m)^Process pid(\d+): ', 'Process \1: ', 'g');
CREATE OR REPLACE TEMP MACRO mask_detail(x) AS CASE
    WHEN x IS NULL THEN NULL
    WHEN starts_with(x, 'parameters: ') OR starts_with(x, 'Parameters: ') THEN 'parameters: ?'
    WHEN regexp_full_match(x, 'Process(?:es)? holding the lock: [\d, ]*\. Wait queue: [\d, ]*\.') THEN x
    WHEN regexp_matches(x, '^Process \d+ waits for ') THEN mask_graph(x, strlen(regexp_extract(x, '^(?:Process \d+ waits for \w+ on [^\n;]*; blocked by process \d+\.\n?)*')))
    WHEN regexp_matches(x, '^Key \(') THEN regexp_replace(x, '(?s)\)=\(.*\)', ')=(?)')
    WHEN starts_with(x, 'Failing row contains ') THEN 'Failing row contains (?).'
    ELSE mask_values(x)
END;
CREATE OR REPLACE TEMP MACRO mask_context(x) AS CASE
    WHEN x IS NULL THEN NULL
    ELSE regexp_replace(mask_strict(regexp_replace(regexp_replace(x, '(?s)(JSON data, line \d+: ).*', '\1?'), '(?m)^(while [\w ]+ tuple \()(\d+),(\d+)\)', '\1p\2,p\3)', 'g')), '(?m)^(while [\w ]+ tuple \()p(\d+),p(\d+)\)', '\1\2,\3)', 'g')
END;
