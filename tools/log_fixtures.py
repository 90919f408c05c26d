"""Makes the real server logs under tests/fixtures/logs anew, from a throw-away PostgreSQL.

    python tools/log_fixtures.py /usr/lib/postgresql/15/bin pg15

One workload (lock chains, a deadlock, timeouts, errors, the extended protocol, hostile text) is
logged as csvlog, jsonlog and stderr at once; with --syslog also through a syslog socket of this
script's own. Values in it are invented. The socket's folder is replaced by the usual one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psycopg

TARGET = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "logs"
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog{syslog}'
log_directory = '{folder}/out'
log_filename = 'server.log'
log_file_mode = 0644
log_timezone = 'Asia/Tokyo'
log_lock_waits = on
deadlock_timeout = 100ms
log_min_duration_statement = 0
log_connections = on
log_disconnections = on
log_checkpoints = on
log_temp_files = 0
log_autovacuum_min_duration = -1
autovacuum_naptime = 1s
compute_query_id = on
work_mem = 64kB
max_connections = 12
superuser_reserved_connections = 3
log_line_prefix = '%m [%p] %q%u@%d %a '
"""
HOSTILE = (
    "select 1/0",
    "select * from nope",
    "insert into wallet values (1, 1, 'dup@example.com')",
    "insert into wallet values (2000, -5, 'Jane Roe')",
    "select 'abc'::int",
    "select 'unterminated",
    "select\n  1 as a,\n  'two\nlines' as b",
    "selec 'x'",
    "do $$ begin perform 1/0; end $$",
    "select '<script>alert(1)</script>', '{{7*7}}', 'é日本'",
    'select "quo\'ted" from wallet',
    "select $q$dollar ' secret$q$, E'it\\'s', 1.5e3, -7 -- comment's",
)


class Workload:
    """The sessions that make the log worth reading."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def connect(self, name: str) -> psycopg.Connection:
        return psycopg.connect(self.dsn, autocommit=True, application_name=name)

    def session(self, name: str, *steps: str | float) -> threading.Thread:
        """Start a session that runs statements and sleeps (numbers of seconds)."""

        def play() -> None:
            with contextlib.suppress(psycopg.Error), self.connect(name) as connection:
                for step in steps:
                    if isinstance(step, float):
                        time.sleep(step)
                    else:
                        with contextlib.suppress(psycopg.Error):
                            connection.execute(step, prepare=False)

        thread = threading.Thread(target=play)
        thread.start()
        return thread

    def together(self, *sessions: tuple[float, str, tuple[str | float, ...]]) -> None:
        threads = []
        for delay, name, steps in sessions:
            time.sleep(delay)
            threads.append(self.session(name, *steps))
        for thread in threads:
            thread.join()

    def play(self) -> None:
        setup = self.connect("setup")
        setup.execute(
            "create table wallet (id int primary key, balance bigint check (balance >= 0), "
            "note text) with (log_autovacuum_min_duration = 0, autovacuum_vacuum_threshold = 10, "
            "autovacuum_analyze_threshold = 10)"
        )
        setup.execute("insert into wallet select g, 1000, 'x' from generate_series(1, 100) g")
        with self.connect("extended") as extended:
            for amount in range(3):
                text = "update wallet set balance = balance + %s, note = %s where id = %s"
                extended.execute(text, (amount, "it's secret", 3), prepare=True)
        hot = "update wallet set balance = balance - 1 where id = 1"
        self.together(
            (0, "root", ("begin", hot, 0.6, "commit")),
            *((0.05 + 0.05 * (i == 0), f"waiter{i}", (hot,)) for i in range(4)),
        )
        first, second = (f"update wallet set balance = 2 where id = {i}" for i in (10, 11))
        self.together(
            (0, "deadlock1", ("begin", first, 0.2, second, "commit")),
            (0, "deadlock2", ("begin", second, 0.2, first, "commit")),
        )
        read = "select count(*) from wallet where note = 'personal data'"
        self.together(
            (0, "ddl", ("begin", "lock table wallet in access exclusive mode", 0.8, "commit")),
            (0.1, "lock_timeout", ("set lock_timeout = '300ms'", read)),
            (0, "statement_timeout", ("set statement_timeout = '250ms'", read)),
            (0, "patient", (read,)),
        )
        lock = "select pg_advisory_lock(77)"
        self.together((0, "advisory1", (lock, 0.4)), (0.1, "advisory2", (lock,)))
        for text in HOSTILE:
            with contextlib.suppress(psycopg.Error):
                setup.execute(text, prepare=False)
        setup.execute("select count(*) from (select g from generate_series(1, 50000) g "
                      "order by g desc offset 10) s")  # fmt: skip
        setup.execute("delete from wallet where id > 50")
        setup.execute("checkpoint")
        self.crowd()
        idle = ("set idle_in_transaction_session_timeout = '200ms'", "begin", "select 1", 0.5)
        self.together((0, "idle", (*idle, "select 1")))
        time.sleep(2.5)
        setup.close()

    def crowd(self) -> None:
        """Ask for more connections than there are, and for a role that is not there."""
        crowd = []
        with contextlib.suppress(psycopg.Error):
            while True:
                crowd.append(self.connect("crowd"))
        for connection in crowd:
            connection.close()
        with contextlib.suppress(psycopg.Error):
            psycopg.connect(self.dsn, user="nobody_known")


def record_syslog(lines: list[bytes], stop: threading.Event) -> threading.Thread:
    """Receive what the server sends to /dev/log, as a syslog daemon would."""
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind("/dev/log")
    Path("/dev/log").chmod(0o666)
    receiver.settimeout(0.2)

    def receive() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                lines.append(receiver.recv(65536))
        receiver.close()
        Path("/dev/log").unlink()

    thread = threading.Thread(target=receive)
    thread.start()
    return thread


def rsyslog_line(datagram: bytes) -> str:
    """Write a datagram as rsyslog's traditional file format does: with a host, tabs escaped."""
    text = datagram.decode("utf-8", "replace").rstrip("\n")
    header = text[text.index(">") + 1 :]
    stamp, rest = header[:15], header[16:]
    return f"{stamp} db1 {rest}".replace("\t", "#011")


def main() -> None:
    """Make the fixtures of one server version."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bin", type=Path, help="folder with initdb and pg_ctl")
    parser.add_argument("name", help="prefix of the fixture files, e.g. pg15")
    parser.add_argument("--syslog", action="store_true", help="also through /dev/log")
    options = parser.parse_args()
    options.bin = options.bin.resolve()
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="logs"))
    if as_user:
        shutil.chown(folder, "postgres")
    folder.chmod(0o755)
    data, out = folder / "data", folder / "out"
    datagrams: list[bytes] = []
    stop = threading.Event()
    receiver = record_syslog(datagrams, stop) if options.syslog else None
    try:
        subprocess.run(
            [*as_user, options.bin / "initdb", "-D", data, "-U", "postgres", "-A", "trust"],
            check=True, stdout=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        with (data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS.format(folder=folder, syslog=",syslog" if options.syslog else ""))
        control = [*as_user, options.bin / "pg_ctl", "-D", data, "-w", "-l", folder / "start"]
        subprocess.run([*control, "start"], check=True, stdout=subprocess.DEVNULL, cwd="/")
        try:
            Workload(f"host={folder} user=postgres dbname=postgres").play()
        finally:
            subprocess.run([*control, "-m", "fast", "stop"], check=True, cwd="/")
        TARGET.mkdir(parents=True, exist_ok=True)
        for suffix in ("csv", "json", "log"):
            text = (out / f"server.{suffix}").read_text("utf-8")
            text = text.replace(str(folder), "/var/run/postgresql")
            (TARGET / f"{options.name}.{suffix}").write_text(text, "utf-8")
    finally:
        stop.set()
        if receiver:
            receiver.join()
        shutil.rmtree(folder, ignore_errors=True)
    if datagrams:
        lines = "".join(rsyslog_line(d) + "\n" for d in datagrams if b"postgres[" in d)
        lines = lines.replace(str(folder), "/var/run/postgresql")
        (TARGET / f"{options.name}.syslog").write_text(lines, "utf-8")


if __name__ == "__main__":
    main()
