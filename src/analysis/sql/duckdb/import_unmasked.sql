-- Grain: none, these are macros.
-- The same macros as import_masking.sql when the user asked to keep literals: texts pass as they are.
CREATE OR REPLACE TEMP MACRO mask_sql(x) AS x;
CREATE OR REPLACE TEMP MACRO mask_words(x) AS x;
CREATE OR REPLACE TEMP MACRO mask_strict(x) AS x;
CREATE OR REPLACE TEMP MACRO mask_raised(x, code, context) AS x;
CREATE OR REPLACE TEMP MACRO mask_message(x, severity) AS x;
CREATE OR REPLACE TEMP MACRO mask_detail(x, severity) AS x;
CREATE OR REPLACE TEMP MACRO mask_context(x, severity) AS x;
