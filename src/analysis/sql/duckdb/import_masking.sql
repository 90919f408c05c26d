-- Grain: none, these are macros.
-- Macros that mask literals in log texts. No grain: they take and give one text.
-- mask_sql(x): every string, number, parameter, dollar-quoted text and comment of an SQL text
--   becomes "?". Identifiers stay. A text with both kinds of quotes goes through a tokenizer that
--   steps over quoted identifiers, so that an apostrophe inside one does not turn the text inside out.
--   A string that never ends (the text was cut) is masked to its end.
-- mask_words(x): a text in words, in which literals, values between quotes and addresses go.
-- mask_raised(x, code, context): the words of a RAISE without those that have a digit.
-- mask_strict(x): that, and key values, rows and the texts of pgaudit wherever they stand.
-- mask_message / mask_detail / mask_context: keep what the server says about itself (process ids,
--   lock targets, sizes, times) and mask what came from a user. A severity that is not English
--   means that the words around a value are unknown: then all that is quoted goes, and every detail.
-- A text that is not masked enough is a leak, one that is masked too much is a nuisance: when in
-- doubt these mask.
CREATE OR REPLACE TEMP MACRO mask_fast(x) AS regexp_replace(x, '(?s)\b[eE]''(?:[^''\\]|''''|\\.)*(?:''|$)|''[^'']*(?:''''[^'']*)*(?:''|$)|\$?\b\d[\w.]*|\$(?:[A-Za-z_]\w*)?\$(?:.*\$(?:[A-Za-z_]\w*)?\$|.*)|--[^\n]*|/\*.*?(?:\*/|$)', '?', 'g');
CREATE OR REPLACE TEMP MACRO mask_careful(x) AS regexp_replace(regexp_replace(x, '(?s)("(?:[^"]|"")*")|\b[eE]''(?:[^''\\]|''''|\\.)*(?:''|$)|''[^'']*(?:''''[^'']*)*(?:''|$)|\$?\b\d[\w.]*|\$(?:[A-Za-z_]\w*)?\$(?:.*\$(?:[A-Za-z_]\w*)?\$|.*)|--[^\n]*|/\*.*?(?:\*/|$)', '\1?', 'g'), '("(?:[^"]|"")*")\?', '\1', 'g');
-- a comment in a comment: all from there goes, for no pattern counts how deep they are
CREATE OR REPLACE TEMP MACRO mask_nested(x) AS mask_careful(regexp_replace(x, '(?s)/\*(?:[^*]|\*+[^*/])*?/\*.*', '?'));
CREATE OR REPLACE TEMP MACRO mask_sql(x) AS CASE WHEN contains(x, '/*') AND regexp_matches(x, '(?s)/\*.*/\*') THEN mask_nested(x) WHEN contains(x, '"') AND contains(x, '''') THEN mask_careful(x) ELSE mask_fast(x) END;
CREATE OR REPLACE TEMP MACRO is_english(severity) AS severity IN ('LOG', 'ERROR', 'FATAL', 'PANIC', 'WARNING', 'NOTICE', 'INFO', 'NOISE') OR starts_with(severity, 'DEBUG');
-- An apostrophe within a word, an odd number of them between double quotes or in all: where strings
-- begin and end is then anyone's guess, and all from the first apostrophe goes. (\pL would say
-- "letter" better, and takes milliseconds to compile at each place where it stands.)
CREATE OR REPLACE TEMP MACRO is_doubtful(x) AS regexp_matches(x, '[A-Za-z\x{80}-\x{10FFFF}]''[A-Za-z\x{80}-\x{10FFFF}]|"[^"'']*''(?:[^"'']*''[^"'']*'')*[^"'']*"|^[^'']*''(?:[^'']*''[^'']*'')*[^'']*$');
-- all its apostrophes are in names: column "quo'ted" does not exist
CREATE OR REPLACE TEMP MACRO is_name_only(x) AS NOT contains(regexp_replace(x, '\b(?:relation|table|column|constraint|index|sequence|function|type|schema|role|database|user) "[^"\n]{1,63}"', '', 'g'), '''');
CREATE OR REPLACE TEMP MACRO mask_literals(x) AS CASE WHEN NOT is_doubtful(x) THEN mask_fast(x) WHEN is_name_only(x) THEN mask_careful(x) ELSE mask_fast(regexp_replace(x, '(?s)''.*', '?')) END;
-- quotes of other languages, values that the server puts between double quotes, and addresses
CREATE OR REPLACE TEMP MACRO mask_quoted(x) AS regexp_replace(regexp_replace(regexp_replace(x, '(?s)[«»„“‹›「『《](?:.*[»«“”›‹」』》]|.*$)', '?'), '(?s)(: |value |[Tt]oken |date |literal |number |zone |near |found |sequence |name |input )"(?:.*"|.*$)', '\1"?"', 'g'), '[\w.+-]+@[\w-]+\.[\w.-]+', '?', 'g');
CREATE OR REPLACE TEMP MACRO mask_words(x) AS mask_quoted(mask_literals(x));
CREATE OR REPLACE TEMP MACRO mask_values(x) AS regexp_replace(regexp_replace(regexp_replace(x, '(?s)\)\s*=\s*\((?:.*\)|.*)', ')=(?)'), '(?is)\b(row (?:contains )?)\((?:.*\)|.*)', '\1(?)'), '(?s)\b(AUDIT: \w+,\d+,).*', '\1?');
-- what an application raises: its words stay, but for those with a digit (IBAN, UUID, account, ...)
CREATE OR REPLACE TEMP MACRO mask_raised(x, code, context) AS CASE WHEN code = 'P0001' OR contains(context, ' at RAISE') THEN regexp_replace(x, '\w*\d[\w-]*', '?', 'g') ELSE x END;
CREATE OR REPLACE TEMP MACRO mask_strict(x) AS mask_words(mask_values(x));
-- Words of another language: between the first and the last quote nothing stays; an apostrophe is
-- the language's own only where all of them stand within words.
CREATE OR REPLACE TEMP MACRO mask_foreign_quoted(x) AS regexp_replace(mask_values(x), '(?s)["«»„“‹›「『《](?:.*["»«“”›‹」』》]|.*$)', '?');
CREATE OR REPLACE TEMP MACRO mask_apostrophes(x) AS CASE WHEN regexp_matches(x, '(?:^|[^A-Za-z\x{80}-\x{10FFFF}])''|''(?:[^A-Za-z\x{80}-\x{10FFFF}]|$)') THEN regexp_replace(x, '(?s)''.*', '?') ELSE replace(x, '''', '’') END;
CREATE OR REPLACE TEMP MACRO mask_foreign(x) AS mask_quoted(mask_fast(mask_apostrophes(mask_foreign_quoted(x))));
-- pgaudit: seven fields of its own, the statement (as CSV), parameters and rows. <none> and
-- <not logged> are its own words; a parameter is a value.
CREATE OR REPLACE TEMP MACRO is_audit(x) AS regexp_matches(x, '^(?:AUDIT: )?(?:SESSION|OBJECT),\d+,\d+,');
CREATE OR REPLACE TEMP MACRO audit_fields(x) AS regexp_extract(x, '(?s)^((?:(?:"(?:[^"]|"")*"|[^,"]*),){7})("(?:[^"]|"")*"|[^,"]*)(.*)$', ['own', 'statement', 'rest']);
CREATE OR REPLACE TEMP MACRO mask_audit(x) AS list_transform([audit_fields(x)], lambda f: CASE
    WHEN f.own = '' THEN 'AUDIT: ?'
    ELSE f.own
        || CASE WHEN starts_with(f.statement, '"') THEN '"' || replace(mask_sql(replace(f.statement[2:-2], '""', '"')), '"', '""') || '"' ELSE mask_sql(f.statement) END
        || CASE WHEN regexp_full_match(f.rest, '(?:,<[a-z ]+>)?(?:,\d+)?') THEN f.rest ELSE ',?' END
END)[1];
-- SQL after the first colon: "duration: 1.5 ms  execute s: select ..." or "statement: select ..."
CREATE OR REPLACE TEMP MACRO mask_after(x, n) AS left(x, n) || mask_sql(substr(x, n + 1));
CREATE OR REPLACE TEMP MACRO is_own_words(x) AS regexp_matches(x, '^(?:process \d+ (?:still waiting|acquired|detected deadlock|avoided deadlock|failed to acquire) |(?:check|restart)point(?:s are occurring| starting| complete)|temporary file: path "|automatic (?:aggressive )?(?:vacuum|analyze) |connection (?:received|authenticated|authorized|ready): |replication connection authorized: |disconnection: session time: |database system |starting PostgreSQL |listening on |server process \(PID |background worker "|(?:terminating|all server processes|shutting down|aborting any|received |redo |consistent recovery|started streaming|recovery |parameter "[\w.]+" changed|reloading|autovacuum launcher|logical replication launcher|sending cancel to blocking autovacuum|canceling autovacuum|archive command|invalid record length|selected new timeline|last completed transaction|entering standby|stats: \d|C-0x|S-0x|kernel |incomplete startup packet|unexpected EOF on client|could not receive data from client|could not send data to client|skipping (?:vacuum|analyze) of))');
CREATE OR REPLACE TEMP MACRO mask_message(x, severity) AS CASE
    WHEN x IS NULL THEN NULL
    WHEN starts_with(x, 'duration: ') THEN CASE WHEN position(':' IN substr(x, 12)) = 0 THEN x ELSE mask_after(x, 11 + position(':' IN substr(x, 12))) END
    WHEN is_audit(x) THEN mask_audit(x)
    WHEN NOT is_english(severity) THEN mask_foreign(x)
    WHEN severity = 'LOG' AND regexp_matches(x, '^(?:statement|(?:execute|fastpath) [^:]*): ') THEN mask_sql(x)
    WHEN severity = 'LOG' AND regexp_matches(x, '^parameter "\w*(?:conninfo|command|pass|key)') THEN regexp_replace(x, '(?s) changed to ".*', ' changed to "?"')
    WHEN severity = 'LOG' AND is_own_words(x) THEN x
    ELSE mask_strict(x)
END;
-- each statement of a deadlock graph by itself: the server cuts them, also within a string
CREATE OR REPLACE TEMP MACRO mask_graph_statement(x) AS CASE WHEN regexp_matches(x, '^\d+: ') THEN 'Process ' || regexp_extract(x, '^\d+: ') || mask_sql(rtrim(substr(x, position(': ' IN x) + 2))) ELSE mask_sql(x) END;
CREATE OR REPLACE TEMP MACRO mask_graph_split(x) AS array_to_string(list_transform(list_filter(string_split(regexp_replace(replace(x, chr(1), ' '), '(?m)\n?^Process (\d+): ', chr(1) || '\1: ', 'g'), chr(1)), lambda p: p <> ''), lambda p: mask_graph_statement(p)), chr(10));
-- without anything that can span statements they need no splitting, which costs a hundred times as much
CREATE OR REPLACE TEMP MACRO mask_graph_plain(x) AS regexp_replace(mask_fast(regexp_replace(x, '(?m)^Process (\d+): ', 'Process p\1: ', 'g')), '(?m)^Process p(\d+): ', 'Process \1: ', 'g');
CREATE OR REPLACE TEMP MACRO mask_graph(x, n) AS left(x, n) || CASE WHEN regexp_matches(substr(x, n + 1), '[''"]|\$[A-Za-z_$]|--|/\*|(?m:^Process p)') THEN mask_graph_split(substr(x, n + 1)) ELSE mask_graph_plain(substr(x, n + 1)) END;
CREATE OR REPLACE TEMP MACRO mask_detail(x, severity) AS CASE
    WHEN x IS NULL THEN NULL
    WHEN starts_with(x, 'parameters: ') OR starts_with(x, 'Parameters: ') THEN 'parameters: ?'
    WHEN NOT is_english(severity) THEN '?'
    WHEN regexp_full_match(x, 'Process(?:es)? holding the lock: [\d, ]*\. Wait queue: [\d, ]*\.') THEN x
    WHEN regexp_matches(x, '^Process \d+ waits for ') THEN mask_graph(x, strlen(regexp_extract(x, '^(?:Process \d+ waits for \w+ on [^\n;]*; blocked by process \d+\.\n?)*')))
    ELSE mask_strict(x)
END;
CREATE OR REPLACE TEMP MACRO mask_context(x, severity) AS CASE
    WHEN x IS NULL THEN NULL
    WHEN NOT is_english(severity) THEN mask_foreign(x)
    ELSE regexp_replace(mask_words(regexp_replace(regexp_replace(x, '(?s)(JSON data, line \d+: ).*', '\1?'), '(?m)^(while [\w ]+ tuple \()(\d+),(\d+)\)', '\1p\2,p\3)', 'g')), '(?m)^(while [\w ]+ tuple \()p(\d+),p(\d+)\)', '\1\2,\3)', 'g')
END;
