"""Settings of the embedded server, and what of a server's settings goes into the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

# Durable on purpose: a wallet that may forget a commit is no wallet. The log is CSV, in a folder
# not named "log"; lock waits are logged from 100 ms on, statements from 100 ms on.
SETTINGS: dict[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_connections": "120",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "5min",
    "logging_collector": "on",
    "log_destination": "csvlog",
    "log_directory": "server_log",
    "log_filename": "server-%Y%m%d_%H%M%S",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
    "log_file_mode": "0644",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_lock_waits": "on",
    "deadlock_timeout": "100ms",
    "log_min_duration_statement": "100ms",
    "log_checkpoints": "on",
    "log_autovacuum_min_duration": "0",
    "compute_query_id": "on",
    "track_io_timing": "on",
    "track_wal_io_timing": "on",
    "track_activity_query_size": "4096",
}

# not for a scenario to change: without these a run is not durable, or not on record
DURABLE = ("fsync", "synchronous_commit", "full_page_writes", "data_sync_retry")
OF_THE_RUN = (
    "data_directory",
    "config_file",
    "include",
    "include_if_exists",
    "include_dir",
    "port",
    "listen_addresses",
    "unix_socket_directories",
    "logging_collector",
    "log_destination",
    "log_directory",
    "log_filename",
    "log_file_mode",
    "log_timezone",
)

# read back from the server for the manifest
SHOWN = (
    *(k for k in SETTINGS if k not in ("log_filename", "log_file_mode")),
    "server_version",
    "wal_sync_method",
    "wal_level",
    "data_checksums",
    "synchronous_standby_names",
    "default_transaction_isolation",
)


def read_settings(dsn: str) -> dict[str, str]:
    """Return the settings of the server at `dsn` that matter for a run, as it shows them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s) ORDER BY 1",
            [list(SHOWN)],
        ).fetchall()
    return dict(rows)


def setting_text(value: Any) -> str:
    """A setting's value as PostgreSQL writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def configuration_line(name: str, value: Any) -> str:
    """One line of postgresql.conf; a path is one element of a list of folders.

    >>> configuration_line("log_line_prefix", "it's ")
    "log_line_prefix = 'it''s '\\n"
    """
    text = setting_text(value)
    if isinstance(value, Path):
        text = '"' + text.replace('"', '""') + '"'
    for plain, escaped in (("\\", "\\\\"), ("'", "''"), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return f"{name} = '{text}'\n"
