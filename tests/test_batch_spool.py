"""Group commit writes a batch down at once; taken apart it is what each attempt would have been."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from reference_engine.batch_spool import batch_row, unfold
from reference_engine.batched import Ticket
from reference_engine.load import Arrival
from reference_engine.recorder import whole_lines
from reference_engine.spool import BatchTimes
from runlog.writer import connect

TIMES = BatchTimes(
    gathered_us=1_030, acquired_us=1_040, asked_us=1_045, answered_us=1_080, committed_us=1_090
)


def arrival(number: int, operation: str = "card_payment") -> Arrival:
    return Arrival(f"r{number}", f"k{number}", 0, operation, number, number + 1, 100)


def lines(path: Path) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def unfolded(
    tmp_path: Path, spool: Path
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    requests, spans = tmp_path / "requests.jsonl", tmp_path / "spans.jsonl"
    with connect() as connection:
        unfold(connection, [spool], requests, spans)
    return lines(requests), lines(spans)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    tickets = [
        Ticket(arrival(1), 1_000, 1_001),
        Ticket(arrival(2, "p2p_transfer"), 1_010, 1_012),
        Ticket(Arrival("r3", "k3", 0, "top_up", 3, None, 500), 1_020, 1_020),
    ]
    path = tmp_path / "batches-0-0.jsonl"
    path.write_bytes(orjson.dumps(batch_row(7, tickets, TIMES, 1_100)) + b"\n")
    return path


def test_each_attempt_of_a_batch_becomes_one_row_of_requests(tmp_path: Path, spool: Path) -> None:
    requests, _ = unfolded(tmp_path, spool)
    assert [row["request_id"] for row in requests] == ["r1", "r2", "r3"]
    assert requests[0] == {
        "request_id": "r1", "idempotency_key": "k1", "operation": "card_payment",
        "needs_auto_charge": False, "wallet_id": 1, "counterparty_id": 2_000_002,
        "amount_jpy": 100, "attempt": 1, "front_id": 7, "scheduled_at": 1_000,
        "started_at": 1_001, "finished_at": 1_100, "outcome": "approved", "reason": None,
    }  # fmt: skip
    assert [row["counterparty_id"] for row in requests] == [2_000_002, 3, None]


def test_each_attempt_of_a_batch_has_the_spans_of_its_stages(tmp_path: Path, spool: Path) -> None:
    _, spans = unfolded(tmp_path, spool)
    assert len(spans) == 3 * 5
    names = ("started_at", "span", "name", "duration_us")
    assert sorted(tuple(s[n] for n in names) for s in spans if s["request_id"] == "r2") == [
        (1_010, "queue", "batch", 20),
        (1_030, "pool_wait", "acquire", 10),
        (1_040, "ledger_tx", "batch", 50),
        (1_045, "statement", "batch_begin", 35),
        (1_080, "commit", "commit", 10),
    ]


def test_batch_that_a_killed_front_half_wrote_is_left_out(tmp_path: Path, spool: Path) -> None:
    whole = spool.read_bytes()
    spool.write_bytes(whole + whole[: len(whole) // 2])
    requests, spans = unfolded(tmp_path, whole_lines(spool))
    assert (len(requests), len(spans)) == (3, 15)
