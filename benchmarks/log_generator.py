"""Generates a seeded PostgreSQL csvlog (26 columns) with a realistic mix of records.

The mix: a wallet's statements over the simple and the extended protocol, connections, lock waits
that are acquired, cancelled or end in a deadlock, errors, checkpoints, temporary files, autovacuum.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path

_START = dt.datetime(2026, 3, 14, 3, 0, tzinfo=dt.UTC)
_APPS = ("front-1", "front-2", "front-3", "batch", "admin")
_SIMPLE = (
    "SELECT balance FROM accounts WHERE account_id = {a}",
    """SELECT t.id, t.amount_jpy, t.posted_at FROM transfers t WHERE t.account_id = {a} AND \
t.posted_at > '2026-03-{d:02d} 00:00:00' ORDER BY t.posted_at DESC LIMIT {n}""",
    "UPDATE accounts SET balance = balance - {n} WHERE account_id = {a}",
    "INSERT INTO transfers (account_id, amount_jpy, memo) VALUES ({a}, {n}, 'order {a}-{n}')",
    "BEGIN",
    "COMMIT",
    """SELECT m.name, sum(t.amount_jpy) FROM merchants m JOIN transfers t ON t.merchant_id = m.id \
WHERE m.region IN ({d}, {n}, {a}) AND t.status = 'captured' GROUP BY m.name \
HAVING count(*) > {n}""",
)
_PREPARED = (
    "update accounts set balance = balance - $1 where account_id = $2 and balance >= $1",
    """insert into operations (idempotency_key, account_id, answer) values ($1, $2, $3) \
on conflict (idempotency_key) do nothing returning answer""",
    "select account_id, kind, balance, pending from accounts where account_id = any($1) for update",
)


class _Session:
    """One backend: its fields that are the same on every record, and its line counter."""

    def __init__(self, rng: random.Random, pid: int, at: dt.datetime) -> None:
        self.pid, self.line = pid, 0
        self.app = rng.choice(_APPS)
        self.host = f"10.0.{rng.randrange(8)}.{rng.randrange(250)}:{rng.randrange(30000, 60000)}"
        self.session_id = f"{int(at.timestamp()):x}.{pid:x}"
        self.started = f"{at:%Y-%m-%d %H:%M:%S} UTC"
        self.left = rng.randrange(200, 4000)


def records(seed: int, size_bytes: int) -> Iterator[str]:
    """Yield csvlog records, about `size_bytes` of them in all, the same for the same seed."""
    rng = random.Random(seed)
    now, pid, written = _START, 2000, 0
    sessions: list[_Session] = []
    while written < size_bytes:
        now += dt.timedelta(microseconds=int(rng.expovariate(1 / 4000)))
        if len(sessions) < 40 or rng.random() < 0.0005:
            pid = pid + 1 if pid < 32000 else 2001  # process ids come round again
            session = _Session(rng, pid, now)
            sessions.append(session)
            lines = _connect(session, now)
        else:
            session = sessions[rng.randrange(len(sessions))]
            lines = _work(rng, session, sessions, now)
        session.left -= len(lines)
        if session.left <= 0:
            sessions.remove(session)
            text = f"disconnection: session time: 0:01:07.{rng.randrange(1000):03d} user=wallet"
            lines.append(_record(session, now, "idle", "LOG", "00000", text))
        for line in lines:
            written += len(line)
            yield line


def _record(
    s: _Session,
    at: dt.datetime,
    tag: str,
    level: str,
    state: str,
    message: str,
    *,
    detail: str = "",
    context: str = "",
    query: str = "",
    query_id: int = 0,
    xid: int = 0,
) -> str:
    s.line += 1
    quoted = [
        f'"{t.replace(chr(34), chr(34) * 2)}"' if t else ""
        for t in (message, detail, context, query)
    ]
    stamp = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC"
    return (
        f'{stamp},"wallet","wallet",{s.pid},"{s.host}",{s.session_id},{s.line},"{tag}",{s.started},'
        f"{s.pid % 97}/{s.line},{xid},{level},{state},{quoted[0]},{quoted[1]},,,,{quoted[2]},"
        f'{quoted[3]},,,"{s.app}","client backend",,{query_id}\n'
    )


def _connect(s: _Session, at: dt.datetime) -> list[str]:
    host, port = s.host.split(":")
    return [
        _record(s, at, "", "LOG", "00000", f"connection received: host={host} port={port}"),
        _record(
            s,
            at,
            "authentication",
            "LOG",
            "00000",
            f"connection authorized: user=wallet database=wallet application_name={s.app}",
        ),
    ]


def _work(rng: random.Random, s: _Session, all_: list[_Session], at: dt.datetime) -> list[str]:
    dice = rng.random()
    if dice < 0.45:
        return [_simple(rng, s, at)]
    if dice < 0.965:
        return _extended(rng, s, at)
    if dice < 0.985:
        return _lock_wait(rng, s, rng.choice(all_), at)
    if dice < 0.995:
        return [_error(rng, s, at)]
    return [_background(rng, s, at)]


def _duration(rng: random.Random) -> str:
    return f"{rng.lognormvariate(0.3, 1.5):.3f}"


def _simple(rng: random.Random, s: _Session, at: dt.datetime) -> str:
    which = rng.randrange(len(_SIMPLE))
    text = _SIMPLE[which].format(
        a=rng.randrange(10**7), n=rng.randrange(1, 9999), d=rng.randrange(1, 29)
    )
    tag = text.split(" ", 1)[0]
    message = f"duration: {_duration(rng)} ms  statement: {text}"
    return _record(s, at, tag, "LOG", "00000", message, query_id=which - 4_000_000_000_000_000_000)


def _extended(rng: random.Random, s: _Session, at: dt.datetime) -> list[str]:
    which = rng.randrange(len(_PREPARED))
    text, query_id = _PREPARED[which], which + 7_000_000_000_000_000_000
    values = (
        f"parameters: $1 = '{rng.randrange(9999)}', $2 = '{rng.randrange(10**7)}', $3 = 'it''s ok'"
    )
    tag = text.split(" ", 1)[0].upper()
    return [
        _record(
            s,
            at,
            step_tag,
            "LOG",
            "00000",
            f"duration: {_duration(rng)} ms  {step} s_{which}: {text}",
            detail=values,
            query_id=query_id,
        )
        for step, step_tag in (("bind", "BIND"), ("execute", tag))
    ]


def _lock_wait(rng: random.Random, s: _Session, holder: _Session, at: dt.datetime) -> list[str]:
    xid = rng.randrange(10**6, 10**9)
    query = f"UPDATE accounts SET balance = balance - 1 WHERE account_id = {rng.randrange(50)}"
    where = (
        f'while updating tuple ({rng.randrange(9)},{rng.randrange(1, 90)}) in relation "accounts"'
    )
    what = f"ShareLock on transaction {xid}"
    detail = f"Process holding the lock: {holder.pid}. Wait queue: {s.pid}."
    waited = rng.randrange(1001, 9000)
    dice = rng.random()
    if dice < 0.05:
        seen = f"after 1000.{rng.randrange(999):03d} ms"
        text = f"process {s.pid} detected deadlock while waiting for {what} {seen}"
        graph = (
            f"Process {s.pid} waits for {what}; blocked by process {holder.pid}.\n"
            f"Process {holder.pid} waits for ShareLock on transaction {xid + 1}; "
            f"blocked by process {s.pid}.\n"
            f"Process {s.pid}: {query}\nProcess {holder.pid}: {query}"
        )
        empty = f"Process holding the lock: {holder.pid}. Wait queue: ."
        return [
            _record(
                s,
                at,
                "UPDATE waiting",
                "LOG",
                "00000",
                text,
                detail=empty,
                context=where,
                query=query,
                xid=xid + 1,
            ),
            _record(
                s,
                at,
                "UPDATE",
                "ERROR",
                "40P01",
                "deadlock detected",
                detail=graph,
                context=where,
                query=query,
                xid=xid + 1,
            ),
        ]
    text = f"process {s.pid} still waiting for {what} after 1000.{rng.randrange(999):03d} ms"
    first = _record(
        s,
        at,
        "UPDATE waiting",
        "LOG",
        "00000",
        text,
        detail=detail,
        context=where,
        query=query,
        xid=xid + 1,
    )
    later = at + dt.timedelta(milliseconds=waited - 1000)
    if dice < 0.15:
        text = "canceling statement due to statement timeout"
        return [
            first,
            _record(s, later, "UPDATE waiting", "ERROR", "57014", text, context=where, query=query),
        ]
    text = f"process {s.pid} acquired {what} after {waited}.{rng.randrange(999):03d} ms"
    return [
        first,
        _record(
            s,
            later,
            "UPDATE waiting",
            "LOG",
            "00000",
            text,
            context=where,
            query=query,
            xid=xid + 1,
        ),
    ]


def _error(rng: random.Random, s: _Session, at: dt.datetime) -> str:
    key = rng.randrange(10**7)
    if rng.random() < 0.5:
        return _record(
            s,
            at,
            "INSERT",
            "ERROR",
            "23505",
            'duplicate key value violates unique constraint "operations_pkey"',
            detail=f"Key (idempotency_key)=(order-{key}) already exists.",
            query=f"INSERT INTO operations (idempotency_key) VALUES ('order-{key}')",
        )
    return _record(
        s,
        at,
        "SELECT",
        "ERROR",
        "40001",
        "could not serialize access due to concurrent update",
        query=f"SELECT * FROM accounts WHERE account_id = {key} FOR UPDATE",
    )


def _background(rng: random.Random, s: _Session, at: dt.datetime) -> str:
    dice = rng.random()
    if dice < 0.5:
        size = rng.randrange(10**5, 10**9)
        text = f'temporary file: path "base/pgsql_tmp/pgsql_tmp{s.pid}.{s.line}", size {size}'
        return _record(
            s, at, "SELECT", "LOG", "00000", text, query="SELECT * FROM transfers ORDER BY memo"
        )
    if dice < 0.75:
        text = (
            f"checkpoint complete: wrote {rng.randrange(20000)} buffers (3.1%); 0 WAL file(s) "
            f"added, 0 removed, 3 recycled; write={rng.uniform(1, 200):.3f} s, "
            f"sync={rng.uniform(0, 3):.3f} s, total={rng.uniform(1, 204):.3f} s; sync files=41, "
            "longest=0.211 s, average=0.004 s; distance=49152 kB, estimate=51200 kB"
        )
        return _record(s, at, "", "LOG", "00000", text)
    text = (
        'automatic vacuum of table "wallet.public.accounts": index scans: 1\n'
        f"pages: 0 removed, 8849 remain\ntuples: {rng.randrange(9000)} removed, 100000 remain, "
        "12 are dead but not yet removable, oldest xmin: 99\n"
        "system usage: CPU: user: 0.11 s, system: 0.02 s, elapsed: 1.31 s"
    )
    return _record(s, at, "", "LOG", "00000", text)


def write_csvlog(path: Path, seed: int, size_bytes: int) -> int:
    """Write one log of about `size_bytes`; return the number of its records."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for record in records(seed, size_bytes):
            file.write(record)
            count += 1
    return count
