-- Posting. Inserting transfers IS posting: this trigger brings the balances along, in the same
-- statement, for one row or for many. An account that does not exist, a wallet short of money or a
-- hold ended twice fails the whole statement, and with it everything linked to it.

CREATE FUNCTION post_transfers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    row_count bigint;
    ending_count bigint;
    fitting_count bigint;
    expected bigint;
    touched bigint;
    ids bigint[];
    dps bigint[];
    cps bigint[];
    dhs bigint[];
    chs bigint[];
BEGIN
    SELECT count(*) INTO row_count FROM (SELECT 1 FROM new_transfers LIMIT 64) AS first_rows;
    IF row_count = 0 THEN
        RETURN NULL;
    END IF;
    -- Few and many rows have statements of their own, so that each keeps a plan that fits it. Both
    -- sum the sides of all rows by account, lock the accounts in order of their ids, and move them.
    IF row_count < 64 THEN
        WITH ended AS MATERIALIZED (
            SELECT h.* FROM new_transfers AS n
            CROSS JOIN LATERAL (SELECT * FROM hold_ended_by(n.pending_id, n.debit_account_id,
                n.credit_account_id, n.amount_jpy, n.kind)) AS h
            WHERE n.pending_id IS NOT NULL
        ), delta AS MATERIALIZED (
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
                UNION ALL SELECT debit_account_id, 0, 0, -amount_jpy, 0 FROM ended
                UNION ALL SELECT credit_account_id, 0, 0, 0, -amount_jpy FROM ended
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
        SELECT (SELECT count(pending_id) FROM new_transfers), (SELECT count(*) FROM ended),
               (SELECT count(*) FROM delta), (SELECT count(*) FROM moved)
        INTO ending_count, fitting_count, expected, touched;
    ELSE
        -- in three steps: lock waits of a join would be followed by running it again for each row
        WITH ended AS MATERIALIZED (
            SELECT h.* FROM new_transfers AS n
            CROSS JOIN LATERAL (SELECT * FROM hold_ended_by(n.pending_id, n.debit_account_id,
                n.credit_account_id, n.amount_jpy, n.kind)) AS h
            WHERE n.pending_id IS NOT NULL
        ), delta AS MATERIALIZED (
            SELECT account_id, sum(dp)::bigint AS dp, sum(cp)::bigint AS cp,
                   sum(dh)::bigint AS dh, sum(ch)::bigint AS ch, sum(endings) AS endings
            FROM (
                SELECT debit_account_id AS account_id,
                       coalesce(sum(amount_jpy) FILTER (WHERE kind <> 'pending'), 0) AS dp, 0 AS cp,
                       coalesce(sum(amount_jpy) FILTER (WHERE kind = 'pending'), 0) AS dh, 0 AS ch,
                       count(pending_id) AS endings
                FROM new_transfers GROUP BY debit_account_id
                UNION ALL
                SELECT credit_account_id,
                       0, coalesce(sum(amount_jpy) FILTER (WHERE kind <> 'pending'), 0),
                       0, coalesce(sum(amount_jpy) FILTER (WHERE kind = 'pending'), 0), 0
                FROM new_transfers GROUP BY credit_account_id
                UNION ALL SELECT debit_account_id, 0, 0, -amount_jpy, 0, 0 FROM ended
                UNION ALL SELECT credit_account_id, 0, 0, 0, -amount_jpy, 0 FROM ended
            ) AS sides GROUP BY account_id
        )
        SELECT sum(endings), (SELECT count(*) FROM ended), count(*),
               array_agg(account_id), array_agg(dp), array_agg(cp), array_agg(dh), array_agg(ch)
        INTO ending_count, fitting_count, expected, ids, dps, cps, dhs, chs FROM delta;
        PERFORM 1 FROM accounts WHERE account_id = ANY (ids) ORDER BY account_id FOR NO KEY UPDATE;
        UPDATE accounts AS a
        SET debits_posted_jpy = a.debits_posted_jpy + l.dp,
            credits_posted_jpy = a.credits_posted_jpy + l.cp,
            debits_pending_jpy = a.debits_pending_jpy + l.dh,
            credits_pending_jpy = a.credits_pending_jpy + l.ch
        FROM unnest(ids, dps, cps, dhs, chs) AS l (account_id, dp, cp, dh, ch)
        WHERE a.account_id = l.account_id;
        GET DIAGNOSTICS touched = ROW_COUNT;
    END IF;
    IF fitting_count <> ending_count THEN
        RAISE EXCEPTION 'a transfer ends a hold that does not exist, is not due, or is smaller'
            USING ERRCODE = 'check_violation';
    END IF;
    IF expected <> touched THEN
        RAISE EXCEPTION 'a transfer names an account that does not exist'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;

-- Grain: the one hold that a transfer may end, or no row. OFFSET 0 keeps it a search by key: joined
-- freely, a batch of endings would be planned as a scan of all transfers ever made.
CREATE FUNCTION hold_ended_by(
    p_pending_id bigint, p_debit bigint, p_credit bigint, p_amount bigint, p_kind transfer_kind
) RETURNS TABLE (debit_account_id bigint, credit_account_id bigint, amount_jpy bigint)
LANGUAGE sql STABLE AS $$
    SELECT p.debit_account_id, p.credit_account_id, p.amount_jpy
    FROM transfers AS p
    WHERE p.transfer_id = p_pending_id AND p.kind = 'pending'
      AND p.debit_account_id = p_debit AND p.credit_account_id = p_credit
      AND p_amount <= p.amount_jpy
      AND (p_kind <> 'expire_pending' OR p.expires_at <= clock_timestamp())
    OFFSET 0
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
