-- Posting. Inserting transfers IS posting: this trigger brings the balances along, in the same
-- statement, for one row or for many. An account that does not exist, a wallet short of money or a
-- hold ended twice fails the whole statement, and with it everything linked to it.

CREATE FUNCTION post_transfers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    row_count bigint;
    ending_count bigint;
    expected bigint;
    touched bigint;
BEGIN
    SELECT count(*), count(pending_id) INTO row_count, ending_count FROM new_transfers;
    IF row_count = 0 THEN
        RETURN NULL;
    END IF;
    IF ending_count > 0 THEN
        PERFORM check_endings_of(count(*)) FROM (
            SELECT 1 FROM new_transfers AS n
            JOIN transfers AS p ON p.transfer_id = n.pending_id
            WHERE p.kind = 'pending'
              AND p.debit_account_id = n.debit_account_id
              AND p.credit_account_id = n.credit_account_id
              AND n.amount_jpy <= p.amount_jpy
              AND (n.kind <> 'expire_pending' OR p.expires_at <= clock_timestamp())
        ) AS fitting HAVING count(*) <> ending_count;
    END IF;
    IF row_count < 64 THEN
        -- Separate statement texts for few and for many rows: each keeps a plan that fits.
        WITH delta AS MATERIALIZED (
            SELECT account_id, sum(dp)::bigint AS dp, sum(cp)::bigint AS cp,
                   sum(dh)::bigint AS dh, sum(ch)::bigint AS ch
            FROM (
                SELECT debit_account_id AS account_id,
                       CASE WHEN kind = 'pending' THEN 0 ELSE amount_jpy END AS dp, 0 AS cp,
                       CASE WHEN kind = 'pending' THEN amount_jpy ELSE 0 END AS dh, 0 AS ch
                FROM new_transfers
                UNION ALL
                SELECT credit_account_id, 0, CASE WHEN kind = 'pending' THEN 0 ELSE amount_jpy END,
                       0, CASE WHEN kind = 'pending' THEN amount_jpy ELSE 0 END
                FROM new_transfers
                UNION ALL
                SELECT s.account_id, 0, 0, s.dh, s.ch
                FROM new_transfers AS n
                JOIN transfers AS p ON p.transfer_id = n.pending_id
                CROSS JOIN LATERAL (VALUES
                    (p.debit_account_id, -p.amount_jpy, 0::bigint),
                    (p.credit_account_id, 0::bigint, -p.amount_jpy)) AS s (account_id, dh, ch)
            ) AS sides GROUP BY account_id
        ), locked AS MATERIALIZED (
            SELECT a.account_id, d.dp, d.cp, d.dh, d.ch
            FROM accounts AS a JOIN delta AS d ON d.account_id = a.account_id
            ORDER BY a.account_id FOR NO KEY UPDATE OF a
        ), moved AS (
            UPDATE accounts AS a
            SET debits_posted_jpy = a.debits_posted_jpy + l.dp,
                credits_posted_jpy = a.credits_posted_jpy + l.cp,
                debits_pending_jpy = a.debits_pending_jpy + l.dh,
                credits_pending_jpy = a.credits_pending_jpy + l.ch
            FROM locked AS l WHERE a.account_id = l.account_id RETURNING 1
        )
        SELECT (SELECT count(*) FROM delta), (SELECT count(*) FROM moved) INTO expected, touched;
    ELSE
        WITH sides AS (
            SELECT debit_account_id AS account_id,
                   CASE WHEN kind = 'pending' THEN 0 ELSE amount_jpy END AS dp, 0 AS cp,
                   CASE WHEN kind = 'pending' THEN amount_jpy ELSE 0 END AS dh, 0 AS ch
            FROM new_transfers
            UNION ALL
            SELECT credit_account_id, 0, CASE WHEN kind = 'pending' THEN 0 ELSE amount_jpy END,
                   0, CASE WHEN kind = 'pending' THEN amount_jpy ELSE 0 END
            FROM new_transfers
            UNION ALL
            SELECT s.account_id, 0, 0, s.dh, s.ch
            FROM new_transfers AS n
            JOIN transfers AS p ON p.transfer_id = n.pending_id
            CROSS JOIN LATERAL (VALUES
                (p.debit_account_id, -p.amount_jpy, 0::bigint),
                (p.credit_account_id, 0::bigint, -p.amount_jpy)) AS s (account_id, dh, ch)
            WHERE ending_count > 0 AND n.pending_id IS NOT NULL
        ), delta AS MATERIALIZED (
            SELECT account_id, sum(dp)::bigint AS dp, sum(cp)::bigint AS cp,
                   sum(dh)::bigint AS dh, sum(ch)::bigint AS ch
            FROM sides GROUP BY account_id
        ), locked AS MATERIALIZED (
            SELECT a.account_id, d.dp, d.cp, d.dh, d.ch
            FROM accounts AS a JOIN delta AS d ON d.account_id = a.account_id
            ORDER BY a.account_id FOR NO KEY UPDATE OF a
        ), moved AS (
            UPDATE accounts AS a
            SET debits_posted_jpy = a.debits_posted_jpy + l.dp,
                credits_posted_jpy = a.credits_posted_jpy + l.cp,
                debits_pending_jpy = a.debits_pending_jpy + l.dh,
                credits_pending_jpy = a.credits_pending_jpy + l.ch
            FROM locked AS l WHERE a.account_id = l.account_id RETURNING 1
        )
        SELECT (SELECT count(*) FROM delta), (SELECT count(*) FROM moved) INTO expected, touched;
    END IF;
    IF expected <> touched THEN
        RAISE EXCEPTION 'a transfer names an account that does not exist'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION check_endings_of(fitting bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a transfer ends a hold that does not exist, is not due, or is smaller'
        USING ERRCODE = 'check_violation', DETAIL = fitting || ' endings fit their holds';
END
$$;

CREATE TRIGGER transfers_are_posted AFTER INSERT ON transfers
    REFERENCING NEW TABLE AS new_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION post_transfers();

-- What is written stays written, and balances move by transfers only.
CREATE FUNCTION refuse_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the ledger changes by new transfers only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER transfers_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_write();

CREATE FUNCTION refuse_direct_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- depth 1 is a write by hand; inside the posting trigger it is 2
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'direct % of accounts is refused: insert transfers', TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER accounts_move_by_transfers BEFORE UPDATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_direct_update();

CREATE TRIGGER accounts_stay BEFORE DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_write();

CREATE FUNCTION refuse_opening_amounts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM new_accounts
        WHERE debits_posted_jpy <> 0 OR credits_posted_jpy <> 0
           OR debits_pending_jpy <> 0 OR credits_pending_jpy <> 0
    ) THEN
        RAISE EXCEPTION 'an account opens empty: post its opening balance as a transfer'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER accounts_open_empty AFTER INSERT ON accounts
    REFERENCING NEW TABLE AS new_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_opening_amounts();

-- The first answer to a key is the answer.
CREATE TRIGGER operations_keep_their_answer BEFORE UPDATE ON operations
    FOR EACH ROW WHEN (OLD.state <> 'pending') EXECUTE FUNCTION refuse_write();

CREATE TRIGGER operations_stay BEFORE DELETE OR TRUNCATE ON operations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_write();
