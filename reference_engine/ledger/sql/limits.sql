-- Limits of the licence. The rows of `limits` are data given to the run; here they are applied.

-- Returns NULL when the operation keeps within the limits, else the reason as a short code.
CREATE FUNCTION limit_reached(
    p_operation operation_kind, p_wallet bigint, p_receiver bigint, p_amount bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    per_transfer bigint;
    per_day bigint;
    cap bigint;
    used bigint;
    held bigint;
BEGIN
    SELECT max(amount_jpy) FILTER (WHERE name = 'per_transfer'),
           max(amount_jpy) FILTER (WHERE name = 'per_day'),
           max(amount_jpy) FILTER (WHERE name = 'balance_cap')
    INTO per_transfer, per_day, cap
    FROM limits WHERE operation = p_operation;
    IF p_amount > per_transfer THEN
        RETURN 'limit_per_transfer';
    END IF;
    IF per_day IS NOT NULL THEN
        SELECT used_jpy INTO used FROM daily_usage
        WHERE account_id = p_wallet AND operation = p_operation AND day = japanese_day();
        IF coalesce(used, 0) + p_amount > per_day THEN
            RETURN 'limit_per_day';
        END IF;
    END IF;
    IF cap IS NOT NULL AND p_receiver IS NOT NULL THEN
        -- what is on its way counts: holds, and what a card is being charged for
        SELECT credits_posted_jpy - debits_posted_jpy + credits_pending_jpy + coalesce((
            SELECT sum(o.amount_jpy - coalesce(h.amount_jpy, 0))::bigint
            FROM operations AS o LEFT JOIN transfers AS h ON h.transfer_id = o.operation_id * 16
            WHERE o.state = 'pending' AND o.operation = 'p2p_transfer'
              AND o.counterparty_id = p_receiver), 0) INTO held
        FROM accounts WHERE account_id = p_receiver AND kind = 'wallet';
        IF held + p_amount > cap THEN
            RETURN 'balance_cap';
        END IF;
    END IF;
    RETURN NULL;
END
$$;

-- The calendar day in Japan: limits per day end at midnight there, wherever the server stands.
CREATE FUNCTION japanese_day(p_at timestamptz DEFAULT now()) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT (p_at AT TIME ZONE 'Asia/Tokyo')::date
$$;

-- Counts an operation toward its day; a negative amount gives it back, to the day it was counted on.
CREATE FUNCTION limit_use(
    p_operation operation_kind, p_wallet bigint, p_amount bigint, p_day date DEFAULT japanese_day()
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO daily_usage AS u (account_id, operation, day, used_jpy)
    SELECT p_wallet, p_operation, p_day, p_amount
    FROM limits WHERE operation = p_operation AND name = 'per_day'
    ON CONFLICT (account_id, operation, day) DO UPDATE SET used_jpy = u.used_jpy + excluded.used_jpy
$$;
