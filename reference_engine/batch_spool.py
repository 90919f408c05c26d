"""What a batch approved, written down once for all of it, and taken apart again after the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reference_engine.spool import BATCH_STAGES, BatchTimes
from reference_engine.wallet import counterparty_account
from runlog.literals import sql_text

if TYPE_CHECKING:
    import duckdb

    from reference_engine.batched import Ticket

_SHARED = ("front_id", *BatchTimes.__slots__, "finished_us")
_OWN = {
    "request_id": "VARCHAR[]",
    "idempotency_key": "VARCHAR[]",
    "operation": "VARCHAR[]",
    "wallet_id": "BIGINT[]",
    "counterparty_id": "BIGINT[]",
    "amount_jpy": "BIGINT[]",
    "scheduled_us": "BIGINT[]",
    "started_us": "BIGINT[]",
}
_REQUESTS = """
SELECT request_id, idempotency_key, operation, false AS needs_auto_charge, wallet_id,
    counterparty_id, amount_jpy, 1 AS attempt, front_id, scheduled_us AS scheduled_at,
    started_us AS started_at, finished_us AS finished_at, 'approved' AS outcome,
    NULL AS reason
FROM attempts
"""
_SPANS = """
SELECT request_id, 1 AS attempt, s.span, s.name, s.began_us AS started_at,
    greatest(0, s.ended_us - s.began_us) AS duration_us
FROM attempts AS a
CROSS JOIN LATERAL (VALUES ('queue', 'batch', a.scheduled_us, a.gathered_us), {stages})
    AS s (span, name, began_us, ended_us)
"""


def batch_row(
    front: int, tickets: Sequence[Ticket], times: BatchTimes, finished_us: int
) -> dict[str, Any]:
    """The first attempts that a batch approved, as one row of a batch spool.

    What they have in common is there once, what is their own in lists of one length.
    """
    arrivals = [ticket.arrival for ticket in tickets]
    return {
        "front_id": front,
        **{name: getattr(times, name) for name in BatchTimes.__slots__},
        "finished_us": finished_us,
        "request_id": [a.request_id for a in arrivals],
        "idempotency_key": [a.idempotency_key for a in arrivals],
        "operation": [a.operation for a in arrivals],
        "wallet_id": [a.wallet_id for a in arrivals],
        "counterparty_id": [counterparty_account(a) for a in arrivals],
        "amount_jpy": [a.amount_jpy for a in arrivals],
        "scheduled_us": [ticket.scheduled_us for ticket in tickets],
        "started_us": [ticket.offered_us for ticket in tickets],
    }


def unfold(
    connection: duckdb.DuckDBPyConnection, batches: Sequence[Path], requests: Path, spans: Path
) -> None:
    """Write the attempts in batch spools (of whole lines) as rows of the two ordinary spools."""
    shape = dict.fromkeys(_SHARED, "BIGINT") | _OWN
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in shape.items())
    own = ", ".join(f"unnest({name}) AS {name}" for name in _OWN)
    files = ", ".join(sql_text(path) for path in batches)
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW attempts AS SELECT {', '.join(_SHARED)}, {own} "
        f"FROM read_json([{files}], format = 'newline_delimited', columns = {{{columns}}}, "
        f"maximum_object_size = {1 << 28})"
    )
    stages = ", ".join(f"('{s}', '{n}', a.{begin}, a.{end})" for s, n, begin, end in BATCH_STAGES)
    for query, target in ((_REQUESTS, requests), (_SPANS.format(stages=stages), spans)):
        connection.execute(f"COPY ({query}) TO {sql_text(target)} (FORMAT json)")
    connection.execute("DROP VIEW attempts")
